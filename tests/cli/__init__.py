"""Tests of the command line: real processes, a real Redis."""

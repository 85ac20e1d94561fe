"""Backends: what both stores promise, and what is special about each."""

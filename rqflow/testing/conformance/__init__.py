"""Conformance: the suite of what a backend promises, to be run by whoever writes one (see suite.py)."""

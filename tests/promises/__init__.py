"""Promises: P1 to P10, each proved on real Redis with real worker processes."""

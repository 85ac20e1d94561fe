"""Benchmarks: what rqflow costs and how long it takes, measured on a Redis of their own."""

"""Core: what the deterministic loop, the executor, the wire codec and the state tables promise."""

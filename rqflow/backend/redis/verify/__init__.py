"""Verify: all keys of a hub read and held against what the engine promises, each violation named."""

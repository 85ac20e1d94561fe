"""Converters: users' values to payload bytes and back, by their type annotations."""

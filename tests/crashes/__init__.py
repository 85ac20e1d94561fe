"""Crashes: a corpus of workflows, each played with a death at every call."""

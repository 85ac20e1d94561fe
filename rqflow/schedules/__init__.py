"""Schedules: when a recurring workflow is to start, and what a schedule decides: pure, without clock and store."""

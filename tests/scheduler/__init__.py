"""Tests of the scheduler: what fires, when, and what happens when schedulers die, race or sleep."""

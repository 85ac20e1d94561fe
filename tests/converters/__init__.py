"""Tests of converters: what goes in comes out, and what does not fit is refused with its place."""

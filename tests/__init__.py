"""Tests: what rqflow promises, tried on real parts."""

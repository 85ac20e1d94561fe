"""Testing: what proves a backend, and what lets tests run without waiting for real time."""

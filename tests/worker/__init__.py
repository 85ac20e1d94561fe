"""Worker: takes, turns, activities, leases and stopping, on the memory backend and on real Redis."""

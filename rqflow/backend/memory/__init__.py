"""Memory: a whole store in one process: the readable twin of the Redis scripts, for tests and small tools."""

"""Client: ask for work, from blocking and from asynchronous code: start, steer, read, wait."""

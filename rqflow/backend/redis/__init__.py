"""Redis: the store that keeps everything in Redis, by Lua scripts."""

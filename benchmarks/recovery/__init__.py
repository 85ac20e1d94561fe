"""Recovery: how long work stands still after each fault."""

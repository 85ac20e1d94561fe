"""Backend: where instances, tasks and timers are kept, asked through values that say what is wanted."""

"""Worker: takes tasks from a backend, runs workflows and activities, and commits what they come to."""

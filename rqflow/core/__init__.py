"""Core: what a workflow does, decided from events alone; no clock, socket, store or chance in here."""

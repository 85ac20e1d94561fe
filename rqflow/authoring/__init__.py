"""Authoring: how workflows and activities are written: decorators, the words of code inside them, their registry."""

"""Tests of authoring: decorators, the words of workflow and activity code, the registry."""

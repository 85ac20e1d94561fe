"""Typing: files that type checkers read and nobody runs."""

"""Bytes and words that nobody meant: whatever reads them refuses them, soon, and nobody else notices."""

"""Ours: the works as rqflow does them."""

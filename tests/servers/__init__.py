"""Servers: the kinds of Redis that tests run on."""

"""Peers: the works as others do them; a module each, which needs its library only when it runs."""

"""Chaos: everything that can go wrong goes wrong at once, and then every promise is checked: see __main__."""

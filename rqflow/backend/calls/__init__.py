"""Calls: every question and order to a store, as frozen values, grouped by who asks."""

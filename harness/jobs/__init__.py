"""Verbs made of many builds or boots."""

"""Texts of building: sources, patches, logs, objects."""

"""Texts of our own modules and programs in the guest."""

"""A run as values, how it is read from saved texts, and its replay key."""

"""What guests are asked to do, as data."""

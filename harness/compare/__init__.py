"""Paired comparisons of kernels and settings from the same state of memory."""

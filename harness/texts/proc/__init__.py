"""Texts of the kernel below /proc, /sys and its log."""

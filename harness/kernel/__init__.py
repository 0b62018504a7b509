"""Pure: text of the kernel in, typed values out. No I/O."""

"""Pure: a run record in, findings out. No I/O."""

"""Pure: a judged run in, text of its reports out. No I/O."""

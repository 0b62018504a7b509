"""One module per stage; file, function, CLI verb and log prefix share one word."""

"""What the model says of a burst before it runs."""

"""The `buddylab` command."""

"""`python -m harness` is the `buddylab` command."""

from harness.cli import entry

entry()

"""`python -m harness` is the `buddylab` command."""

from harness.cli.main import entry

entry()

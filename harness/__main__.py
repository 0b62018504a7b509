# SPDX-License-Identifier: GPL-2.0-only
"""`python -m harness` is the `buddylab` command."""

from harness.cli.main import entry

entry()

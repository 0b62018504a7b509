"""`python -m harness` is the `buddylab` command."""

import sys

from harness.cli import main

sys.exit(main())

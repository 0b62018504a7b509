# SPDX-License-Identifier: GPL-2.0-only
"""Pure: a run record in, findings out. No I/O."""

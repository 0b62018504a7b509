# SPDX-License-Identifier: GPL-2.0-only
"""Pure: a judged run in, text of its reports out. No I/O."""

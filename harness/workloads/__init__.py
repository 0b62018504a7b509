# SPDX-License-Identifier: GPL-2.0-only
"""What guests are asked to do, as data."""

# SPDX-License-Identifier: GPL-2.0-only
"""One module per stage; file, function, CLI verb and log prefix share one word."""

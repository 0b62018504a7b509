# SPDX-License-Identifier: GPL-2.0-only
"""What a report is made of, and one writer for each format that it can be written in. Pure."""

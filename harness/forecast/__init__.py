# SPDX-License-Identifier: GPL-2.0-only
"""What the model says of a burst before it runs."""

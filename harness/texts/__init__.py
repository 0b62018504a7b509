# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel, the guest and the build print, as typed values. Pure."""

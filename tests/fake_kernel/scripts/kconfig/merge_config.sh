#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# merge_config.sh -m -O DIR BASE FRAGMENT
set -eu
cat "$5" >> "$4"

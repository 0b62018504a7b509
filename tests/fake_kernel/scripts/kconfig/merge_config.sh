#!/bin/sh
# merge_config.sh -m -O DIR BASE FRAGMENT
set -eu
cat "$5" >> "$4"

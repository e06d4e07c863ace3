#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Prints the Debian packages that the cases of tests/real need, one a line:
# deps.sh [quick|all].  The names come from the "packages:" headers.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
for f in "$here"/cases/*.sh; do
	if [ "${1:-quick}" = all ] || grep -q '^# class: quick' "$f"; then
		sed -n '/^#/!q; s/^# packages: *//p' "$f"
	fi
done | { echo python3 gcc libc6-dev; cat; } | tr -s ' ' '\n' | sort -u

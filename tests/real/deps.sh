#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Prints the Debian packages that the cases of tests/real need, one a line:
# deps.sh [quick|all].  The names come from the "packages:" headers; there,
# "package/program" means that the package is not needed if the program is
# already here.  A package this release does not know is left out: its case
# will then be skipped, with the reason.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

known() {
	command -v apt-cache >/dev/null || return 0
	apt-cache show base-files >/dev/null 2>&1 || return 0
	apt-cache show "$1" >/dev/null 2>&1
}

for f in "$here"/cases/*.sh; do
	if [ "${1:-quick}" = all ] || grep -q '^# class: quick' "$f"; then
		sed -n '/^#/!q; s/^# packages: *//p' "$f"
	fi
done | { echo python3 gcc libc6-dev; cat; } | tr -s ' ' '\n' | sort -u |
	while read -r word; do
		if [ "$word" != "${word%/*}" ] && command -v "${word#*/}" >/dev/null; then
			continue
		fi
		if known "${word%/*}"; then
			echo "${word%/*}"
		fi
	done

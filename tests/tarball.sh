#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Makes the tarball and looks into it: every file of the repository is there, so that whoever has only the
# tarball can do what ./dev does; and nothing that git ignores slipped in with a directory. Then distcheck:
# it builds, passes its unit tests, installs and uninstalls on its own. Called by `./dev check`.
#
#   tarball.sh BUILD     the build directory
#
# JOBS   side by side (default: number of processors)
# Prints PASS, FAIL or SKIP lines; exits 1 if something failed.
set -u -o pipefail

src=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:-$src/build}" && pwd)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/dlrs-tarball.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
status=0

# Not for users of a tarball, and what autoreconf makes for them.
only_in_git='^\.gitignore$'
only_in_tarball='^(aclocal\.m4|configure|Makefile\.in|build-aux/.*)$'

# verdict NAME STATUS FILE: one line; the end of the file says why
verdict()
{
	if [ "$2" = 0 ]; then
		echo "PASS tarball: $1"
	else
		echo "FAIL tarball: $1"
		tail -n 40 "$3" | sed 's/^/    /'
		status=1
	fi
}

# empty NAME FILE: holds when the file, which names what is wrong, is empty
empty()
{
	[ ! -s "$2" ]
	verdict "$1" $? "$2"
}

make -C "$build" --no-print-directory dist >"$tmp/dist" 2>&1
verdict 'make dist' $? "$tmp/dist"

git()
{
	command git -c safe.directory='*' -C "$src" "$@"
}

if ! command -v git >/dev/null || [ "$(cd "$src" && pwd -P)" != "$(git rev-parse --show-toplevel 2>&1)" ]; then
	echo 'SKIP tarball: contents: not a git checkout, or git is not installed'
elif [ $status = 0 ]; then
	ball=$(ls -t "$build"/libdlrs-*.tar.gz | head -n 1)
	tar -tzf "$ball" | sed -n 's,^[^/]*/\(.*[^/]\)$,\1,p' | LC_ALL=C sort >"$tmp/has"
	git ls-files | grep -Ev "$only_in_git" | while read -r f; do
		[ ! -e "$src/$f" ] || echo "$f" # not one that was deleted a moment ago
	done | LC_ALL=C sort >"$tmp/tracked"
	LC_ALL=C comm -13 "$tmp/has" "$tmp/tracked" >"$tmp/missing"
	empty 'every file of the repository is in it' "$tmp/missing"
	grep -Ev "$only_in_tarball" "$tmp/has" | git check-ignore --no-index --stdin >"$tmp/strange"
	empty 'no file that git ignores is in it' "$tmp/strange"
fi

make -C "$build" --no-print-directory -j"${JOBS:-$(nproc)}" distcheck >"$build/distcheck.log" 2>&1
verdict 'make distcheck' $? "$build/distcheck.log"
exit $status

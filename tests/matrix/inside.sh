#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The part of run.sh that runs in a chroot, where the source tree is /dlrs and the library to test is in /dlrs/build.
#
#   inside.sh packages NAME...    installs them, and the newest of LLVM's unwinders
#   inside.sh versions            what this release has: lines "name=version"
#   inside.sh tests               smoke, conform, debug; prints PASS, FAIL or SKIP lines
set -u -o pipefail

export DEBIAN_FRONTEND=noninteractive TMPDIR=/tmp GDB_TIMEOUT=1200 CASE_TIMEOUT=1500 # some gdb are slow

add()
{
	local unwinder
	apt-get -qq update || return
	unwinder=$(apt-cache --names-only search '^libunwind-[0-9]+$' | awk '{ print $1 }' | sort -V | tail -n 1)
	# shellcheck disable=SC2086
	apt-get -qq -y install "$@" $unwinder && apt-get clean
}

versions()
{
	echo "debian=$(cat /etc/debian_version)"
	echo "glibc=$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)"
	echo "gcc=$(gcc -dumpfullversion)"
	echo "gdb=$(gdb --version | sed -n '1s/.* //p')"
}

# A layer that ends badly without naming a failure is itself one.
layer()
{
	local name=$1 log=/dlrs/build/$1.log status=0
	shift
	"$@" </dev/null 2>&1 | tee "$log" || status=$?
	[ $status = 0 ] || grep -q '^FAIL ' "$log" || echo "FAIL $name: ended with status $status"
	return $status
}

tests()
{
	layer smoke /dlrs/tests/smoke.sh || return
	layer conform /dlrs/tests/conform/run.sh
	layer debug /dlrs/tests/conform/debug/run.sh
	true
}

cd / || exit
case $1 in
packages) add "${@:2}" ;;
versions) versions ;;
tests) tests ;;
esac

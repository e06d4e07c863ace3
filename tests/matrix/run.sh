#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# One libdlrs.so, several libcs: the library that is built in build/ is tested in chroots of Debian releases, whose
# own compilers build the test programs and whose own gdb and valgrind look at them. Called by `./dev matrix`, as root.
#
#   run.sh [--fresh] [RELEASE...]      --fresh: make the chroots anew
#   run.sh --in RELEASE COMMAND...     run a command in a chroot that is there, to look at a failure
#
# DLRS_LIB      the library (default build/libdlrs.so.0); libdlrs-notify.so lies beside it
# DLRS_MIRROR   where Debian's packages come from; by default the machine's own source of them
#
# build/matrix/RELEASE has the chroot (root), which is made once, what the tests leave (build) and logs. A release is
# worked on in namespaces of its own, so nothing stays mounted or running when this ends, however it ends.
# Prints PASS, FAIL or SKIP lines, then a table of all releases that were tested with this library, which is
# build/matrix/table.md, too; exits 1 if something in it failed.
set -u -o pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
lib=${DLRS_LIB:-$top/build/libdlrs.so.0}
matrix=$top/build/matrix
all='bullseye bookworm trixie sid'
packages='gcc g++ make binutils python3 gdb gdbserver valgrind procps zlib1g elfutils libunwind8'

die()
{
	echo "FAIL matrix: $*"
	exit 1
}

# ---- worker: run.sh --isolated RELEASE [COMMAND...], in the namespaces ---------------------------------

# The machine's own sources of Debian's packages, and where old releases go.
mirrors()
{
	if [ -n "${DLRS_MIRROR:-}" ]; then
		echo "$DLRS_MIRROR"
		return
	fi
	apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Identifier: Packages' |
		awk '$2 !~ /-(security|updates|backports)$/ && $1 ~ /debian\/?$/ && !seen[$1]++ { print $1 }'
	echo http://archive.debian.org/debian
}

bootstrap()
{
	local mirror proxy
	proxy=$(apt-config --format '%v' dump Acquire::http::Proxy)
	[ -z "$proxy" ] || export http_proxy=$proxy
	for mirror in $(mirrors); do
		rm -rf "$root"
		debootstrap --variant=minbase "$release" "$root" "$mirror" || continue
		echo "deb $mirror $release main" >"$root/etc/apt/sources.list"
		cat >"$root/etc/apt/apt.conf.d/99matrix" <<-END
			Acquire::Check-Valid-Until "false";
			${proxy:+Acquire::http::Proxy "$proxy";}
			APT::Install-Recommends "false";
		END
		return
	done
	return 1
}

# This tree is /dlrs in the chroot, but its build/ is the release's own.
mount_all()
{
	mkdir -p "$root/dlrs" &&
		mount --bind "$top" "$root/dlrs" && mount --bind "$dir/build" "$root/dlrs/build" &&
		mount -t proc proc "$root/proc" && mount -t sysfs -o ro sysfs "$root/sys" &&
		mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts" &&
		mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm" && mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
}

enter()
{
	env -i HOME=/root LANG=C PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM="${TERM:-dumb}" JOBS="${JOBS:-$(nproc)}" \
		chroot "$root" "$@"
}

inside()
{
	enter /dlrs/tests/matrix/inside.sh "$@" </dev/null
}

# logged NAME COMMAND...: what it prints goes to a log, and its end to the screen when it fails
logged()
{
	local log=$dir/$1.log
	shift
	"$@" >"$log" 2>&1 || { tail -n 5 "$log"; return 1; }
}

work_on()
{
	if [ ! -e "$dir/bootstrapped" ]; then
		echo "-- making the chroot"
		logged bootstrap bootstrap || return
		touch "$dir/bootstrapped"
	fi
	mount_all || return
	if [ "$(cat "$dir/packages" 2>/dev/null)" != "$packages" ]; then
		echo "-- installing packages"
		cp /etc/resolv.conf /etc/hosts "$root/etc/"
		# shellcheck disable=SC2086
		logged packages inside packages $packages || return
		echo "$packages" >"$dir/packages"
	fi
	inside versions >"$dir/versions" && inside tests
}

if [ "${1:-}" = --isolated ]; then
	release=$2 dir=$matrix/$2 root=$matrix/$2/root
	shift 2
	if [ $# = 0 ]; then work_on; else mount_all && enter "$@"; fi
	exit
fi

# ---- all releases --------------------------------------------------------------------------------------

# A line of the table. A cell is: passed / failed / skipped.
row()
{
	awk -v release="$1" '
	FNR == NR { split($0, v, "="); version[v[1]] = v[2]; next }
	!/^(PASS|FAIL|SKIP) / { next }
	{ what = $2 }
	what ~ /^smoke/ { column = "smoke" }
	what ~ /^conform/ { column = "conform" }
	what ~ /^conform\/(eh|cxx)\// { column = "exceptions" }
	what ~ /^conform\/tls\// { column = "tls" }
	what ~ /^debug/ { column = "debug" }
	what ~ /^matrix/ { column = "smoke" }
	{ n[column, $1]++ }
	END {
		printf "| %s (%s) | %s | %s | %s |", version["debian"], release, version["glibc"], version["gcc"], version["gdb"]
		split("smoke conform exceptions tls debug", columns)
		for (i = 1; i <= 5; i++) {
			p = n[columns[i], "PASS"] + 0; f = n[columns[i], "FAIL"] + 0
			red = f || !p ? "**" : ""
			printf " %s%d / %d / %d%s |", red, p, f, n[columns[i], "SKIP"], red
		}
		print ""
	}' "$matrix/$1/versions" "$matrix/$1/log"
}

isolated()
{
	exec unshare --mount --pid --fork --kill-child=KILL "$here/run.sh" --isolated "$@"
}

test_release()
{
	local dir=$matrix/$1 status=0
	printf '\n== %s\n' "$1"
	mkdir -p "$dir/build"
	exec 9>"$dir/lock"
	flock -n 9 || die "another one is at work on $1"
	rm -f "$dir/versions"
	cp "$lib" "$dir/build/libdlrs.so.0" && cp "$(dirname "$lib")/libdlrs-notify.so" "$dir/build/" || return
	isolated "$1" >"$dir/log" 2>&1 &
	worker=$!
	tail -f -n +1 --pid=$worker "$dir/log" &
	wait $worker || status=$?
	worker=
	wait
	[ $status = 0 ] || grep -q '^FAIL' "$dir/log" || echo "FAIL matrix/$1: ended with status $status" | tee -a "$dir/log"
	echo "library=$(identity "$dir/build/libdlrs.so.0")" >>"$dir/versions" # the tests are done
}

identity()
{
	sha256sum "$1" | cut -c 1-16
}

# unshare itself does not end by less.
worker=
trap '[ -z "$worker" ] || kill -KILL "$worker"' EXIT
trap 'exit 1' HUP INT TERM

[ "$(id -u)" = 0 ] || die 'chroots can be made by root only'
[ -f "$lib" ] || die "no $lib"
if [ "${1:-}" = --in ]; then
	isolated "${@:2}"
	exit
fi
fresh= chosen=
for arg in "$@"; do
	case $arg in
	--fresh) fresh=1 ;;
	*) [[ " $all " == *" $arg "* ]] || die "no release is called $arg; there are: $all"; chosen+=" $arg" ;;
	esac
done

tested=$(identity "$lib")
for release in ${chosen:-$all}; do
	[ -z "$fresh" ] || rm -rf "${matrix:?}/$release"
	test_release "$release"
done
{
	echo '| Debian | glibc | gcc | gdb | smoke | conform | exceptions | tls | debug |'
	echo '|---|---|---|---|---|---|---|---|---|'
	for release in $all; do
		! grep -qsx "library=$tested" "$matrix/$release/versions" || row "$release"
	done
} >"$matrix/table.md"
printf '\n== libdlrs.so.0 %s; in each cell: passed / failed / skipped\n' "$tested"
cat "$matrix/table.md"
! grep -q '\*\*' "$matrix/table.md"

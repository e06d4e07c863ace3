#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# The sweep: every shared library of the system is opened with dlopen in a
# process of its own, once on the host's loader and once with libdlrs
# preloaded.  Both must do the same: succeed or fail, with the same kind of
# message, have the same images in the process then (and, with --close, after a
# dlclose), and end with the same status.
# Where a difference is wanted, WANTED says which and why.
#
#   sweep.py [--lib LIBDLRS] [--deep] [--close] [--seconds N] [--verbose] [PATH...]
#
# --deep also goes into the subdirectories (plug-ins), --close also closes each
# library.  --seconds ends the sweep early with an evenly spread sample.  Paths
# (files or directories) replace the system's library directory.  Prints
# "PASS real/sweep" or "FAIL real/sweep" with the differences, and exits 1 then.

import argparse
import collections
import concurrent.futures
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TIMEOUT = 120

# Messages of both loaders, by kind; the first pattern that is found decides.
KINDS = [
    ("static TLS", r"static TLS"),
    ("exec stack", r"executable stack"),
    ("undefined symbol", r"undefined symbol|symbol lookup error"),
    ("version not found", r"version `[^']*' not found|no version information"),
    ("cannot open", r"cannot open shared object file"),
    ("invalid ELF header", r"invalid ELF header"),
    ("file too short", r"file too short"),
    ("wrong class", r"wrong ELF class"),
    ("wrong machine", r"ELF file's phentsize|wrong machine"),
    ("ELF version", r"ELF file version|ELF file OS ABI|ELF file ABI version"),
    ("type", r"only ET_DYN"),
    ("PIE", r"position-independent executable|dynamically load executable"),
    ("no open", r"cannot be dlopen"),
    ("no dynamic section", r"no dynamic section"),
    ("page-aligned", r"page-aligned"),
    ("no segments", r"no loadable segments"),
    ("ISA level", r"CPU ISA level"),
    ("read", r"cannot read file data"),
    ("second libc", r"cannot load a second libc"),
    ("memory", r"cannot allocate memory|cannot map"),
    ("relocation", r"unexpected reloc|R_[A-Z0-9_]+"),
]

# Not opened at all, and why.
SKIPPED = [
    (r"/lib(a|t|l|ub|hwa|m)san\.so|libclang_rt\.",
     "a sanitizer runtime has to be there from the start"),
    (r"/libdlrs[.-]", "libdlrs itself"),
    (r"/libmemusage\.so|/libpcprofile\.so", "made for LD_PRELOAD; writes files where it stands"),
]

# Libraries of which a process can hold only one, the host's: libdlrs hands
# them to the real dlopen, for good, so they stay after a dlclose.
HOST_ONLY = (r"/(ld-linux[^/]*|ld-[0-9.]+|ld-musl[^/]*|libc|libm|libmvec|libpthread|libdl|librt|"
             r"libutil|libanl|libresolv|libnss_[a-z0-9_]+|libthread_db|libc_malloc_debug|"
             r"libBrokenLocale|libgcc_s)[.-]")


class Result(collections.namedtuple(
        "Result", "outcome kind message images status closed left stats")):
    """What one process reported."""

    def facts(self):
        return self.outcome, self.kind, self.images, self.status, self.closed, self.left


def wanted(path, host, ours):
    """The reason why this difference is wanted, or None."""
    if host.kind == "static TLS" and ours.outcome == "opened":
        return "static TLS: the host has no room left, libdlrs brings some"
    if re.search(r"/ld-linux[^/]*$", path) and set(ours.images) == set(host.images):
        return "the dynamic linker: the host maps it twice, libdlrs finds the one at work"
    if ours.kind == "second libc" and host.outcome == "opened":
        return "another libc: refused, two in one process share nothing and both think they are alone"
    if ours.kind == "exec stack" and host.outcome == "opened":
        if any(stack_flags(p) & 1 for p in {path, *host.images}):
            return "executable stack: refused, as glibc does since 2.41"
    return None


def elf(path):
    """(64-bit?, program headers) of an ELF shared object, or None."""
    try:
        with open(path, "rb") as f:
            head = f.read(64)
            order = 1 if sys.byteorder == "little" else 2
            if len(head) < 52 or head[:4] != b"\x7fELF" or head[5] != order:
                return None
            if struct.unpack_from("=H", head, 16)[0] != 3:
                return None
            wide = head[4] == 2
            if wide:
                off, = struct.unpack_from("=Q", head, 32)
                size, n = struct.unpack_from("=HH", head, 54)
            else:
                off, = struct.unpack_from("=I", head, 28)
                size, n = struct.unpack_from("=HH", head, 42)
            f.seek(off)
            table = f.read(size * n)
    except (OSError, struct.error):
        return None
    rows = []
    for i in range(len(table) // size if size else 0):
        if wide:
            kind, flags = struct.unpack_from("=II", table, i * size)
        else:
            kind, = struct.unpack_from("=I", table, i * size)
            flags, = struct.unpack_from("=I", table, i * size + 24)
        rows.append((kind, flags))
    return wide, rows


def stack_flags(path):
    """p_flags of PT_GNU_STACK; without that header, a stack that executes."""
    e = elf(path)
    if e is None:
        return 0
    for kind, flags in e[1]:
        if kind == 0x6474e551:
            return flags
    return 7




def find(paths, deep):
    seen, out = set(), []

    def add(path):
        real = os.path.realpath(path)
        if real not in seen and os.path.isfile(real) and elf(real) is not None:
            seen.add(real)
            out.append(real)

    for top in paths:
        if os.path.isfile(top):
            add(top)
        elif deep:
            for where, dirs, files in os.walk(top):
                dirs.sort()
                for f in sorted(files):
                    if ".so" in f or f.endswith(".node"):
                        add(os.path.join(where, f))
        else:
            for f in sorted(os.listdir(top)):
                if ".so" in f:
                    add(os.path.join(top, f))
    return out


def kind_of(message):
    for kind, pattern in KINDS:
        if re.search(pattern, message):
            return kind
    return "other: " + re.sub(r"\S*/\S*", "PATH", message)[:80]


class Sweep:
    def __init__(self, opt, tmp):
        self.opt, self.tmp = opt, tmp
        self.driver = os.path.join(tmp, "opener")
        source = os.path.join(HERE, "helpers", "opener.c")
        subprocess.run(["cc", "-O1", "-o", self.driver, source, "-ldl"], check=True)
        self.env = {k: v for k, v in os.environ.items()
                    if not re.match(r"LD_|DLRS_|MALLOC_|LC_|LANG", k)}
        self.env.update(LC_ALL="C", HOME=tmp, XDG_RUNTIME_DIR=tmp)

    def run(self, path, lib):
        env = dict(self.env)
        if lib:
            env.update(LD_PRELOAD=lib, DLRS_DEBUG="statistics",
                       DLRS_DEBUG_OUTPUT=os.path.join(self.tmp, "s"))
        argv = [self.driver, path] + (["close"] if self.opt.close else [])
        p = subprocess.Popen(argv, env=env, cwd=self.tmp, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            out, status = p.communicate(timeout=TIMEOUT)[0], None
            status = p.returncode
        except subprocess.TimeoutExpired:
            p.kill()
            out, status = p.communicate()[0], "timeout"
        stats = self.statistics(p.pid) if lib else None
        return self.parse(out.decode(errors="replace"), status, lib, stats)

    def statistics(self, pid):
        name = os.path.join(self.tmp, f"s.{pid}")
        try:
            with open(name) as f:
                lines = [l.split() for l in f if l.startswith("dlrs: statistics:")]
            os.unlink(name)
        except OSError:
            return None
        return {l[-1] for l in lines if l[-1].startswith("/")}

    @staticmethod
    def parse(out, status, lib, stats):
        outcome, kind, message, closed = "no report", None, "", None
        images, left = [], []
        for line in out.splitlines():
            word, _, rest = line.partition(" ")
            if line == "opened":
                outcome = "opened"
            elif word == "error" and outcome == "no report":
                outcome, message = "refused", rest
                kind = kind_of(rest)
            elif word in ("image", "left"):
                real = os.path.realpath(rest)
                if not lib or real != os.path.realpath(lib):
                    if word == "image":
                        images.append(real)
                    elif not re.search(HOST_ONLY, real):
                        left.append(real)
            elif line in ("closed", "not closed"):
                closed = line
        return Result(outcome, kind, message, tuple(sorted(images)), status, closed,
                      tuple(sorted(left)), stats)

    def compare(self, path):
        """(verdict, detail) for one library."""
        for pattern, why in SKIPPED:
            if re.search(pattern, path):
                return "skipped", why
        for _ in range(3):
            host = self.run(path, None)
            ours = self.run(path, self.opt.lib)
            if host.facts() == ours.facts():
                break
        else:
            why = wanted(path, host, ours)
            return ("wanted", why) if why else ("differs", self.explain(host, ours))
        if self.opt.lib and ours.outcome == "opened" and not self.by_us(path, ours):
            if re.search(HOST_ONLY, path):
                return "alike", "handed to the host"
            return "differs", "libdlrs did not open it: its statistics do not name it"
        return "alike", host.outcome

    @staticmethod
    def by_us(path, ours):
        return ours.stats is not None and path in {os.path.realpath(p) for p in ours.stats}

    @staticmethod
    def explain(host, ours):
        if host.facts()[:2] != ours.facts()[:2] or host.status != ours.status:
            return (f"host: {host.outcome} {host.message or ''} (status {host.status}); "
                    f"libdlrs: {ours.outcome} {ours.message or ''} (status {ours.status})")
        for what, a, b in (("open", host.images, ours.images),
                           ("left after dlclose", host.left, ours.left)):
            if a != b:
                a, b = collections.Counter(a), collections.Counter(b)
                return (f"images {what}: only on the host {sorted((a - b).elements())}, "
                        f"only on libdlrs {sorted((b - a).elements())}")
        return f"dlclose: host {host.closed}, libdlrs {ours.closed}"


def main():
    ap = argparse.ArgumentParser()
    built = os.path.join(ROOT, "build", "libdlrs.so.0")
    ap.add_argument("--lib", default=os.environ.get("DLRS_LIB", built))
    ap.add_argument("--deep", action="store_true")
    ap.add_argument("--close", action="store_true")
    ap.add_argument("--seconds", type=float, default=None)
    ap.add_argument("--verbose", action="store_true")
    ap.add_argument("--plain", action="store_true", help="compare the host with itself")
    ap.add_argument("paths", nargs="*")
    opt = ap.parse_args()
    if opt.plain:
        opt.lib = None
    elif not os.path.isfile(opt.lib):
        print(f"FAIL real/sweep\n    {opt.lib} does not exist")
        return 1
    if not opt.paths:
        cc = subprocess.run(["cc", "-print-multiarch"], capture_output=True, text=True)
        opt.paths = ["/usr/lib/" + cc.stdout.strip()]
    if opt.lib:
        opt.lib = os.path.abspath(opt.lib)

    libs = find(opt.paths, opt.deep)
    # An even spread first, in case the time runs out.
    order = [libs[i] for step in range(8) for i in range(step, len(libs), 8)]
    began = time.monotonic()
    counts, lines = collections.Counter(), []
    with tempfile.TemporaryDirectory() as tmp:
        sweep = Sweep(opt, tmp)

        def one(path):
            if opt.seconds and time.monotonic() - began > opt.seconds:
                return path, "left out", "no time"
            return (path, *sweep.compare(path))

        with concurrent.futures.ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
            for path, verdict, detail in pool.map(one, order):
                counts[verdict] += 1
                counts[detail if verdict == "alike" else ""] += 1
                if verdict == "differs" or opt.verbose:
                    lines.append(f"    {verdict}: {path}: {detail}")
                elif verdict in ("wanted", "skipped"):
                    lines.append(f"    {verdict}: {path}: {detail}")
    print("PASS real/sweep" if not counts["differs"] else "FAIL real/sweep",
          f"({time.monotonic() - began:.0f} s)")
    print(f"    {len(libs)} libraries: {counts['alike']} alike ({counts['opened']} opened, "
          f"{counts['refused']} refused, {counts['handed to the host']} handed to the host, "
          f"{counts['no report']} without a report), {counts['differs']} different, "
          f"{counts['wanted']} wanted differences, {counts['skipped']} skipped, "
          f"{counts['left out']} left out")
    print("\n".join(sorted(lines)))
    return 1 if counts["differs"] else 0


sys.exit(main())

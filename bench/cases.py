# SPDX-License-Identifier: MIT
#
# What is measured: each case is a few runs of the measured program, and each run gives a few rows of the
# table. The letters and the targets are those of README's table of speed.
#
# Called by run.py. Nothing here measures; prepare() only sees to it that the files exist.
import os
import re
import subprocess

import generate


class Row:
    """One line of the table: the value KEY of a run, as ratio to the host's."""

    def __init__(self, title, key, target=None, counted=False):
        self.title = title
        self.key = key
        self.target = target
        self.counted = counted  # system calls and page faults belong to this row


class Run:
    """Arguments of the measured program. {files} is the loader's own copy of the files."""

    def __init__(self, arguments, rows, rounds, files=(), **more):
        self.arguments = arguments
        self.rows = rows
        self.rounds = rounds  # (full, quick)
        self.files = files  # paths below Tree.files (or absolute) that each loader gets a copy of
        self.count = more.get("count", any(r.counted for r in rows))
        self.peers = more.get("peers", ())  # names of peers that run it too
        self.environment = more.get("environment", {})
        self.bare = more.get("bare", False)  # the preload is for the children, not for the program
        self.unit = more.get("unit", "ns")


class Case:
    """A letter, a title, and the function that builds its files and returns its runs."""

    def __init__(self, letter, title, prepare):
        self.letter = letter
        self.title = title
        self.prepare = prepare


CHAIN = ("libchain1.so", "libchain2.so", "libchain3.so")


# ---- (a) to (c) --------------------------------------------------------------------------------

def chain(tree, context):
    tree.chain()
    return [Run(["open", "{files}/libchain1.so", "now", "400"],
                [Row("three libraries, open+close", "open_close", 0.65, True),
                 Row("  of it open", "open"), Row("  of it close", "close")], (15, 5), CHAIN)]


def leaf(tree, context):
    tree.chain()
    return [Run(["open", "{files}/libleaf.so", "now", "600"],
                [Row("one library, open+close", "open_close", 0.68, True),
                 Row("  of it open", "open"), Row("  of it close", "close")], (15, 5), ("libleaf.so",))]


def again(tree, context):
    tree.chain()
    return [Run(["again", "{files}/libchain1.so", "400"],
                [Row("already loaded, by path", "path", 0.6, True),
                 Row("already loaded, by name", "soname", 0.6)], (15, 5), CHAIN)]


# ---- (d) ---------------------------------------------------------------------------------------

def many(tree, context):
    runs = []
    for size, target, rounds in ((100, None, (15, 5)), (300, 0.20, (15, 4)), (1000, 0.08, (7, 2))):
        generate.generated(tree, size, context.say)
        runs.append(Run(["first", f"{{files}}/generated-{size}/libroot.so", "now"],
                        [Row(f"{size:,} libraries, first open", "open", target, True),
                         Row(f"{size:,} libraries, close", "close")], rounds, (f"generated-{size}",)))
    return runs


# ---- (e) ---------------------------------------------------------------------------------------

LARGE = (r"libLLVM[-.]\d.*", r"libclang-cpp\.so.*", r"libQt5WebKit\.so.*", r"libQt[56]WebEngineCore\.so.*",
         r"libwebkit2gtk-.*\.so.*", r"libQt[56]Gui\.so.*")


def large_libraries():
    """(name, path) of those that ld.so's cache knows; of several versions of one, the first."""
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
    found = re.findall(r"^\s*(\S+) \([^)]*x86-64[^)]*\) => (\S+)$", listed, re.M) or \
        re.findall(r"^\s*(\S+) \([^)]*\) => (\S+)$", listed, re.M)
    for pattern in LARGE:
        names = sorted((os.path.realpath(p), n, p) for n, p in found if re.fullmatch(pattern, n))
        if names:
            yield names[0][1], names[0][2]


def large(tree, context):
    runs = []
    for name, path in list(large_libraries())[:4]:
        base = os.path.basename(path)
        # What the library needs stays where it is; only the library itself is copied.
        for mode in ("now", "lazy"):
            target = 0.6 if "LLVM" in name and mode == "now" else None
            runs.append(Run(["first", f"{{files}}/{base}", mode],
                            [Row(f"{name}, RTLD_{mode.upper()}", "open", target, True)], (15, 5), (path,)))
    if not any("LLVM" in r.files[0] for r in runs):
        context.note("(e) libLLVM is not installed (Debian: libllvm14)")
    return runs


# ---- (f) ---------------------------------------------------------------------------------------

def thread_rows(title, key, target):
    return [Row(f"{title}, {n} thread{'s' * (n > 1)}", f"{key}.{n}", target) for n in (1, 2, 4)]


def symbols(tree, context):
    tree.chain()
    generate.generated(tree, 300, context.say)
    last = generate.function(299, 7)
    return [
        Run(["sym", "{files}/libchain1.so", "chain1_function_7", "chain3_function_7", "there_is_no_such_name",
             "chain_versioned", "BENCH_1"],
            thread_rows("dlsym hit, 3 images", "hit", 0.4) +
            thread_rows("dlsym hit in the last, 3 images", "last", 0.4) +
            thread_rows("dlsym miss, 3 images", "miss", 0.1) +
            thread_rows("dlvsym hit, 3 images", "version", 0.4), (11, 5), CHAIN),
        Run(["sym", "{files}/generated-300/libroot.so", "root_function", last, "there_is_no_such_name"],
            thread_rows("dlsym hit, 300 images", "hit", None) +
            thread_rows("dlsym hit in the last, 300 images", "last", None) +
            thread_rows("dlsym miss, 300 images", "miss", 0.05), (11, 5), ("generated-300",)),
    ]


CASES = [
    Case("a", "a chain of three libraries with $ORIGIN RUNPATH", chain),
    Case("b", "one library", leaf),
    Case("c", "a library that is loaded already", again),
    Case("d", "generated libraries: 200 functions each, 200 references to the others", many),
    Case("e", "the distribution's largest libraries, first open", large),
    Case("f", "dlsym", symbols),
]

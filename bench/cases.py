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

    def __init__(self, title, key, target=None, counted=False, chart=True):
        self.title = title
        self.key = key
        self.target = target
        self.chart = chart and not title.startswith(" ")  # is in the picture
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
        self.preload = more.get("preload", "")  # a library that stands in LD_PRELOAD for all


def floor(*files):
    """What the system calls and page faults cost alone, in each loader's pattern."""
    return Run(["floor", "{loader}", "400", *[f"{{files}}/{f}" for f in files]],
               [Row("  its system calls and faults alone", "pattern", None, True)], (15, 5), files)


def floors(rows):
    """How near to the targets the system calls alone let anyone come."""
    whole = next(r for r in rows if r["key"] == "open_close")
    alone = next(r for r in rows if r["key"] == "pattern")
    yield "floor: our system calls and faults, to host's all", alone["ours"] / whole["host"], None
    yield "       host's system calls and faults, to its all", alone["host"] / whole["host"], None


class Case:
    """A letter, a title, and the function that builds its files and returns its runs."""

    def __init__(self, letter, title, prepare, derive=None):
        self.letter = letter
        self.title = title
        self.prepare = prepare
        self.derive = derive  # (rows of this case) -> more rows: title, value, target


SET = generate.generated_name(300)  # the scope of 300 images
CHAIN = ("libchain1.so", "libchain2.so", "libchain3.so")


# Peers that do what dlopen does: search, dependencies, scopes, one set of libraries for all threads.
DLOPENS = ("libloading", "dlopen-rs")
# Peers that load what they are given.
LOADERS = ("elf_loader", "libloading", "dlopen-rs")


# ---- (a) to (c) --------------------------------------------------------------------------------

def chain(tree, context):
    tree.chain()
    return [Run(["open", "{files}/libchain1.so", "now", "400"],
                [Row("three libraries, open+close", "open_close", 0.65, True),
                 Row("  of it open", "open"), Row("  of it close", "close")], (15, 5), CHAIN, peers=DLOPENS),
            floor(*CHAIN)]


def leaf(tree, context):
    tree.chain()
    return [Run(["open", "{files}/libleaf.so", "now", "600"],
                [Row("one library, open+close", "open_close", 0.68, True),
                 Row("  of it open", "open"), Row("  of it close", "close")], (15, 5), ("libleaf.so",),
                peers=DLOPENS),
            # What it costs that debuggers could look: nothing is shown to them here.
            Run(["open", "{files}/libleaf.so", "now", "600"],
                [Row("  open+close, DLRS_DEBUG=nogdb", "open_close")], (15, 5), ("libleaf.so",),
                environment={"DLRS_DEBUG": "nogdb"}),
            floor("libleaf.so")]


def again(tree, context):
    tree.chain()
    return [Run(["again", "{files}/libchain1.so", "400"],
                [Row("already loaded, by path", "path", 0.6, True),
                 Row("already loaded, by name", "soname", 0.6)], (15, 5), CHAIN, peers=("dlopen-rs",))]


# ---- (d) ---------------------------------------------------------------------------------------

def many(tree, context):
    runs = []
    for size, target, rounds in ((100, None, (15, 5)), (300, 0.20, (15, 4)), (1000, 0.08, (7, 2))):
        generate.generated(tree, size, context.say)
        runs.append(Run(["first", f"{{files}}/{generate.generated_name(size)}/libroot.so", "now"],
                        [Row(f"{size:,} libraries, first open", "open", target, True),
                         Row("  processor time", "processor"),
                         Row(f"{size:,} libraries, close", "close")], rounds, (generate.generated_name(size),)))
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
                            [Row(f"{name}, RTLD_{mode.upper()}", "open", target, True),
                             Row("  processor time", "processor")], (15, 5), (path,)))
    if not any("LLVM" in r.files[0] for r in runs):
        context.note("(e) libLLVM is not installed (Debian: libllvm14)")
    return runs


# ---- (f) ---------------------------------------------------------------------------------------

def thread_rows(title, key, target):
    return [Row(f"{title}, {n} thread{'s' * (n > 1)}", f"{key}.{n}", target, chart=n == 1 or key == "throw")
            for n in (1, 2, 4)]


def symbols(tree, context):
    tree.chain()
    generate.generated(tree, 300, context.say)
    last = re.sub(r"_0010", "_00%d", generate.function(299, 10))
    return [
        Run(["sym", "{files}/libchain1.so", "chain1_function_%d", "chain3_function_%d", "there_is_no_such_name_%d",
             "chain3_function_%d", "BENCH_1"],
            thread_rows("dlsym hit, 3 images", "hit", 0.4) +
            thread_rows("dlsym hit in the last, 3 images", "last", 0.4) +
            thread_rows("dlsym miss, 3 images", "miss", 0.1) +
            thread_rows("dlvsym hit, 3 images", "version", 0.4), (11, 3), CHAIN, peers=DLOPENS),
        Run(["sym", f"{{files}}/{SET}/libroot.so", "root_function", last, "there_is_no_such_name_%d"],
            thread_rows("dlsym hit, 300 images", "hit", None) +
            thread_rows("dlsym hit in the last, 300 images", "last", None) +
            thread_rows("dlsym miss, 300 images", "miss", 0.05), (11, 3), (SET,)),
    ]


# ---- (g) ---------------------------------------------------------------------------------------

def addresses(tree, context):
    tree.chain()
    tree.thrower()
    runs = [Run(["find", "{files}/libchain1.so", "chain1_function_7"],
                thread_rows("dladdr of ours", "dladdr", None) +
                thread_rows("dladdr of libc's", "host_dladdr", None) +
                thread_rows("dl_iterate_phdr, 3 images", "iterate", None) +
                thread_rows("_dl_find_object of ours", "object", None) +
                thread_rows("_dl_find_object of libc's", "host_object", None), (9, 2), CHAIN)]
    for name, path in list(large_libraries())[:1]:
        runs.append(Run(["dladdr", "{files}/" + os.path.basename(path), "LLVMContextCreate"],
                        [Row(f"dladdr in {name}", "dladdr.1")], (5, 2), (path,)))
    runs.append(Run(["throw", "{files}/libthrower.so", "300"],
                    thread_rows("C++ throw, 5 frames", "throw", 1.02), (15, 5), ("libthrower.so",)))
    return runs


# ---- (h), (i) ----------------------------------------------------------------------------------

MODELS = (("gd", "general-dynamic", 1.0), ("desc", "TLSDESC, small block", 1.0),
          ("desc-large", "TLSDESC, large block", 1.0), ("ie", "initial-exec", 1.0))


def thread_local(tree, context):
    libraries = tree.tls()
    runs = []
    for model, title, target in MODELS:
        if model not in libraries:
            context.note(f"(h) {title}: this compiler has no -mtls-dialect=gnu2")
            continue
        runs.append(Run(["tls", "{files}/" + libraries[model], "400000"], [Row(title, "access", target)],
                        (15, 5), (libraries[model],)))
    # A library that is there at the start is libc's; its calls of __tls_get_addr come by us all the same.
    runs.append(Run(["tls", "-", "400000"], [Row("general-dynamic, library of the start", "access")],
                    (15, 5), (libraries["gd"],), preload=tree.path(libraries["gd"])))
    n = 64
    runs.append(Run(["tls-first", "200", *[f"{{files}}/tls-many/libtls{i:02d}.so" for i in range(n)]],
                    [Row(f"first access in a new thread, {n} libraries", "first", 1.0)], (11, 3),
                    (tree.tls_many(n),)))
    return runs


def lazy(tree, context):
    tree.lazy()
    return [Run(["lazy", "{files}/libcaller.so", "60"],
                [Row("first call of an imported function", "first"), Row("the calls after it", "bound")],
                (15, 5), ("libcaller.so", "libprovider.so"))]


# ---- (j), (k) ----------------------------------------------------------------------------------

PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else "python3"


def program(title, times, rounds, target, command):
    return Run(["spawn", times, *command], [Row(title, "process", target, True)], rounds, bare=True,
               count=command, peers=("an empty preload",))


def preload(tree, context):
    tree.empty()
    return [program("true", "60", (15, 5), 1.10, ["/bin/true"]),
            program("python3 -c pass", "5", (11, 3), None, [PYTHON, "-c", "pass"]),
            Run(["thread", "3000"], [Row("creating and joining a thread", "thread")], (15, 5))]


def ours_alone(rows):
    """Our own system calls: those of the program with us less those with an empty library preloaded."""
    for r in rows:
        calls = r.get("syscalls", {})
        if r["title"] == "true" and calls.get("ours"):
            yield "true: system calls of ours", calls["ours"] - calls["an empty preload"], 12


IMPORTS = ("numpy", "numpy.linalg", "scipy.linalg", "scipy.sparse", "scipy.optimize", "scipy.special",
           "scipy.stats", "scipy.signal", "scipy.spatial")


def imports(tree, context):
    have = []
    for name in IMPORTS:
        if not subprocess.run([PYTHON, "-c", f"import {name}"], capture_output=True).returncode:
            have.append(name)
    if not have:
        context.note("(k) python3 has no numpy (Debian: python3-numpy python3-scipy)")
        return []
    if len(have) < len(IMPORTS):
        context.note(f"(k) without {', '.join(n for n in IMPORTS if n not in have)}")
    return [Run(["spawn", "1", PYTHON, "-c", "import " + ", ".join(have)],
                [Row(f"python3 imports {len(have)} packages", "process", None, True)], (9, 3), bare=True,
                count=[PYTHON, "-c", "import " + ", ".join(have)])]


# ---- (p) ---------------------------------------------------------------------------------------

def one_image(tree, context):
    """What elf_loader does is compared with what we do in the same place: an image, and get."""
    tree.free()
    free = ("libfree1.so", "libfree2.so", "libfree3.so")
    return [
        Run(["open", "{files}/libplain.so", "now", "600"],
            [Row("one image, open+close", "open_close", None, True)], (15, 5), ("libplain.so",), peers=LOADERS),
        Run(["open", "{files}/libfree1.so", "now", "400"],
            [Row("three images by RUNPATH, open+close", "open_close", None, True)], (15, 5), free,
            peers=("elf_loader's linker", "libloading", "dlopen-rs")),
        Run(["sym", "{files}/libplain.so", "plain_function_%d", "-", "there_is_no_such_name_%d"],
            thread_rows("get: hit, one image", "hit", None) + thread_rows("get: miss, one image", "miss", None),
            (11, 3), ("libplain.so",), peers=LOADERS),
    ]


def to_elf_loader(rows):
    """Targets against the peer rather than against the host."""
    for r in rows:
        peer = r.get("peers", {}).get("elf_loader")
        if peer and (r["key"] == "open_close" or r["key"].endswith(".1")):
            yield f"{r['title']}: to elf_loader", r["ours"] / peer["median"], 1.0


# ---- memory ------------------------------------------------------------------------------------

def memory(tree, context):
    tree.chain()
    generate.generated(tree, 300, context.say)
    files = [("3 libraries", "{files}/libchain1.so", CHAIN),
             ("300 libraries", f"{{files}}/{SET}/libroot.so", (SET,))]
    for name, path in list(large_libraries())[:1]:
        files.append((name, "{files}/" + os.path.basename(path), (path,)))
    return [Run(["memory", path], [Row(f"{title}, per image: all private dirty", "dirty", 1.0),
                                   Row(f"{title}, per image: in its own pages", "files", 1.0)],
                (5, 2), copied, unit="bytes") for title, path, copied in files]


# ---- what follows from several rows ------------------------------------------------------------

def flat(rows):
    """Time per library of the largest set, to that of the smallest."""
    opened = {int(r["title"].split()[0].replace(",", "")): r for r in rows if r["key"] == "open"}
    for who in ("ours", "host"):
        yield (f"per library, 1,000 to 100, {'libdlrs' if who == 'ours' else 'host'}",
               opened[1000][who] / opened[100][who] / 10, 1.25 if who == "ours" else None)


def scaling(rows):
    """Does a second thread help? Half the time per lookup is all that is possible."""
    title = {r["title"]: r for r in rows}
    for what in ("dlsym hit, 3 images", "dlsym miss, 300 images"):
        one, two = title.get(f"{what}, 1 thread"), title.get(f"{what}, 2 threads")
        for who in ("ours", "host"):
            yield (f"{what}, 2 to 1, {'libdlrs' if who == 'ours' else 'host'}",
                   two[who] / one[who], 0.65 if who == "ours" else None)


CASES = [
    Case("a", "a chain of three libraries with $ORIGIN RUNPATH", chain, floors),
    Case("b", "one library", leaf, floors),
    Case("c", "a library that is loaded already", again),
    Case("d", "generated libraries: 200 functions each, 200 references to the others", many, flat),
    Case("e", "the distribution's largest libraries, first open", large),
    Case("f", "dlsym", symbols, scaling),
    Case("g", "from addresses to libraries; exceptions", addresses),
    Case("h", "thread-local storage", thread_local),
    Case("i", "lazy binding", lazy),
    Case("j", "programs that open nothing", preload, ours_alone),
    Case("k", "a program that opens much", imports),
    Case("m", "memory", memory),
    Case("p", "one image by itself: the layer of elf_loader", one_image, to_elf_loader),
]

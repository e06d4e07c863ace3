# SPDX-License-Identifier: MIT
#
# Builds what the cases open: the fixtures, and the sets of generated libraries (Pynamic's shape: each has
# 200 functions with long names and calls 200 functions of the others). Everything is cached in the build
# directory: a set is built once, a fixture when its source is newer.
#
# Called by run.py. One template is compiled; each library is the template's assembly with the names put in,
# so that a thousand of them take seconds rather than minutes.
import concurrent.futures
import os
import random
import re
import shutil
import subprocess

SHAPE = "v1"  # another one when generated() makes something else: sets are not made again
FUNCTIONS = 200
NEEDED = 4
HERE = os.path.dirname(os.path.abspath(__file__))
CC = os.environ.get("CC", "gcc").split()
CXX = os.environ.get("CXX", "g++").split()
SHARED = ["-std=gnu11", "-O1", "-shared", "-fPIC", "-Wl,--no-as-needed"]
ORIGIN = "-Wl,-rpath,$ORIGIN"


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(command)}:\n{done.stdout}")


def accepts(flag):
    """The compiler knows this flag."""
    return not subprocess.run([*CC, flag, "-S", "-x", "c", "-o", os.devnull, os.devnull],
                              capture_output=True).returncode


def older(target, *sources):
    """The target is missing or older than one of its sources."""
    if not os.path.exists(target):
        return True
    t = os.path.getmtime(target)
    return any(os.path.getmtime(s) > t for s in sources)


def each(work, items):
    """work(item) for all items, on all processors."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, items))


# ---- the fixtures ------------------------------------------------------------------------------

class Tree:
    """The directory the files are built in; copies of it are what the loaders open."""

    def __init__(self, build):
        self.build = build
        self.files = os.path.join(build, "files")
        os.makedirs(self.files, exist_ok=True)

    def path(self, name):
        return os.path.join(self.files, name)

    def library(self, name, source, *flags):
        """Compile one fixture. A source that is newer than the library does it again."""
        source = os.path.join(HERE, "fixtures", source)
        target = self.path(name)
        if older(target, source, os.path.join(HERE, "fixtures", "chain.map")):
            cxx = source.endswith(".cc")
            base = [f for f in SHARED if not (cxx and f.startswith("-std"))]
            run(*(CXX if cxx else CC), *base, "-o", target + ".new", source, *flags)
            os.rename(target + ".new", target)
        return target

    def chain(self):
        script = "-Wl,--version-script=" + os.path.join(HERE, "fixtures", "chain.map")
        soname = "-Wl,-soname,lib"
        self.library("libchain3.so", "chain.c", "-DLINK=3", soname + "chain3.so", script)
        self.library("libchain2.so", "chain.c", "-DLINK=2", "-DLINK_BELOW=3", soname + "chain2.so", ORIGIN,
                     "-L" + self.files, "-lchain3")
        self.library("libchain1.so", "chain.c", "-DLINK=1", "-DLINK_BELOW=2", soname + "chain1.so", ORIGIN,
                     "-L" + self.files, "-lchain2")
        self.library("libleaf.so", "chain.c", "-DLINK=0", soname + "leaf.so")

    def free(self):
        """The same without libc: one image, and a chain of three."""
        self.library("libplain.so", "plain.c", "-nostdlib", "-Wl,-soname,libplain.so")
        for link in (3, 2, 1):
            below = [f"-DLINK_BELOW={link + 1}", "-L" + self.files, f"-lfree{link + 1}"] if link < 3 else []
            self.library(f"libfree{link}.so", "chain.c", "-nostdlib", "-DFREE", f"-DLINK={link}", ORIGIN,
                         f"-Wl,-soname,libfree{link}.so", *below)

    def tls(self):
        """One library for each model; returns their names by model."""
        models = {"gd": ["-ftls-model=global-dynamic"], "ie": ["-ftls-model=initial-exec"]}
        if accepts("-mtls-dialect=gnu2"):
            models["desc"] = ["-mtls-dialect=gnu2"]
            models["desc-large"] = ["-mtls-dialect=gnu2", "-DPAD=4096"]
        return {m: os.path.basename(self.library(f"libtls-{m}.so", "tls.c", *flags))
                for m, flags in models.items()}

    def tls_many(self, n):
        """n libraries with thread-local data, one file each."""
        self.tls()
        directory = self.path("tls-many")
        os.makedirs(directory, exist_ok=True)
        for i in range(n):
            target = os.path.join(directory, f"libtls{i:02d}.so")
            if older(target, self.path("libtls-gd.so")):
                shutil.copyfile(self.path("libtls-gd.so"), target)
        return "tls-many"

    def lazy(self):
        self.library("libprovider.so", "lazy.c", "-DPROVIDER", "-Wl,-soname,libprovider.so")
        self.library("libcaller.so", "lazy.c", "-Wl,-z,lazy", ORIGIN, "-L" + self.files, "-lprovider")

    def thrower(self):
        self.library("libthrower.so", "thrower.cc")

    def empty(self):
        return self.library("libempty.so", "empty.c")


# ---- the peers ---------------------------------------------------------------------------------

def peers(build):
    """(the library of wrappers, None), or (None, why there is none)."""
    if not shutil.which("cargo"):
        return None, "cargo is not here (rustup.rs), so the Rust peers are not measured"
    target = os.path.join(build, "peers")
    done = subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path",
                           os.path.join(HERE, "peers", "Cargo.toml"), "--target-dir", target],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        why = [t for t in done.stdout.splitlines() if t.strip()] or ["no message"]
        return None, f"cargo could not build the Rust peers: {why[0]}"
    return os.path.join(target, "release", "libpeers.so"), None


# ---- the generated sets ------------------------------------------------------------------------

def function(module, n):
    return (f"_ZN7project9subsystem21generated_module_{module:04d}"
            f"23generated_function_{n:04d}EPKcRKNS_13configurationE")


def template(directory):
    """The assembly of one library, with the names DEF_n and REF_n."""
    c = os.path.join(directory, "template.c")
    s = os.path.join(directory, "template.s")
    with open(c, "w", encoding="ascii") as f:
        for n in range(FUNCTIONS):
            f.write(f"int REF_{n}(int);\nint DEF_{n}(int x)\n{{\n\treturn REF_{n}(x) + {n};\n}}\n")
    run(*CC, "-std=gnu11", "-O1", "-fPIC", "-S", "-o", s, c)
    with open(s, encoding="ascii") as f:
        parts = re.split(r"\b(DEF|REF)_(\d+)\b", f.read())
    os.remove(c)
    os.remove(s)
    return parts


def assembly(parts, module, size, rng):
    """The template with this library's own names, and 200 random functions of the others."""
    refs = []
    for _ in range(FUNCTIONS):
        other = rng.randrange(size - 1)
        refs.append(function(other + (other >= module), rng.randrange(FUNCTIONS)))
    out = [parts[0]]
    for i in range(1, len(parts), 3):
        n = int(parts[i + 1])
        out.append(function(module, n) if parts[i] == "DEF" else refs[n])
        out.append(parts[i + 2])
    return "".join(out)


def generated_name(size):
    return f"generated-{size}-{SHAPE}"


def library_name(size, module):
    return f"libgenerated_{size}_with_a_long_name_{module:04d}.so"


def generated(tree, size, say):
    """A set of libraries in which the root needs all and each needs some; returns the root's path."""
    directory = tree.path(generated_name(size))
    root = os.path.join(directory, "libroot.so")
    if os.path.exists(root):
        return root
    say(f"generating {size} libraries of {FUNCTIONS} functions")
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    parts = template(directory)
    stubs = os.path.join(directory, "stubs")
    os.makedirs(stubs, exist_ok=True)
    empty = os.path.join(stubs, "empty.o")
    run(*CC, "-c", "-x", "c", "-o", empty, os.devnull)
    modules = range(size)

    def stub(module):
        name = library_name(size, module)
        run(*CC, "-shared", "-nostdlib", "-o", os.path.join(stubs, name), "-Wl,-soname," + name, empty)

    def library(module):
        rng = random.Random(1000 * size + module)
        name = library_name(size, module)
        source = os.path.join(directory, name + ".s")
        with open(source, "w", encoding="ascii") as f:
            f.write(assembly(parts, module, size, rng))
        needs = sorted({rng.randrange(module) for _ in range(NEEDED)}) if module else []
        run(*CC, *SHARED, ORIGIN, "-o", os.path.join(directory, name), source, "-Wl,-soname," + name,
            *[os.path.join(stubs, library_name(size, n)) for n in needs])
        os.remove(source)

    each(stub, modules)
    each(library, modules)
    source = os.path.join(directory, "root.c")
    with open(source, "w", encoding="ascii") as f:
        f.write("int root_function(int x)\n{\n\treturn x;\n}\n")
    run(*CC, *SHARED, ORIGIN, "-o", root + ".new", source, "-Wl,-soname,libroot.so",
        *[os.path.join(stubs, library_name(size, n)) for n in modules])
    shutil.rmtree(stubs)
    os.rename(root + ".new", root)
    return root

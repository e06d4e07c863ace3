# SPDX-License-Identifier: MIT
#
# The rules of the house that can be read off the sources: who includes whom, how long things are, which
# words belong to which directory. Called by lint.sh, which checks the built library.
#
#   lint_source.py TREE      one line "PASS rule" or "FAIL rule" each, the places indented below it
#
# A function is found by the project's form: its signature starts in column 0, its braces stand there too.
import os
import re
import sys

# The rooms of loader/, in order: a room includes only rooms above it. A room that is not in this list
# does not exist; adding one is a decision, and this is the place to take it.
ROOMS = """
    elf text arena diag lock epoch file map hash dyn version image guard note dst dir search deep index scope unique keep
    find tlslock tlspool tlsthread tls resolve ahead reloc lazy registry adopt provide stat view trap debugger frame init exit
    unload stage load
""".split()

# The ground floor of loader/, which knows nothing of loading: compat/ may stand on it too.
GROUND = {"elf", "text"}

CORE = ("arch", "compat", "loader", "libdl-shim")
MAY_INCLUDE = {
    "libdl-shim": {"libdl-shim", "loader", "arch", "compat", "include"},
    "loader": {"loader", "arch", "compat", "include"},
    "compat": {"compat", "arch"},
    "arch": {"arch"},
}

# Headers of types and constants. Calls are caught in the built library: it has one undefined symbol.
FREE_HEADERS = set("""
    stdint.h stddef.h stdbool.h stdatomic.h stdarg.h stdalign.h limits.h elf.h link.h dlfcn.h errno.h
    sys/mman.h sys/stat.h
""".split())
SYSTEM_HEADERS = {
    "libdl-shim": FREE_HEADERS | {"pthread.h", "threads.h"},
    "loader": FREE_HEADERS,
    "arch": FREE_HEADERS | {"cpuid.h"},
}

CPU_WORDS = re.compile(
    r"\b(__x86_64__|__i386__|__amd64__|__aarch64__|__arm__|__riscv|__riscv_xlen|__powerpc64__|__s390x__"
    r"|__loongarch__|__mips__)\b")
LIBC_WORDS = re.compile(r"\b(__GLIBC__|__GLIBC_MINOR__|__GLIBC_PREREQ|__UCLIBC__|__BIONIC__)\b")

# clang-format writes 100 columns; a table or comment may stick out a little.
FILE_LINES, FUNCTION_LINES, PARAMETERS, COLUMNS = 500, 60, 5, 110

# As many parameters as the kernel's interface has.
LONG_SIGNATURES = ("arch_syscall", "kernel_map")

tree = sys.argv[1]
failures = 0


def rule(name, places):
    """Report one rule: PASS when no place breaks it."""
    global failures
    print("FAIL" if places else "PASS", "lint: " + name)
    for place in places:
        print("    " + place)
    failures += bool(places)


def files(top, *endings):
    """Paths below top (relative to the tree) with one of the endings, sorted."""
    found = []
    for where, dirs, names in os.walk(os.path.join(tree, top)):
        dirs[:] = [d for d in dirs if d not in ("build", ".git", "build-aux", "__pycache__")]
        for name in names:
            path = os.path.relpath(os.path.join(where, name), tree)
            if path.endswith(endings):
                found.append(path)
    return sorted(found)


def read(path):
    with open(os.path.join(tree, path), encoding="utf-8") as f:
        return f.read()


def code_only(text):
    """The text with comments and string contents blanked, line numbers kept."""
    def blank(m):
        s = m.group(0)
        return '""' if s[0] == '"' else s if s[0] == "'" else re.sub(r"[^\n]", " ", s)
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def stem(path):
    return os.path.splitext(os.path.basename(path))[0]


# ---- includes ----------------------------------------------------------------------------------

def resolve(path, name):
    """The file a quoted include means, or None."""
    for base in (os.path.dirname(path), "", "include"):
        candidate = os.path.normpath(os.path.join(base, name))
        if os.path.exists(os.path.join(tree, candidate)):
            return candidate
    return None


def include_fault(path, top, quoted, name):
    """What is wrong with this include, or None."""
    if not quoted:
        known = SYSTEM_HEADERS.get(top)
        if known is None or name in known or name.startswith(("linux/", "asm/")):
            return None
        return f"<{name}> is not for {top}/"
    target = resolve(path, name)
    if target is None:
        return f'"{name}" does not exist'
    target_top = target.split(os.sep)[0]
    if target_top not in MAY_INCLUDE[top]:
        if top == "compat" and target_top == "loader" and stem(target) in GROUND:
            return None
        return f"{top}/ must not include {target}"
    if top == target_top == "loader":
        if stem(target) not in ROOMS:
            return f"{target} is no room of lint_source.py's list"
        if stem(path) in ROOMS and ROOMS.index(stem(target)) > ROOMS.index(stem(path)):
            return f"{stem(path)} must not include the room {stem(target)}, which is below it"
    return None


def check_includes():
    places = []
    for top in CORE:
        for path in files(top, ".c", ".h", ".S"):
            if top == "loader" and stem(path) not in ROOMS:
                places.append(f"{path}: no such room in lint_source.py's list")
            for n, line in enumerate(read(path).split("\n"), 1):
                m = re.match(r'\s*#\s*include\s*(["<])([^">]+)', line)
                fault = m and include_fault(path, top, m.group(1) == '"', m.group(2))
                if fault:
                    places.append(f"{path}:{n}: {fault}")
    rule("includes go one way", places)


# ---- sizes -------------------------------------------------------------------------------------

def parameters(signature):
    """How many parameters a signature has: commas at the depth of its last top-level parentheses."""
    depth, groups, current = 0, [], ""
    for c in signature:
        if c == "(":
            depth += 1
            if depth == 1:
                current = ""
                continue
        if c == ")":
            depth -= 1
            if depth == 0:
                groups.append(current)
                continue
        if depth == 1 or (depth > 1 and c != ","):
            current += c
    groups = [g for g in groups if g.strip()]
    return groups[-1].count(",") + 1 if groups and groups[-1].strip() != "void" else 0


def functions(path):
    """(line, signature, lines) of every function definition in a file."""
    lines = code_only(read(path)).split("\n")
    start = 0
    for n, line in enumerate(lines):
        if line == "{" and "(" in "".join(lines[start:n]):
            end = next((e for e in range(n, len(lines)) if lines[e].startswith("}")), len(lines) - 1)
            first = n
            while first > start and lines[first - 1].strip() and not lines[first - 1].startswith("#"):
                first -= 1
            yield first + 1, " ".join(lines[first:n]), end - first + 1
            start = end + 1
        elif line.startswith("}"):
            start = n + 1


def check_sizes():
    long_files, long_functions, wide = [], [], []
    for top in CORE + ("include",):
        for path in files(top, ".c", ".h", ".S"):
            text = read(path)
            if text.count("\n") > FILE_LINES:
                long_files.append(f"{path}: {text.count(chr(10))} lines")
            for line, signature, length in functions(path) if path.endswith((".c", ".h")) else ():
                if length > FUNCTION_LINES:
                    long_functions.append(f"{path}:{line}: {length} lines")
                if parameters(signature) > PARAMETERS and not any(n in signature for n in LONG_SIGNATURES):
                    wide.append(f"{path}:{line}: {parameters(signature)} parameters")
    rule(f"files have at most {FILE_LINES} lines", long_files)
    rule(f"functions have at most {FUNCTION_LINES} lines", long_functions)
    rule(f"functions have at most {PARAMETERS} parameters", wide)


# ---- words and form ----------------------------------------------------------------------------

def check_words():
    cpu, libc = [], []
    for top in CORE + ("include",):
        for path in files(top, ".c", ".h", ".S"):
            for n, line in enumerate(code_only(read(path)).split("\n"), 1):
                if top != "arch" and CPU_WORDS.search(line):
                    cpu.append(f"{path}:{n}: {line.strip()}")
                if top != "compat" and LIBC_WORDS.search(line):
                    libc.append(f"{path}:{n}: {line.strip()}")
    rule("no CPU is named outside arch/", cpu)
    rule("no libc is named outside compat/", libc)


def check_form():
    licence, form = [], []
    plain = [p for p in ("dev", ".ci/run", "Makefile.am", "configure.ac")
             if os.path.exists(os.path.join(tree, p))]
    for path in plain + files("", ".c", ".h", ".S", ".cc", ".sh", ".py", ".map", ".mk", ".awk", ".7", ".3"):
        lines = read(path).split("\n")
        first = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
        if "SPDX-License-Identifier: MIT" not in first:
            licence.append(path)
    for top in CORE + ("include",):
        for path in files(top, ".c", ".h", ".S"):
            for n, line in enumerate(read(path).split("\n"), 1):
                if line != line.rstrip():
                    form.append(f"{path}:{n}: blank at the end of the line")
                if line.startswith(" " * 8):
                    form.append(f"{path}:{n}: indented with blanks instead of tabs")
                if len(line.expandtabs(8)) > COLUMNS:
                    form.append(f"{path}:{n}: more than {COLUMNS} columns")
    rule("every file opens with its licence", licence)
    rule(f"tabs, {COLUMNS} columns, no blanks at the end", form)


# ---- lists that must agree ---------------------------------------------------------------------

def check_lists():
    makefile = read("Makefile.am")
    arch = re.compile(r"^arch/(?!model/)[^/]+/")
    named = set(re.findall(r"(?:arch|compat|loader|libdl-shim)/[\w./@-]+\.[chS]\b", makefile))
    exists = set()
    for top in CORE:
        exists |= {arch.sub("arch/@dlrs_arch@/", p) for p in files(top, ".c", ".h", ".S")}
    tests = {p[:-2] for p in files("tests", ".c") if re.match(r"tests/check_\w+\.c$", p)}
    places = [f"{p}: not in Makefile.am" for p in sorted(exists - named)]
    places += [f"{p}: in Makefile.am, but there is no such file" for p in sorted(named - exists)]
    places += [f"{t}.c: not in Makefile.am" for t in sorted(tests) if not re.search(t + r"\b", makefile)]
    rule("Makefile.am lists every source and unit test", places)

    version = re.search(r"AC_INIT\(\[libdlrs\], \[([\d.]+)\]", read("configure.ac")).group(1)
    header = ".".join(re.findall(r"#define DLRS_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", read("include/dlrs.h")))
    rule("one version number",
         [] if version == header else [f"configure.ac says {version}, include/dlrs.h says {header}"])


# The tests named in tests/PEERS.md: `category/case`, `category/program.case`, `check_room/test`.
def check_named_tests():
    places = []
    names = [n for n in re.findall(r"`(\w+)/([\w.]+)`", read("tests/PEERS.md")) if n[0] != "tests"]
    for group, name in names:
        program, _, case = name.rpartition(".")
        if group.startswith("check_"):
            sources, macro = [f"tests/{group}.c"], "START_TEST"
        else:
            stem = f"tests/conform/{group}/{program}"
            sources, macro = [p for p in files("tests/conform", ".c", ".cc") if p.startswith(stem)], "CASE"
        if not any(os.path.exists(os.path.join(tree, p)) and f"{macro}({case})" in read(p) for p in sources):
            places.append(f"tests/PEERS.md: no test is called {group}/{name}")
    rule("tests named in tests/PEERS.md exist", places if names else ["it names none"])


check_includes()
check_sizes()
check_words()
check_form()
check_lists()
check_named_tests()
sys.exit(1 if failures else 0)

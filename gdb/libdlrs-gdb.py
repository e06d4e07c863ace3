# SPDX-License-Identifier: MIT
#
# What gdb cannot know by itself about a process with libdlrs: `info dlrs`, and thread-local variables of
# libraries that libdlrs opened: `print $_dlrs_tls("libx.so", "variable")`. Breakpoints, backtraces and
# variables of other kinds need nothing of this.
#
# Reads memory only, by the table dlrs_debugger_view of libdlrs (loader/view.c); so it works with cores and
# with a stripped library. gdb loads it by itself when it is installed in gdb's auto-load directory
# (`show auto-load scripts-directory`), else `source` it.
import os
import struct

import gdb

VERSION = 1
STATES = ("new", "mapped", "parsed", "linked", "relocated", "committed", "constructing", "ready", "closing", "gone")
SHOWN = ("not listed", "to be listed", "", "to be unlisted")
TLS_DYNAMIC, TLS_STATIC, TLS_HOST = 1, 2, 3
WORD = struct.calcsize("P")
FORMATS = {1: "B", 2: "H", 4: "I", 8: "Q"}


def memory(address, length):
    return bytes(gdb.selected_inferior().read_memory(address, length))


def number(address, size=WORD, signed=False):
    code = FORMATS[size]
    return struct.unpack("=" + (code.lower() if signed else code), memory(address, size))[0]


def text(address):
    out = b""
    while address and b"\0" not in out:
        out += memory(address + len(out), 1)
    return out[:-1].decode(errors="replace")


class View:
    """The table: where the registry is, and the fields of its structures."""

    def __init__(self):
        try:
            at = int(gdb.parse_and_eval("(unsigned long)&dlrs_debugger_view"))
        except gdb.error as e:
            raise gdb.GdbError("libdlrs is not in this process") from e
        if memory(at, 4) != b"dlrs":
            raise gdb.GdbError("libdlrs has not started yet")
        version, n = number(at + 8, 4), number(at + 12, 4)
        if version != VERSION:
            raise gdb.GdbError(f"this extension knows version {VERSION}, the library has version {version}")
        table = number(at + 16)
        self.base = number(at + 16 + WORD)
        self.own_tls = number(at + 16 + 2 * WORD, WORD, True)
        self.fields = {}
        for field in range(table, table + 32 * n, 32):
            name = memory(field, 24).split(b"\0")[0].decode()
            self.fields[name] = struct.unpack("=II", memory(field + 24, 8))

    def get(self, structure, name, signed=False):
        offset, size = self.fields[name]
        return number(structure + offset, size, signed)

    def images(self):
        """(namespace, address of the struct image), in load order."""
        space = self.base
        while space:
            image = self.get(space, "space.first")
            while image:
                yield self.get(space, "space.id", True), image
                image = self.get(image, "next")
            space = self.get(space, "space.next")

    def path(self, image):
        return text(self.get(image, "path"))


# ---- info dlrs -----------------------------------------------------------------------------------

def origin(view, image):
    if view.get(image, "program"):
        return "program"
    if view.get(image, "host"):
        return "libc, start" if view.get(image, "startup") else "libc"
    return "private copy" if view.get(image, "private") else "dlopen"


def pins(view, image):
    """What keeps an image although nobody has it open."""
    found = []
    if view.get(image, "pinned") and not view.get(image, "startup"):
        found.append("nodelete")
    if view.get(image, "held"):
        found.append("dlsym")
    if view.get(image, "unique"):
        found.append("unique symbol")
    if view.get(image, "host_pinned"):
        found.append("libc")
    if view.get(image, "tls_dtors"):
        found.append(f"{view.get(image, 'tls_dtors')} thread destructors")
    return ", ".join(found) or "-"


class InfoDlrs(gdb.Command):
    """List the images that libdlrs knows: its own, and those of libc's loader.
info dlrs [PART-OF-NAME]
The columns: handle of dlopen, addresses, namespace, how often it is open, what pins it, its state, where it is from."""

    def __init__(self):
        super().__init__("info dlrs", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        view = View()
        if not any(view.images()):
            gdb.write("Nobody has asked libdlrs for anything yet; it lists libc's images when somebody does.\n")
            return
        rows = [("Handle", "From", "To", "NS", "Opens", "Pins", "State", "Origin", "Name")]
        for namespace, image in view.images():
            path = view.path(image) or gdb.current_progspace().filename or ""
            if argument not in path:
                continue
            state, shown = STATES[view.get(image, "state")], SHOWN[view.get(image, "shown")]
            if shown and not view.get(image, "host"):
                state += ", " + shown
            rows.append((hex(view.get(image, "handle")), hex(view.get(image, "start")),
                         hex(view.get(image, "end")), str(namespace), str(view.get(image, "opens")),
                         pins(view, image), state, origin(view, image), path))
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
        for row in rows:
            gdb.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths)) + "  " + row[-1] + "\n")


# ---- $_dlrs_tls ----------------------------------------------------------------------------------

SHT_SYMTAB, SHT_DYNSYM, STT_TLS = 2, 11, 6


def tls_offset(path, name):
    """The offset of a thread-local symbol of an ELF file in its module's block."""
    with open(path, "rb") as f:
        data = f.read()
    wide = data[4] == 2
    order = "<" if data[5] == 1 else ">"
    shoff, = struct.unpack_from(order + ("Q" if wide else "I"), data, 40 if wide else 32)
    shentsize, shnum = struct.unpack_from(order + "HH", data, 58 if wide else 46)
    layout = order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII")
    sections = [struct.unpack_from(layout, data, shoff + i * shentsize) for i in range(shnum)]
    for wanted in (SHT_SYMTAB, SHT_DYNSYM):
        for section in sections:
            if section[1] != wanted:
                continue
            start, size, link = section[4], section[5], section[6]
            strings = sections[link][4]
            for at in range(start, start + size, 24 if wide else 16):
                if wide:
                    st_name, info, _, shndx, value, _ = struct.unpack_from(order + "IBBHQQ", data, at)
                else:
                    st_name, value, _, info, _, shndx = struct.unpack_from(order + "IIIBBH", data, at)
                if info & 15 == STT_TLS and shndx:
                    begin = strings + st_name
                    if data[begin:data.index(b"\0", begin)] == name.encode():
                        return value
    raise gdb.GdbError(f"{path} has no thread-local symbol {name} (is it stripped?)")


def thread_pointer():
    for register in ("$fs_base", "$tpidr", "$tp"):
        try:
            value = gdb.parse_and_eval(register)
            if value.type.code != gdb.TYPE_CODE_VOID:
                return int(value) & (1 << 8 * WORD) - 1
        except (gdb.error, ValueError):
            pass
    raise gdb.GdbError("the thread pointer of this CPU is not known")


def block(view, image):
    """The selected thread's block of an image's thread-locals; 0: it has none yet."""
    place = view.get(image, "tls.place")
    if place == TLS_STATIC:
        return thread_pointer() + view.get(image, "tls.tpoff", True)
    if place != TLS_DYNAMIC:
        raise gdb.GdbError(f"{view.path(image)} has no thread-locals of libdlrs' making; use print")
    row = number(thread_pointer() + view.own_tls + view.fields["tls.dtv"][0])
    return number(row + WORD * view.get(image, "tls.id"))


def variable_type(path, name):
    """The type that the library's debug information gives it, or char."""
    for objfile in gdb.objfiles():
        if not objfile.is_valid() or os.path.basename(objfile.filename or "") != os.path.basename(path):
            continue
        symbol = objfile.lookup_global_symbol(name) or objfile.lookup_static_symbol(name)
        if symbol and symbol.type:
            return symbol.type
    return gdb.lookup_type("char")


class DlrsTls(gdb.Function):
    """$_dlrs_tls("LIBRARY", "VARIABLE"): a thread-local variable of a library that libdlrs opened, in the
selected thread. LIBRARY is the end of its path, or the address of its handle when there are several copies."""

    def __init__(self):
        super().__init__("_dlrs_tls")

    def invoke(self, library, variable):
        view = View()
        name = variable.string()
        is_name = library.type.strip_typedefs().code == gdb.TYPE_CODE_ARRAY
        found = [image for _, image in view.images()
                 if (view.path(image).endswith(library.string()) if is_name
                     else view.get(image, "handle") == int(library)) and not view.get(image, "host")]
        if len(found) != 1:
            raise gdb.GdbError("no such library of libdlrs" if not found else
                               "several of them: name one by its handle (info dlrs)")
        path = view.path(found[0])
        at = block(view, found[0])
        if not at:
            raise gdb.GdbError(f"this thread has not used a thread-local variable of {path} yet")
        address = gdb.Value(at + tls_offset(path, name))
        return address.cast(variable_type(path, name).pointer()).dereference()


InfoDlrs()
DlrsTls()

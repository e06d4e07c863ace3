# SPDX-License-Identifier: MIT
#
# Makes the hidden global symbols of 64-bit object files default ones: libgcc_eh.a of an older compiler can then be
# linked into a shared library of its own.
#
#   unhide.py OBJECT...
import struct
import sys

SHT_SYMTAB, STB_GLOBAL, STV_HIDDEN = 2, 1, 2

for path in sys.argv[1:]:
    with open(path, "rb") as f:
        data = bytearray(f.read())
    shoff, = struct.unpack_from("<Q", data, 40)
    shentsize, shnum = struct.unpack_from("<HH", data, 58)
    for n in range(shnum):
        _, kind, _, _, offset, size = struct.unpack_from("<IIQQQQ", data, shoff + n * shentsize)
        for at in range(offset, offset + size, 24) if kind == SHT_SYMTAB else ():
            if data[at + 4] >> 4 == STB_GLOBAL and data[at + 5] == STV_HIDDEN:
                data[at + 5] = 0
    with open(path, "wb") as f:
        f.write(data)

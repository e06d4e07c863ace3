# SPDX-License-Identifier: MIT
#
# Copies ld.so and describes its probe points in the copy as distributions with SystemTap do: gdb then sets its
# breakpoints there and not on _dl_debug_state. Debian builds without them; the places are found by what the code
# does there, which is to set r_state and call _dl_debug_state.
#
#   probes.py LDSO COPY      exit 77: the places were not found
import re
import struct
import subprocess
import sys
import tempfile

ldso, copy = sys.argv[1:]
listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", ldso], capture_output=True, text=True,
                         check=True).stdout
lines = re.findall(r"^ +([0-9a-f]+):\t(.+)$", listing, re.M)

# (what r_state becomes, address behind the call), where %rax still points to the struct r_debug.
places = []
following = {}  # from an address to that of the next instruction
for n, (_, text) in enumerate(lines):
    if not re.search(r"call.*<_dl_debug_state", text) or re.search(r"<_dl_debug_state[^>]*\+", text):
        continue
    for _, before in lines[max(0, n - 3):n]:
        m = re.match(r"movl +\$0x([0-2]),0x18\(%rax\)", before)
        if m:
            places.append((int(m.group(1)), int(lines[n + 1][0], 16)))
            following[int(lines[n + 1][0], 16)] = int(lines[n + 2][0], 16)

deleting = [a for state, a in places if state == 2]
adding = [a for state, a in places if state == 1]
consistent = [a for state, a in places if state == 0]
closed = [a for a in consistent if deleting and a > deleting[0]]
if not deleting or not adding or len(closed) < 2:
    print("the places of the probes were not found:", places, file=sys.stderr)
    sys.exit(77)

# The start of the program has probes of its own, which gdb wants to exist but does not need to pass.
probes = {"init_start": adding[-1], "init_complete": closed[-1], "map_start": adding[0],
          "map_failed": following[adding[0]],  # never meant, but gdb wants it, at a place of its own
          "reloc_complete": closed[1], "unmap_start": deleting[0], "unmap_complete": closed[0]}


def note(name, address):
    body = struct.pack("<QQQ", address, 0, 0) + b"rtld\0" + name.encode() + b"\0" + b"-4@$0 8@%rax\0"
    return struct.pack("<III", 8, len(body), 3) + b"stapsdt\0" + body + b"\0" * (-len(body) % 4)


with tempfile.NamedTemporaryFile() as notes, tempfile.NamedTemporaryFile() as base:
    notes.write(b"".join(note(name, address) for name, address in probes.items()))
    notes.flush()
    base.write(b"\0")
    base.flush()
    subprocess.run(["objcopy", "--add-section", f".note.stapsdt={notes.name}",
                    "--add-section", f".stapsdt.base={base.name}", ldso, copy], check=True)

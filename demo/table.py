# SPDX-License-Identifier: MIT
#
# Prints as a table what libdlrs said about the images it opened
# (DLRS_DEBUG=statistics).
#   table.py FILE ROWS     ROWS: how many to show, the slowest first
import os
import sys

rows = []
for line in open(sys.argv[1]):
    words = line.split(None, 7)
    if line.startswith("dlrs: statistics:") and len(words) == 8 and words[2] != "find":
        try:
            rows.append([float(w) for w in words[2:6]] + [int(words[6]), words[7].strip()])
        except ValueError:
            continue
if not rows:
    sys.exit("libdlrs has named no image that it opened")
rows.sort(key=lambda r: -sum(r[:4]))
shown = rows[:int(sys.argv[2])]
rest = rows[len(shown):]


def row(find, mapping, reloc, ctor, relocs, total, name):
    print(f"  {total:>9} {find:>8} {mapping:>8} {reloc:>8} {ctor:>8} {relocs:>8}  {name}")


def us(values):
    return [f"{v:.0f}" for v in values]


def line(group, name):
    parts = [sum(r[i] for r in group) for i in range(4)]
    row(*us(parts), sum(r[4] for r in group), us([sum(parts)])[0], name)


row("find", "map", "relocate", "init", "relocs", "total us", "image")
row("-" * 4, "-" * 3, "-" * 8, "-" * 4, "-" * 6, "-" * 8, "-" * 5)
for r in shown:
    line([r], os.path.basename(r[5]))
if rest:
    line(rest, f"and {len(rest)} more (--all shows them)")
line(rows, f"all {len(rows)} images")

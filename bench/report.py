# SPDX-License-Identifier: MIT
#
# What the figures look like: the table on the terminal, the file of figures, the picture. Called by run.py.
import json
import os
import platform
import subprocess


def human(ns):
    """A time with three digits and a fitting unit."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}" if ns < 1000 * size else f"{ns / size:.0f} {unit}"
    return f"{ns:.3g} ns"


def amount(value, unit):
    if unit == "ns":
        return human(value)
    if unit == "bytes":
        return f"{value / 1024:.1f} KB"
    return f"{value:g}"


def verdict(row):
    if row.get("target") is None or row.get("ratio") is None:
        return ""
    return f"<= {row['target']:g} " + ("ok" if row["ok"] else "MISSED")


def pair(values):
    """Two counts of host and ours."""
    if not values or values.get("host") is None or values.get("ours") is None:
        return ""
    return f"{values['host']:.4g} / {values['ours']:.4g}"


HEAD = f"{'':50} {'host':>9} {'libdlrs':>9} {'ratio':>6} {'quartiles':>13} {'target':<15} " \
       f"{'system calls':>13} {'page faults':>15}"


def line(row):
    """One line of the table."""
    host, ours = row["host"], row.get("ours")
    spread = f"{row['low']:.2f} - {row['high']:.2f}" if row.get("low") is not None else ""
    ratio = f"{row['ratio']:.2f}" if row.get("ratio") is not None else ""
    return (f"{row['title'][:50]:50} {amount(host, row['unit']) if host is not None else '':>9} "
            f"{amount(ours, row['unit']) if ours is not None else '':>9} {ratio:>6} {spread:>13} "
            f"{verdict(row):<15} {pair(row.get('syscalls')):>13} {pair(row.get('faults')):>15}").rstrip()


def peer_lines(row):
    for name, p in row.get("peers", {}).items():
        low, high = p["low"], p["high"]
        yield (f"{'    ' + name:50} {'':>9} {amount(p['median'], row['unit']):>9} {p['ratio']:6.2f} "
               f"{f'{low:.2f} - {high:.2f}':>13}").rstrip()


# ---- the machine -------------------------------------------------------------------------------

def first_line(path, key):
    try:
        with open(path, encoding="utf-8") as f:
            for text in f:
                if text.startswith(key):
                    return text.split(":", 1)[-1].split("=", 1)[-1].strip().strip('"')
    except OSError:
        pass
    return None


def machine():
    """What README's figures must be read with."""
    libc = subprocess.run(["getconf", "GNU_LIBC_VERSION"], capture_output=True, text=True)
    return {
        "cpu": first_line("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "system": first_line("/etc/os-release", "PRETTY_NAME=") or platform.system(),
        "kernel": platform.release(),
        "libc": libc.stdout.strip() or "unknown",
        "load": round(os.getloadavg()[0], 2),
    }


def machine_line(m):
    return f"{m['cpu']}, {m['cores']} cores, {m['system']}, Linux {m['kernel']}, {m['libc']}; load {m['load']}"


# ---- the picture -------------------------------------------------------------------------------
# A bar for each row: libdlrs to the host, quartiles as a whisker, the target as a tick, peers as dots.

LEFT, WIDTH, RIGHT, STEP, MOST = 330, 560, 60, 20, 2.0
INK, FAINT, BAR, OVER, TICK, DOT = "#333", "#bbb", "#3a7d5d", "#b5764a", "#c0392b", "#5a6fae"


def x_of(ratio):
    return LEFT + WIDTH * min(ratio, MOST) / MOST


def text(x, y, what, extra=""):
    what = what.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" {extra}>{what}</text>'


def stroke(x1, y1, x2, y2, colour, width=1):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"/>')


def bar(row, y):
    """One row of the picture; y is its middle."""
    colour = BAR if row["ratio"] <= 1.005 else OVER
    end = x_of(row["ratio"])
    yield text(LEFT - 8, y + 4, row["title"].strip(), 'text-anchor="end"')
    yield f'<rect x="{LEFT}" y="{y - 6:.1f}" width="{end - LEFT:.1f}" height="12" fill="{colour}"/>'
    if row["high"] < MOST:
        yield stroke(x_of(row["low"]), y, x_of(row["high"]), y, INK)
    for p in row.get("peers", {}).values():
        if p["ratio"] < MOST:
            yield f'<circle cx="{x_of(p["ratio"]):.1f}" cy="{y:.1f}" r="3.5" fill="{DOT}"/>'
    if row["target"] is not None:
        yield stroke(x_of(row["target"]), y - 8, x_of(row["target"]), y + 8, TICK, 2)
    yield text(LEFT + WIDTH + 12, y + 4, f"{row['ratio']:.2f}")


def axis(bottom):
    for i in range(0, 9):
        x = x_of(i / 4)
        yield stroke(x, 64, x, bottom, INK if i == 4 else FAINT, 1 if i == 4 else 0.5)
        if i % 2 == 0:
            yield text(x, 58, f"{i / 4:g}", 'text-anchor="middle"')


def picture(result):
    """The lines of the SVG."""
    shown = [r for r in result["rows"] if r.get("low") is not None and r["chart"]]
    letters = list(dict.fromkeys(r["case"] for r in shown))
    bottom = 70 + STEP * (len(shown) + 1.4 * len(letters))
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{bottom + 44:.0f}" '
           f'font-family="sans-serif" font-size="12" fill="{INK}">')
    yield '<rect width="100%" height="100%" fill="white"/>'
    yield text(12, 22, "libdlrs to the host's loader, ratio of times (less is better)", 'font-size="16"')
    yield text(12, 40, machine_line(result["machine"]))
    yield from axis(bottom)
    y = 70.0
    for letter in letters:
        y += 1.4 * STEP
        yield text(12, y - 4, f"({letter}) {result['titles'][letter]}", 'font-weight="bold"')
        for row in shown:
            if row["case"] == letter:
                yield from bar(row, y + STEP / 2)
                y += STEP
    yield text(12, bottom + 28, "line: quartiles of the rounds; red tick: target; blue dots: peers, "
               "to the same host; at 1 the two are alike")
    yield "</svg>"


def write_svg(path, result):
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write("\n".join(picture(result)) + "\n")
    os.rename(path + ".new", path)


# ---- files -------------------------------------------------------------------------------------

def write_json(path, result):
    with open(path + ".new", "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    os.rename(path + ".new", path)

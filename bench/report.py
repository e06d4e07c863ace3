# SPDX-License-Identifier: MIT
#
# What the figures look like: the table on the terminal, the file of figures, the picture. Called by run.py.
import json
import math
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


HEAD = f"{'':46} {'host':>9} {'libdlrs':>9} {'ratio':>6} {'quartiles':>13} {'target':<15} " \
       f"{'system calls':>13} {'page faults':>15}"


def line(row):
    """One line of the table."""
    host, ours = row["host"], row.get("ours")
    spread = f"{row['low']:.2f} - {row['high']:.2f}" if row.get("low") is not None else ""
    ratio = f"{row['ratio']:.2f}" if row.get("ratio") is not None else ""
    return (f"{row['title'][:46]:46} {amount(host, row['unit']):>9} "
            f"{amount(ours, row['unit']) if ours is not None else '':>9} {ratio:>6} {spread:>13} "
            f"{verdict(row):<15} {pair(row.get('syscalls')):>13} {pair(row.get('faults')):>15}").rstrip()


def peer_lines(row):
    for name, p in row.get("peers", {}).items():
        low, high = p["low"], p["high"]
        yield (f"{'    ' + name:46} {'':>9} {amount(p['median'], row['unit']):>9} {p['ratio']:6.2f} "
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


# ---- files -------------------------------------------------------------------------------------

def write_json(path, result):
    with open(path + ".new", "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    os.rename(path + ".new", path)

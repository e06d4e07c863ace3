# SPDX-License-Identifier: MIT
#
# ./dev bench: measures libdlrs beside the host's loader. Each row comes from processes that run in turn,
# host, ours, host, ours ..., each on its own copies of the same files; a ratio is taken within each round,
# and the table shows the median of the rounds with its quartiles.
#
#   run.py --build DIR --lib FILE [--quick] [case...]      cases: a b c ..., all by default
#
# Prints a table; leaves DIR/results.json and DIR/results.svg. Ends with 0 also when a target is missed: what
# a machine measures is a figure, not a test.
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time

import cases
import generate
import report

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = ("bench", "case_open", "case_sym", "case_count")


class Context:
    """What a case may say while it is prepared."""

    def __init__(self):
        self.notes = []

    def say(self, text):
        print(f"   {text}", flush=True)

    def note(self, text):
        self.notes.append(text)
        self.say(text)


class Bench:
    """One invocation: where things are, and what has been measured."""

    def __init__(self, options):
        self.options = options
        self.build = os.path.abspath(options.build)
        self.lib = os.path.abspath(options.lib)
        self.program = os.path.join(self.build, "dlbench")
        self.tree = generate.Tree(self.build)
        self.context = Context()
        self.rows = []

    # ---- files and processes -------------------------------------------------------------------

    def compile(self):
        sources = [os.path.join(HERE, s + ".c") for s in SOURCES]
        if generate.older(self.program, *sources, os.path.join(HERE, "bench.h")):
            generate.run(*generate.CC, "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-pthread",
                         "-o", self.program, *sources, "-ldl")

    def copies(self, run, variant):
        """This loader's own copy of the files; made when missing or older."""
        mine = os.path.join(self.build, "copies", variant)
        os.makedirs(mine, exist_ok=True)
        for name in run.files:
            source = name if os.path.isabs(name) else self.tree.path(name)
            target = os.path.join(mine, os.path.basename(name))
            if not generate.older(target, source):
                continue
            if os.path.isdir(source):
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(source, target, copy_function=shutil.copyfile)
                os.utime(target)
            else:
                shutil.copyfile(source, target)
        return mine

    def environment(self, run, variant):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "DLRS_", "DLBENCH_"))}
        env.update(LC_ALL="C", PYTHONDONTWRITEBYTECODE="1", **run.environment)
        if variant == "ours":
            env["DLBENCH_PRELOAD" if run.bare else "LD_PRELOAD"] = self.lib
        return env

    def command(self, run, variant):
        files = self.copies(run, variant)
        return [a.replace("{files}", files) for a in run.arguments]

    def measure(self, run, variant):
        """One process: {key: value}."""
        done = subprocess.run([self.program, *self.command(run, variant)], stdin=subprocess.DEVNULL,
                              env=self.environment(run, variant), capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise SystemExit(f"bench: {variant}: {' '.join(run.arguments)}: {done.stderr or done.returncode}")
        return values(done.stdout)

    def count(self, run, variant):
        """System calls of one operation: {name: number}; empty where tracing is not allowed."""
        env = self.environment(run, variant)
        env["DLBENCH_PRELOAD"] = env.pop("LD_PRELOAD", env.get("DLBENCH_PRELOAD", ""))
        program = run.count if isinstance(run.count, list) else [self.program, *self.command(run, variant)]
        done = subprocess.run([self.program, "count", *program], stdin=subprocess.DEVNULL,
                              env=env, capture_output=True, text=True, timeout=300)
        if done.returncode:
            return {}
        ops = values(done.stdout).get("ops", 1)
        return {k: v / ops for k, v in values(done.stderr).items() if k.startswith("syscall")}

    # ---- one run -------------------------------------------------------------------------------

    def rounds(self, run, variants):
        """{variant: [{key: value}, ...]}, measured in turn after one round that is thrown away."""
        samples = {v: [] for v in variants}
        for v in variants:
            self.measure(run, v)
        for _ in range(run.rounds[1 if self.options.quick else 0]):
            for v in variants:
                samples[v].append(self.measure(run, v))
        return samples

    def do(self, case, run):
        variants = ["host", "ours", *run.peers]
        samples = self.rounds(run, variants)
        calls = {v: self.count(run, v) for v in ("host", "ours")} if run.count else {}
        for row in run.rows:
            r = summary(row, samples)
            r.update(case=case.letter, unit=run.unit, run=" ".join(run.arguments))
            if row.counted:
                r["syscalls"] = {v: c.get("syscalls") for v, c in calls.items()}
                r["syscall_names"] = {v: {k[8:]: round(n, 3) for k, n in c.items() if k != "syscalls"}
                                      for v, c in calls.items()}
                r["faults"] = {v: statistics.median(s["faults"] for s in samples[v])
                               for v in ("host", "ours") if "faults" in samples[v][0]}
            self.rows.append(r)
            print(report.line(r), flush=True)
            for text in report.peer_lines(r):
                print(text, flush=True)

    def case(self, case):
        print(f"\n({case.letter}) {case.title}", flush=True)
        for run in case.prepare(self.tree, self.context):
            self.do(case, run)


def values(text):
    found = {}
    for word in (t.split() for t in text.splitlines()):
        if len(word) == 2:
            found[word[0]] = float(word[1])
    return found


def quartiles(numbers):
    if len(numbers) < 2:
        return numbers[0], numbers[0]
    q = statistics.quantiles(numbers, n=4, method="inclusive")
    return q[0], q[2]


def compared(samples, variant, key):
    """The ratios to the host's value, one of each round."""
    return [s[key] / h[key] for s, h in zip(samples[variant], samples["host"]) if h[key]]


def summary(row, samples):
    """What one row of the table says."""
    median = {v: statistics.median(s[row.key] for s in many) for v, many in samples.items()
              if row.key in many[0]}
    ratios = compared(samples, "ours", row.key)
    low, high = quartiles(ratios)
    r = {"title": row.title, "key": row.key, "host": median["host"], "ours": median["ours"],
         "ratio": statistics.median(ratios), "low": low, "high": high, "rounds": len(ratios),
         "target": row.target}
    r["ok"] = None if row.target is None else r["ratio"] <= row.target
    for name in samples:
        if name in ("host", "ours") or name not in median:
            continue
        ratios = compared(samples, name, row.key)
        low, high = quartiles(ratios)
        r.setdefault("peers", {})[name] = {"median": median[name], "ratio": statistics.median(ratios),
                                           "low": low, "high": high}
    return r


def main():
    letters = "".join(c.letter for c in cases.CASES)
    parser = argparse.ArgumentParser(prog="dev bench")
    parser.add_argument("--build", default=os.path.join(os.path.dirname(HERE), "build", "bench"))
    parser.add_argument("--lib", default=os.path.join(os.path.dirname(HERE), "build", "libdlrs.so.0"))
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("case", nargs="*", help=f"letters of {letters}; all by default")
    options = parser.parse_args()
    wanted = "".join(options.case) or letters
    for unknown in set(wanted) - set(letters):
        parser.error(f"no case {unknown}")

    began = time.monotonic()
    bench = Bench(options)
    bench.compile()
    machine = report.machine()
    print(report.machine_line(machine))
    print(report.HEAD)
    for case in cases.CASES:
        if case.letter in wanted:
            bench.case(case)
    report.write_json(os.path.join(bench.build, "results.json"),
                      {"machine": machine, "quick": options.quick, "notes": bench.context.notes,
                       "rows": bench.rows})
    missed = [r for r in bench.rows if r["ok"] is False]
    met = [r for r in bench.rows if r["ok"]]
    print(f"\n{len(met)} targets met, {len(missed)} missed; {time.monotonic() - began:.0f} s;"
          f" figures in {os.path.relpath(bench.build)}/results.json")


sys.dont_write_bytecode = True
main()

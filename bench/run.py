# SPDX-License-Identifier: MIT
#
# ./dev bench: measures libdlrs beside the host's loader. Each row comes from processes that run in turn,
# host, ours, host, ours ..., each on its own copies of the same files; a ratio is taken within each round,
# and the table shows the median of the rounds with its quartiles.
#
# The build directory is not called bench: `make dist` would take it for the sources.
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
SOURCES = ("bench", "case_open", "case_floor", "case_sym", "case_find", "case_tls", "case_process", "case_count")


# How the wrappers in peers/ begin their names.
PEERS = {"libloading": "libloading", "elf_loader": "elf_loader", "elf_loader's linker": "elf_linker",
         "dlopen-rs": "dlopen_rs"}


class Failed(Exception):
    """A measured process did not end well."""


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
        self.seconds = {}  # spent on each case
        self.copied = False  # files are new: their pages are still dirty
        self.wrappers = None  # the library of peers, once asked for

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
            self.copied = True
            if os.path.isdir(source):
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(source, target, copy_function=shutil.copyfile)
                os.utime(target)
            else:
                shutil.copyfile(source, target)
        return mine

    def peers(self, run):
        """Those of a run's peers that can be had."""
        rust = [p for p in run.peers if p in PEERS]
        if rust and self.wrappers is None:
            self.context.say("building the Rust peers")
            self.wrappers, why = generate.peers(self.build)
            if why:
                self.wrappers = ""
                self.context.note(why)
        return [p for p in run.peers if p not in PEERS or self.wrappers]

    def environment(self, run, variant):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "DLRS_", "DLBENCH_"))}
        env.update(LC_ALL="C", PYTHONDONTWRITEBYTECODE="1", **run.environment)
        if variant in PEERS:
            env["DLBENCH_PEER"] = f"{self.wrappers}:{PEERS[variant]}"
        if variant == "dlopen-rs":
            env["LD_LIBRARY_PATH"] = self.copies(run, variant)  # it hangs on RUNPATH with $ORIGIN
        preload = [run.preload] if run.preload else []
        if variant == "ours":
            preload.insert(0, self.lib)
        elif variant == "an empty preload":
            preload.insert(0, self.tree.empty())
        if preload:
            env["DLBENCH_PRELOAD" if run.bare else "LD_PRELOAD"] = " ".join(preload)
        return env

    def command(self, run, variant):
        files = self.copies(run, variant)
        return [a.replace("{files}", files).replace("{loader}", variant) for a in run.arguments]

    def measure(self, run, variant, turn=0):
        """One process: {key: value}. Whoever measures one thread only gets the same processor as the others in turn:
        on a virtual machine they may be unlike each other for minutes, and the scheduler likes to alternate."""
        cpus = sorted(os.sched_getaffinity(0))
        if not any(row.key.endswith(".2") for row in run.rows):
            cpus = [cpus[turn % len(cpus)]]
        try:
            done = subprocess.run([self.program, *self.command(run, variant)], stdin=subprocess.DEVNULL,
                                  env=self.environment(run, variant), capture_output=True, text=True,
                                  preexec_fn=lambda: os.sched_setaffinity(0, cpus),
                                  timeout=20 if variant in PEERS else 300)
        except subprocess.TimeoutExpired as e:
            raise Failed("does not end") from e
        if done.returncode:
            raise Failed(next((t for t in done.stderr.splitlines() if t.strip()), f"status {done.returncode}"))
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
        for v in list(variants):
            self.copies(run, v)
        if self.copied:  # pages not yet written would count as private dirty memory
            os.sync()
            self.seconds = {}  # spent on each case
        self.copied = False
        for v in list(variants):
            try:
                self.measure(run, v)
            except Failed as e:
                where = f"{v}: {' '.join(a[:60] for a in run.arguments[:4])}: {e}"
                if v in ("host", "ours"):
                    raise SystemExit(f"bench: {where}") from e
                self.context.note(where)
                variants.remove(v)
        samples = {v: [] for v in variants}
        for turn in range(run.rounds[1 if self.options.quick else 0]):
            for v in variants:
                samples[v].append(self.measure(run, v, turn))
        return samples

    def do(self, case, run):
        variants = ["host", "ours", *self.peers(run)]
        samples = self.rounds(run, variants)
        calls = {v: self.count(run, v) for v in variants if v not in PEERS} if run.count else {}
        for row in run.rows:
            r = summary(row, samples)
            r.update(case=case.letter, unit=run.unit, chart=row.chart, run=" ".join(run.arguments))
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

    def derived(self, case):
        mine = [r for r in self.rows if r["case"] == case.letter]
        for title, value, target in case.derive(mine):
            ok = None if target is None else met(value, target)
            r = {"title": title, "case": case.letter, "key": "derived", "unit": "", "host": None, "ours": None,
                 "ratio": value, "target": target, "ok": ok}
            self.rows.append(r)
            print(report.line(r), flush=True)

    def case(self, case):
        began = time.monotonic()
        print(f"\n({case.letter}) {case.title}", flush=True)
        for run in case.prepare(self.tree, self.context):
            self.do(case, run)
        if case.derive:
            self.derived(case)
        self.seconds[case.letter] = round(time.monotonic() - began, 1)


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


def met(value, target):
    """To the two digits that are printed."""
    return round(value, 2) <= target


def summary(row, samples):
    """What one row of the table says."""
    median = {v: statistics.median(s[row.key] for s in many) for v, many in samples.items()
              if row.key in many[0]}
    ratios = compared(samples, "ours", row.key)
    low, high = quartiles(ratios)
    r = {"title": row.title, "key": row.key, "host": median["host"], "ours": median["ours"],
         "ratio": statistics.median(ratios), "low": low, "high": high, "rounds": len(ratios),
         "target": row.target}
    r["ok"] = None if row.target is None else met(r["ratio"], row.target)
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
    parser.add_argument("--build", default=os.path.join(os.path.dirname(HERE), "build", "measured"))
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
    if machine["load"] > 0.5 * machine["cores"]:
        bench.context.note(f"the machine is busy (load {machine['load']}): single opens and several threads "
                           "are rough; their processor time is less so")
    print(report.HEAD)
    for case in cases.CASES:
        if case.letter in wanted:
            bench.case(case)
    result = {"machine": machine, "quick": options.quick, "seconds": bench.seconds,
              "notes": bench.context.notes, "titles": {c.letter: c.title for c in cases.CASES}, "rows": bench.rows}
    report.write_json(os.path.join(bench.build, "results.json"), result)
    report.write_svg(os.path.join(bench.build, "results.svg"), result)
    for note in bench.context.notes:
        print("note:", note)
    verdicts = [r["ok"] for r in bench.rows if r["ok"] is not None]
    print(f"\n{sum(verdicts)} of {len(verdicts)} targets met; {time.monotonic() - began:.0f} s;"
          f" figures and picture: {os.path.relpath(bench.build)}/results.json, results.svg")


sys.dont_write_bytecode = True
main()

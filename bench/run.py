#!/usr/bin/env python3
"""Measures mcproxy beside its peers in one run, and writes the document and the plot. `make bench` runs this.

    run.py [MODE…]             the modes: calls, idle, start, leak, many; all of them if none is named
    run.py --report            measures nothing, writes the document anew from the results of the last run
    run.py --out FOLDER        where benchmarks.md and benchmarks.svg go; by default into docs/ from a whole run of at
                               least five rounds, else into target/bench/

Environment: BENCH_ROUNDS (5), BENCH_SECONDS of each measurement (3), MCPROXY (the release binary; marks are held against
it), further builds to measure beside it in MCPROXY_ALSO as TITLE=PATH with spaces between. The results lie in target/bench/results.json.
Standard library only.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from runner import figures, gateways, modes, processes, report

TOP = Path(__file__).resolve().parent.parent
CACHE = TOP / ".cache/bench"
WHOLE_ROUNDS = 5
# The load average by core from which on somebody is told that this is no time to measure.
BUSY = 0.25
SETTINGS = ("BENCH_ROUNDS", "BENCH_SECONDS", "MCPROXY", "MCPROXY_ALSO")
# What of a measurement is worth a line while the run goes on.
TOLD = (
    "calls_per_second", "p50_us", "p99_us", "gateway_cpu_us_per_call", "rss", "pss", "kib_per_session.rss",
    "given_back.rss", "children", "listening_ms.median", "tools_ms.median",
)


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("modes", nargs="*", metavar="MODE")
    words.add_argument("--report", action="store_true")
    words.add_argument("--out", type=Path)
    asked = words.parse_args()
    unknown = [mode for mode in asked.modes if mode not in modes.MODES]
    if unknown:
        words.error(f"there is no mode {unknown[0]!r}, only {', '.join(modes.MODES)}")
    saved = target("target") / "bench/results.json"
    if asked.report:
        run = json.loads(saved.read_text(encoding="utf-8"))
    else:
        saved.parent.mkdir(parents=True, exist_ok=True)
        run = measured(asked.modes or list(modes.MODES), saved)
    whole = run["complete"] and set(run["modes"]) == set(modes.MODES) and run["rounds"] >= WHOLE_ROUNDS
    write(figures.Results(run), asked.out or (TOP / "docs" if whole else saved.parent))


def target(default):
    """Where cargo puts what it builds, if nobody says otherwise in `default`."""
    return Path(os.environ.get("CARGO_TARGET_DIR", TOP / default))


def measured(chosen, saved):
    """Runs the modes, round after round, and keeps the results after each; gives them all."""
    # SIGINT too: whoever starts this in the background of a script has it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    processes.adopt_orphans()
    raise_descriptor_limit()
    if os.getloadavg()[0] > BUSY * os.cpu_count():
        print(f"bench: others are at work here (load average {os.getloadavg()[0]:.1f}); the figures will say little")
    taking_part, missing = participants()
    seconds = float(os.environ.get("BENCH_SECONDS", 3))
    bench = modes.Bench(target("bench/target") / "release", taking_part, seconds, min(1.0, seconds))
    run = facts(bench, chosen, missing)
    try:
        for mode in chosen:
            for number in range(1 if mode in modes.ONCE else run["rounds"]):
                play(run["cells"], bench, mode, number)
                saved.write_text(json.dumps(run, indent=1), encoding="utf-8")
        run["complete"] = True
    except KeyboardInterrupt:
        sys.exit(f"bench: interrupted; what was measured until the last whole round is in {saved}")
    finally:
        processes.end_all()
    saved.write_text(json.dumps(run, indent=1), encoding="utf-8")
    return run


def raise_descriptor_limit():
    """A thousand sessions take a descriptor or two each, on either side."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def participants():
    """The gateways that are measured, mcproxy first, and a line for each that is not there."""
    own = [gateways.mcproxy(os.environ.get("MCPROXY") or target("target") / "release/mcproxy")]
    for number, also in enumerate(os.environ.get("MCPROXY_ALSO", "").split()):
        title, _, path = also.partition("=")
        own.append(gateways.mcproxy(path, f"also-{number}", f"mcproxy, {title}"))
    peers, missing = gateways.peers(CACHE)
    return own + peers, missing


def facts(bench, chosen, missing):
    """What is known of a run before it begins."""
    settings = [f"{name}={shlex.quote(homeless(os.environ[name]))}" for name in SETTINGS if os.environ.get(name)]
    if set(chosen) != set(modes.MODES):
        settings.append(f"BENCH={shlex.quote(' '.join(chosen))}")
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": " ".join(["make bench", *settings]),
        "mcproxy": said("git", "-C", TOP, "describe", "--always", "--dirty") or "unknown commit",
        "machine": machine(),
        "modes": chosen,
        "rounds": int(os.environ.get("BENCH_ROUNDS", WHOLE_ROUNDS)),
        "payload": modes.SMALL,
        "legs": modes.LEGS,
        "complete": False,
        "gateways": {one.key: about(one) for one in bench.gateways},
        "peers": [one.key for one in bench.gateways if one.peer],
        "missing": missing,
        "static_bytes": static_bytes(bench),
        "cells": {},
    }


def homeless(text):
    """A text without the folders of this machine, since it goes into a document."""
    return text.replace(f"{TOP}/", "").replace(f"{Path.home()}/", "~/")


def about(gateway):
    """What the document tells of a gateway."""
    return {
        "title": gateway.title, "version": gateway.version, "remark": gateway.remark, "bytes": gateway.size(),
        "commands": gateway.shown(),
    }


def static_bytes(bench):
    """The size of the first of mcproxy's builds that needs no shared library; None if there is none."""
    return next((one.size() for one in bench.gateways if not one.peer and gateways.is_static(one.program)), None)


def machine():
    """What the figures depend on."""
    processor = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text(
        encoding="utf-8", errors="replace").splitlines() if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "Rust": said("rustc", "--version"),
        "Node": said("node", "--version"),
        "Python": platform.python_version(),
        "load average before the run": f"{os.getloadavg()[0]:.1f}",
    }


def said(*command):
    """What a program says of itself; nothing if it is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def play(cells, bench, mode, number):
    """One round of a mode."""
    for task in modes.MODES[mode](bench):
        began = time.monotonic()
        found = modes.measure(task)
        if "error" in found:
            found["error"] = homeless(found["error"])
        cells.setdefault(task.cell, {}).setdefault(task.gateway, []).append(found)
        took = time.monotonic() - began
        words = found.get("error") or ", ".join(
            f"{name} {figures.number(value)}" for name, value in found.items() if name in TOLD and value is not None)
        print(f"{mode} {number + 1}: {task.cell:24} {task.gateway:16} {took:5.1f} s  {words}", flush=True)


def write(results, folder):
    """The document and the plot."""
    remarks = TOP / "docs/benchmarks-notes.md"
    notes = remarks.read_text(encoding="utf-8") if remarks.is_file() else ""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "benchmarks.md").write_text(report.document(results, notes), encoding="utf-8")
    if drawing := report.drawing(results):
        (folder / "benchmarks.svg").write_text(drawing, encoding="utf-8")
    print(f"bench: wrote {folder / 'benchmarks.md'}")


if __name__ == "__main__":
    main()

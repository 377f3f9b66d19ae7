#!/usr/bin/env python3
"""Counts what each scenario of benches/stage/ takes, and holds that against benches/counts.txt.

    counts.py            compare; more than 5 % above what is written there fails
    counts.py accept     write what was counted

callgrind counts instructions, dhat allocations and the bytes asked for, and both only
what is done inside the function `counted` of benches/counts.rs; so neither preparation nor the first runs count.
The last line is "N passed, N failed". Standard library only.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BASELINE = Path(__file__).with_name("counts.txt")
# Runs that let tables and buffers grow to their size, and those that are counted: a multiple of what the threads at the
# pipes report at once (limits::TAKEN_MESSAGES).
WARM, RUNS = 96, 160
COUNTED = "counts::counted"
# Deeper than any stack of a scenario, for `counted` must be on it.
FRAMES = 200
# Large blocks each for themselves: then one that grows is never copied, which else hangs on what lies behind it.
TUNABLES = "glibc.malloc.mmap_threshold=32768"
# What may be above the baseline: this part of it, and at least so much, for a buffer that grows once in a while.
TOLERANCE = 0.05
SLACK = {"instructions": 20, "allocations": 0.1, "bytes": 16}
HEAD = """\
# What each scenario of benches/stage/ takes for one run; docs/performance.md says how it is counted.
# Written by `make counts-accept`, with:
"""


def build():
    """Builds benches/counts.rs; where it lies."""
    command = ["cargo", "build", "--profile", "counts", "--bench", "counts", "--message-format=json-render-diagnostics"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    built = (json.loads(line) for line in done.stdout.splitlines())
    found = [one["executable"] for one in built if one.get("target", {}).get("name") == "counts"]
    return found[-1]


def run(program, scenario, tool, *options):
    """Plays a scenario under a tool of valgrind; what the tool says."""
    # No settings of the user's, and nothing of his environment: both change what is counted.
    command = ["valgrind", "--command-line-only=yes", f"--tool={tool}", *options, program, scenario, str(WARM), str(RUNS)]
    environment = {key: os.environ[key] for key in ("PATH", "VALGRIND_LIB") if key in os.environ}
    environment["GLIBC_TUNABLES"] = TUNABLES
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stderr


def count(program, scenario):
    """What one run of a scenario takes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "out")
        said = run(program, scenario, "callgrind", f"--toggle-collect={COUNTED}", f"--callgrind-out-file={file}")
        instructions = int(re.search(r"Collected : (\d+)", said)[1])
        run(program, scenario, "dhat", f"--num-callers={FRAMES}", f"--dhat-out-file={file}")
        heap = json.loads(file.read_text())
    frames = {number for number, frame in enumerate(heap["ftbl"]) if COUNTED in frame}
    blocks = [point for point in heap["pps"] if frames & set(point["fs"])]
    if instructions == 0:
        raise RuntimeError(f"{scenario}: callgrind has not found the function {COUNTED}")
    return {
        "instructions": instructions / RUNS,
        "allocations": sum(point["tbk"] for point in blocks) / RUNS,
        "bytes": sum(point["tb"] for point in blocks) / RUNS,
    }


def machine():
    """What the counts depend on beside the code."""
    first_line = lambda *words: subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    return {
        "rustc": first_line("rustc", "--version").removeprefix("rustc "),
        "libc": " ".join(platform.libc_ver()),
        "valgrind": first_line("valgrind", "--version").removeprefix("valgrind-"),
        "machine": platform.machine(),
    }


def write(counted, around):
    rows = [f"# {key}: {value}" for key, value in around.items()]
    rows.append(f"# {'scenario':<33}{'instructions':>14}{'allocations':>13}{'bytes':>11}")
    for name in sorted(counted):
        one = counted[name]
        rows.append(f"{name:<35}{one['instructions']:>14.0f}{one['allocations']:>13.1f}{one['bytes']:>11.0f}")
    BASELINE.write_text(HEAD + "\n".join(rows) + "\n")


def read():
    """The baseline: what each scenario took, and with what that was counted."""
    taken, around = {}, {}
    for line in BASELINE.read_text().splitlines() if BASELINE.exists() else []:
        if line.startswith("#"):
            key, colon, value = line[1:].strip().partition(": ")
            if colon:
                around[key] = value
        else:
            name, *numbers = line.split()
            taken[name] = dict(zip(("instructions", "allocations", "bytes"), map(float, numbers)))
    return taken, around


def shown(what, number):
    return f"{number:,.1f} {what}" if what == "allocations" else f"{number:,.0f} {what}"


def judge(name, now, before):
    """Whether a scenario passes, and what is said of it."""
    if before is None:
        return False, [f"{name} is not in {BASELINE.name}: `make counts-accept`"]
    said, passes = [], True
    for what, number in now.items():
        was = before[what]
        part = f"{(number / was - 1):+.1%}" if was else "from nothing"
        change = f"{name}: {shown(what, number)} where it took {shown(what, was)} ({part})"
        if number > was * (1 + TOLERANCE) and number > was + SLACK[what]:
            passes = False
            said.append(f"{change}: too much")
        elif number < was * (1 - TOLERANCE) and number < was - SLACK[what]:
            said.append(f"{change}: better; `make counts-accept` keeps it so")
    return passes, said


def compare(counted):
    taken, around = read()
    verdicts = {name: judge(name, now, taken.get(name)) for name, now in counted.items()}
    for name in taken.keys() - counted.keys():
        verdicts[name] = False, [f"{name} is in {BASELINE.name} and no scenario any more: `make counts-accept`"]
    for name, (passes, said) in sorted(verdicts.items()):
        numbers = ", ".join(shown(what, number) for what, number in counted.get(name, {}).items())
        print(f"{'ok    ' if passes else 'FAILED'} {name:<33} {numbers}")
    for _, (_, said) in sorted(verdicts.items()):
        print(*said, sep="\n", end="\n" if said else "")
    failed = sum(not passes for passes, _ in verdicts.values())
    if failed:
        print("What takes too much takes less again, or the commit says why it must, with `make counts-accept` in it.")
    here = machine()
    differing = [f"{key} {here[key]}, not {around.get(key)}" for key in here if here[key] != around.get(key)]
    if failed and taken and differing:
        print(
            f"This was counted with other tools than {BASELINE.name}: {'; '.join(differing)}. "
            "Count the code before your change with these, accept that, and compare again."
        )
    return len(verdicts) - failed, failed


def main(word=None):
    if platform.system() != "Linux":
        print("valgrind counts on Linux only: nothing was counted")
        print("0 passed, 0 failed")
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is missing, which counts the instructions. Debian, Ubuntu: apt install valgrind.", end=" ")
        print("Fedora: dnf install valgrind.")
        print("0 passed, 1 failed")
        return 1
    program = build()
    scenarios = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counted = dict(zip(scenarios, pool.map(lambda name: count(program, name), scenarios)))
    if word == "accept":
        write(counted, machine())
        print(f"{BASELINE.name} holds what {len(counted)} scenarios take now")
        return 0
    passed, failed = compare(counted)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["accept"]):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))

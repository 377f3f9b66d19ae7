#!/usr/bin/env python3
"""What the shell scripts of the test bed need and a shell does badly: waiting with a deadline, and looking at processes.

    bed.py listening LOG SECONDS       wait for the gateway's line in its log, print the address ("http://127.0.0.1:PORT")
    bed.py ready ADDRESS SECONDS       wait until /ready answers 200; else print the last answer
    bed.py marked MARK [TEXT]          print the processes whose environment holds MARK and whose command line holds TEXT
    bed.py gone MARK SECONDS           wait until no process is marked; else print those that are
    bed.py stop PID SECONDS            send SIGTERM and wait until the process is gone, print how long it took
    bed.py total LOG…                  add up what test runners said in their logs: "N passed, N failed"

Exit code 1 and a sentence on stderr where the wait was in vain. Standard library only.
"""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

POLL_S = 0.02


def poll(seconds, look):
    """Asks `look` until it gives something, at most `seconds`; what it gave last."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found or time.monotonic() > end:
            return found
        time.sleep(POLL_S)


def wait(seconds, look, complaint):
    """Asks `look` until it gives something, at most `seconds`; then ends the program with `complaint()`."""
    found = poll(seconds, look)
    if not found:
        sys.exit(f"waited {seconds:g} s, but {complaint()}")
    return found


def listening(log, seconds):
    line = re.compile(r"mcproxy: listening on (http://\S+?)/mcp \(\d+ servers?\)")

    def look():
        with open(log, encoding="utf-8", errors="replace") as text:
            return line.search(text.read())

    print(wait(float(seconds), look, lambda: f"the gateway did not say where it listens; see {log}")[1])


def ready(address, seconds):
    last = "nothing"

    def look():
        nonlocal last
        try:
            with urllib.request.urlopen(f"{address}/ready", timeout=5) as answer:
                last = f"{answer.status} {answer.read(2000)!r}"
                return answer.status == 200
        except urllib.error.HTTPError as error:
            last = f"{error.code} {error.read(2000)!r}"
        except OSError as error:
            last = str(error)
        return False

    wait(float(seconds), look, lambda: f"{address}/ready last answered: {last}")


def processes(mark):
    """(pid, command line) of every process whose environment holds the mark."""
    found = []
    if not os.path.isdir("/proc/self"):
        listing = subprocess.run(["ps", "axeww", "-o", "pid=,command="], capture_output=True, text=True, check=True)
        lines = (line.split(None, 1) for line in listing.stdout.splitlines() if mark in line)
        return [(int(pid), command) for pid, command in lines if int(pid) != os.getpid()]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as environ, open(f"/proc/{pid}/cmdline", "rb") as command:
                if mark.encode() in environ.read():
                    found.append((int(pid), command.read().replace(b"\0", b" ").decode(errors="replace").strip()))
        except OSError:
            continue  # gone meanwhile, or somebody else's
    return found


def marked(mark, text=""):
    for pid, command in processes(mark):
        if text in command:
            print(pid, command)


def gone(mark, seconds):
    def left():
        return "these processes are left: " + "; ".join(f"{pid} {command}" for pid, command in processes(mark))

    wait(float(seconds), lambda: not processes(mark), left)


def stop(pid, seconds):
    began = time.monotonic()
    os.kill(int(pid), signal.SIGTERM)

    def look():
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        return False

    wait(float(seconds), look, lambda: f"process {pid} is still there after SIGTERM")
    print(f"{time.monotonic() - began:.2f} s")


def total(*logs):
    passed = failed = 0
    for log in logs:
        with open(log, encoding="utf-8", errors="replace") as file:
            text = file.read()
        lines = text.splitlines()
        # `cargo test` has a result line for each of its programs, the other runners have one as their last.
        counts = [re.match(r"test result: \w+\. (\d+) passed; (\d+) failed", line) for line in lines]
        if not any(counts):
            counts = [re.fullmatch(r"(\d+) passed, (\d+) failed", line) for line in lines[-1:]]
        if not any(counts):
            failed += 1  # a runner that ended before it could count
        for count in filter(None, counts):
            passed += int(count[1])
            failed += int(count[2])
        # A test that returned early, for it asks what this HTTP engine cannot do, is not one that passed.
        passed -= text.count("exempt with tiny_http (")
    print(f"{passed} passed, {failed} failed")


if __name__ == "__main__":
    words = {word.__name__: word for word in (listening, ready, marked, gone, stop, total)}
    if len(sys.argv) < 3 or sys.argv[1] not in words:
        sys.exit(__doc__)
    words[sys.argv[1]](*sys.argv[2:])

"""Processes of the benchmark: started apart from the terminal, looked at, and gone at the end whatever happens."""

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# How long a gateway may take from its start to listening, and to its end after SIGTERM; after that it counts as failed,
# or is killed.
LISTENING_S = 60
ENDING_S = 5
POLL_S = 0.01
# How often one looks at what is changed by a program that runs.
LOOKING_S = 1
# How much is told of a reason.
WORDS = 200

_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A measurement that gave no figures, with the reason in one sentence."""


def adopt_orphans():
    """Whatever loses its parent becomes a child of this process, so that `end_all` finds it."""
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def start(command, log, environment=None):
    """Starts a program; `log` takes what it prints."""
    return _opened(command, log, log, environment)


def _opened(command, out, err, environment, **more):
    """Starts a program in a session of its own, so that Ctrl-C meets the runner alone, and dies with it at the latest."""
    try:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
            preexec_fn=_die_with_parent, env={**os.environ, **(environment or {})}, **more,
        )
    except OSError as error:
        raise Failed(f"{os.path.basename(command[0])} does not start: {error.strerror}") from error


def run(command, seconds, environment=None, meanwhile=lambda: None):
    """Runs a program to its end and gives what it wrote on stdout; fails with its last words otherwise.

    `meanwhile` is called each second until then.
    """
    name = os.path.basename(command[0])
    with _opened(command, subprocess.PIPE, subprocess.PIPE, environment, text=True, errors="replace") as program:
        try:
            out, err = _heard(program, time.monotonic() + seconds, meanwhile)
        except subprocess.TimeoutExpired:
            raise Failed(f"no result within {seconds:.0f} s") from None
        finally:
            program.kill()
    if program.returncode != 0:
        words = [line.strip().removeprefix(f"{name}: ") for line in err.splitlines() if line.strip()]
        raise Failed(words[-1][:WORDS] if words else f"{name} ended with {program.returncode}")
    return out


def _heard(program, deadline, meanwhile):
    """What a program wrote until it ended, on stdout and stderr."""
    while True:
        try:
            return program.communicate(timeout=max(0, min(LOOKING_S, deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= deadline:
                raise
            meanwhile()


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_listening(program, port):
    """Waits until somebody accepts on the port; fails if the program ends first, or the time is over."""
    deadline = time.monotonic() + LISTENING_S
    while time.monotonic() < deadline:
        if program.poll() is not None:
            raise Failed(f"it ended with {program.returncode} before it listened")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(POLL_S)
    raise Failed(f"it does not listen {LISTENING_S} s after its start")


def parents():
    """The parent of every process."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
            # The name in parentheses may hold anything; what follows the last one is in order: state, parent.
            found[int(name)] = int(stat.read().rpartition(")")[2].split()[1])
    return found


def below(pid, parent_of):
    """The processes below one, given the parent of every process; children before grandchildren."""
    children = {}
    for child, parent in parent_of.items():
        children.setdefault(parent, []).append(child)
    found, level = [], [pid]
    while level:
        level = [child for parent in level for child in children.get(parent, [])]
        found.extend(level)
    return found


def stop(program):
    """Ends a gateway as a service manager does, then all that is left of it."""
    with contextlib.suppress(ProcessLookupError):
        program.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        program.wait(ENDING_S)
    end_all()


def end_all():
    """Kills every process below this one and waits until none is left, not longer than `ENDING_S`."""
    deadline = time.monotonic() + ENDING_S
    while time.monotonic() < deadline:
        left = below(os.getpid(), parents())
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(POLL_S)


def memory(pid):
    """RSS and PSS of a process in KiB, and its threads; zeroes for one that is gone."""
    found = {"rss": 0, "pss": 0, "threads": 0}
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="utf-8") as status:
        for key, figure in re.findall(r"^(VmRSS|Threads):\s+(\d+)", status.read(), re.M):
            found["rss" if key == "VmRSS" else "threads"] = int(figure)
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as rollup:
        found["pss"] = int(re.search(r"^Pss:\s+(\d+)", rollup.read(), re.M)[1])
    return found


def children_memory(pid):
    """How many processes are below one, and their PSS in KiB together."""
    pids = below(pid, parents())
    return {"children": len(pids), "children_pss": sum(memory(child)["pss"] for child in pids)}

"""What is measured: the cells of a round, mode by mode, in the order in which they are run.

In each cell all gateways come one after the other, each started anew, so that a noisy minute meets all of them and what
one left behind meets none.
"""

import contextlib
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from . import gateways, marks, processes
from .processes import Failed

CLIENTS = (1, 8, 64)
# The bare gateways whose figures over SSE say more than those over HTTP: the one of mcproxy's design, and the least that
# can be done.
TELLING = ("shape-ears-lent", "shape-loop")
SMALL = 100
LARGE = 64 * 1024
SESSIONS = 1000
COST_CLIENTS = (1, 8, 64, 256, 1000)
# How long idle servers and gateways are left alone before their memory is read.
SETTLING_S = 1
# What a program of the load generator may take beyond the seconds that it was told.
GRACE_S = 300
# How often idle sessions come and go beside one caller, so that it is not two moments that are compared.
TURNS = 5
# Starts in one round, and stretches of calls after each of which memory is read.
STARTS = 5
LEGS = 4


@dataclass(frozen=True)
class Task:
    """One measurement of one round: whose, in which cell, and how."""

    cell: str
    gateway: str
    measure: Callable


@dataclass(frozen=True)
class Bench:
    """What every measurement needs: the programs, who takes part, how long."""

    tools: Path
    gateways: list
    seconds: float
    warmup: float

    def echo(self, count, tools=5, *more):
        """So many servers, with so many tools each; no two tools of one name. `more` is for their command lines."""
        return [
            gateways.Server(f"s{number}", [
                str(self.tools / "bench-echo"), "--tools", str(tools), "--first", str(number * tools), *more,
            ])
            for number in range(count)
        ]

    def speaking(self, transport):
        """The gateways that have this transport."""
        return [one for one in self.gateways if transport in one.paths]

    def load(self, *arguments, program="bench-load", environment=None, meanwhile=lambda: None):
        """Runs a program of the load generator; the figures that it prints."""
        command = [str(self.tools / program), *map(str, arguments)]
        told = processes.run(command, self.seconds + self.warmup + GRACE_S, environment, meanwhile)
        return flat(json.loads(told))

    def timing(self):
        """How long, as the load generator takes it."""
        return ["--seconds", self.seconds, "--warmup", self.warmup]


def flat(told):
    """Figures within figures, such as `{"rss": {"before": 1}}`, as `{"rss.before": 1}`."""
    found = {}
    for key, value in told.items():
        found |= {f"{key}.{inner}": one for inner, one in flat(value).items()} if isinstance(value, dict) else {key: value}
    return found


@contextlib.contextmanager
def planned(gateway, transport, servers):
    """What a gateway is to do, with a folder of its own; everything is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="mcproxy-bench-") as folder:
        try:
            yield gateways.Plan(transport, processes.free_port(), servers, Path(folder))
        finally:
            processes.end_all()


@contextlib.contextmanager
def serving(gateway, transport, servers):
    """A gateway that listens, and its process; fails with what it said last if it does not get that far."""
    with planned(gateway, transport, servers) as plan:
        path = plan.folder / "log"
        with path.open("wb") as log:
            program = processes.start(gateway.prepare(plan), log, plan.environment())
            try:
                processes.wait_listening(program, plan.port)
                yield plan, program
            except Failed as failure:
                raise Failed(f"{failure}{last_words(path, program)}") from None
            finally:
                processes.stop(program)


def last_words(path, program):
    """What a gateway that has ended wrote last, to be put behind a reason."""
    if program.poll() is None:
        return ""
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    said = f", its last line: {lines[-1].strip()[:200]}" if lines else ""
    return f" (the gateway ended with {program.returncode}{said})"


def call_gateway(bench, gateway, transport, clients, payload=SMALL, servers=None):
    """One run of calls through a gateway."""
    servers = servers or bench.echo(1)
    tool = gateway.tool(servers[0].name, "t0")
    if transport == "stdio":
        with planned(gateway, transport, servers) as plan:
            return bench.load(
                "calls", "--transport", "stdio", "--clients", clients, *bench.timing(), "--payload", payload,
                "--tool", tool, "--", *gateway.prepare(plan), environment=plan.environment(),
            )
    with serving(gateway, transport, servers) as (plan, program):
        return calls(bench, gateway, plan, program, clients, payload)


def calls(bench, gateway, plan, program, clients, payload=SMALL):
    """One run of calls through a gateway that is there."""
    return bench.load(
        "calls", "--transport", plan.transport, "--url", gateway.url(plan), "--clients", clients, *bench.timing(),
        "--payload", payload, "--tool", gateway.tool(plan.servers[0].name, "t0"), "--pid", program.pid,
    )


def plain_http(bench, *more):
    """An HTTP server with nothing behind it. `more` is for its command line."""
    return gateways.Gateway(
        "limit-http", "HTTP echo", "", bench.tools / "bench-limits", {"http": "/mcp"},
        lambda program, plan: [str(program), "serve", "--port", str(plan.port), *more],
    )


def limit_tasks(bench, cell, clients, payload):
    """What the machine gives without a gateway: a pipe to the server, and plain HTTP; and what a bare gateway does."""
    echo = plain_http(bench)
    yield Task(cell, "limit-pipe", lambda: bench.load(
        "pipe", "--in-flight", clients, *bench.timing(), "--payload", payload, program="bench-limits",
    ))
    yield Task(cell, "limit-http", lambda: call_gateway(bench, echo, "http", clients, payload))
    yield from shape_tasks(bench, cell, marks.SHAPES, lambda one: call_gateway(bench, one, "http", clients, payload))


def shape_tasks(bench, cell, shapes, measured):
    """The same for some of the bare gateways."""
    for key in shapes:
        one = gateways.shape(bench.tools / "bench-limits", key.removeprefix("shape-"))
        yield Task(cell, key, lambda one=one: measured(one))


def calls_mode(bench):
    """Calls per second, latency and CPU over each transport."""
    cells = [(transport, clients, SMALL) for transport in ("http", "sse") for clients in CLIENTS]
    for transport, clients, payload in [*cells, ("http", 1, LARGE), ("http", 8, LARGE), ("stdio", 1, SMALL)]:
        cell = f"calls/{transport}/{clients}/{payload}"
        if transport == "http":
            yield from limit_tasks(bench, cell, clients, payload)
        if transport == "sse":
            yield from shape_tasks(bench, cell, TELLING, lambda one, by=clients: call_gateway(bench, one, "sse", by))
        if transport == "stdio":
            yield Task(cell, "limit-pipe", lambda: bench.load(
                "calls", "--transport", "stdio", "--clients", 1, *bench.timing(), "--payload", SMALL,
                "--tool", "t0", "--", *bench.echo(1)[0].command,
            ))
        for one in bench.speaking(transport):
            yield Task(cell, one.key, lambda one=one, how=(transport, clients, payload): call_gateway(bench, one, *how))


def idle_mode(bench):
    """Memory: with 1 and 10 servers and nobody there; and with a thousand idle sessions."""
    for count in (1, 10):
        for one in bench.gateways:
            if count == 1 or one.several:
                yield Task(f"idle/{count}", one.key, lambda one=one, count=count: idle_memory(bench, one, count))
    for transport in ("http", "sse"):
        yield from shape_tasks(bench, f"sessions/{transport}", TELLING, lambda one, by=transport: (
            idle_sessions(bench, one, by)
        ))
        for one in bench.speaking(transport):
            yield Task(f"sessions/{transport}", one.key, lambda one=one, by=transport: idle_sessions(bench, one, by))


def idle_memory(bench, gateway, count):
    """What a gateway takes that has so many servers and no client."""
    transport = next(iter(gateway.paths))
    with serving(gateway, transport, bench.echo(count)) as (_, program):
        deadline = time.monotonic() + processes.LISTENING_S
        # Who starts servers only for sessions has none now, and is measured as it is.
        while gateway.several and processes.children_memory(program.pid)["children"] < count:
            if time.monotonic() > deadline:
                raise Failed(f"it has not started its {count} servers within {processes.LISTENING_S} s")
            time.sleep(processes.POLL_S)
        time.sleep(SETTLING_S)
        return {**processes.memory(program.pid), **processes.children_memory(program.pid)}


def idle_sessions(bench, gateway, transport):
    """What a thousand idle sessions take, of the gateway's memory and of one caller's time, and how much of it is given
    back; also how many servers there are for them."""
    most = {"children": 0, "children_pss": 0}
    # A peer that starts a server for each session would take minutes for it.
    turns = 1 if gateway.peer else TURNS
    with serving(gateway, transport, bench.echo(1)) as (plan, program):

        def look():
            now = processes.children_memory(program.pid)
            most.update(max((most, now), key=lambda one: one["children"]))

        look()
        return bench.load(
            "idle", "--transport", transport, "--url", gateway.url(plan), "--sessions", SESSIONS, "--turns", turns,
            *bench.timing(),
            "--tool", gateway.tool(plan.servers[0].name, "t0"), "--pid", program.pid, meanwhile=look,
        ) | most


def start_mode(bench):
    """From exec to listening, and to the first list."""
    for one in bench.gateways:
        yield Task("start", one.key, lambda one=one: start_times(bench, one))


def start_times(bench, gateway):
    """Several starts of a gateway with one server."""
    transport = next(iter(gateway.paths))
    with planned(gateway, transport, bench.echo(1)) as plan:
        return bench.load(
            "start", "--transport", transport, "--port", plan.port, "--url", gateway.url(plan), "--expect", 5,
            "--times", STARTS, "--", *gateway.prepare(plan),
            environment=plan.environment(),
        )


def leak_mode(bench):
    """Memory after more and more calls."""
    for one in bench.gateways:
        yield Task("leak", one.key, lambda one=one: leak(bench, one))


def leak(bench, gateway):
    """RSS after each leg of calls, and how many calls there were by then."""
    transport, figures, done = next(iter(gateway.paths)), {}, 0
    with serving(gateway, transport, bench.echo(1)) as (plan, program):
        for leg in range(1, LEGS + 1):
            done += calls(bench, gateway, plan, program, 8)["calls"]
            figures |= {f"calls_{leg}": done, f"rss_{leg}": processes.memory(program.pid)["rss"]}
    return figures


# Lists of 2,000 tools, by what is said of each: as much as real servers say, and 100 bytes.
LISTS = {"list/2000": (), "list/2000/brief": ("--brief",)}


def many_mode(bench):
    """mcproxy with fifty servers and with a thousand sessions; its lists beside those of plain HTTP."""
    for cell, more in LISTS.items():
        plain = plain_http(bench, "--tools", "2000", *more)
        yield Task(cell, plain.key, lambda plain=plain: many_lists(bench, plain, []))
    for one in bench.gateways:
        if one.peer:
            continue
        for cell, more in LISTS.items():
            yield Task(cell, one.key, lambda one=one, more=more: many_lists(bench, one, bench.echo(50, 40, *more)))
        for clients in (8, 64):
            for shape, count, tools in (("1x5", 1, 5), ("50x40", 50, 40)):
                yield Task(f"flat/{shape}/{clients}", one.key, lambda one=one, clients=clients, many=(count, tools): (
                    call_gateway(bench, one, "http", clients, servers=bench.echo(*many))
                ))
        for clients in COST_CLIENTS:
            yield Task(f"cost/{clients}", one.key, lambda one=one, clients=clients: (
                call_gateway(bench, one, "http", clients)
            ))


def many_lists(bench, gateway, servers):
    """Lists of two thousand tools per second."""
    with serving(gateway, "http", servers) as (plan, program):
        return bench.load(
            "list", "--url", gateway.url(plan), "--clients", 8, *bench.timing(), "--expect", 2000, "--pid", program.pid,
        )


MODES = {"calls": calls_mode, "idle": idle_mode, "start": start_mode, "leak": leak_mode, "many": many_mode}
# What moves little from round to round and takes long is measured once.
ONCE = ("leak",)


def measure(task):
    """The figures of a task, or the reason why there are none."""
    try:
        return task.measure()
    except Failed as failure:
        return {"error": str(failure)}
    except (OSError, ValueError, KeyError) as failure:
        return {"error": f"{type(failure).__name__}: {failure}"}

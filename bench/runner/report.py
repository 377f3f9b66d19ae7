"""The document: tables, marks and what a reader has to know, from the results of one run. Pure."""

from html import escape

from . import marks, plot
from .figures import told

LIMITS = {
    "limit-pipe": "*limit: pipe to the server alone*", "limit-http": "*limit: plain HTTP echo*",
    "shape-ears-lent": "*bare gateway: ears-lent*", "shape-pens": "*bare gateway: pens*",
    "shape-queues": "*bare gateway: queues*", "shape-loop": "*bare gateway: loop*", "shape-locked": "*bare gateway: locked*",
}

HEAD = """\
# Benchmarks

This file is written by `make bench`; nothing in it is typed by hand{notes}.

- One run, one machine: the gateway, the load generator and the server behind the gateway share its cores, so what the
  generator takes, the gateway lacks. Ratios within the run, and CPU per call, are what can be compared; the figures
  themselves differ from machine to machine, and on a shared one from minute to minute.
- A figure is the median of {rounds}; least and greatest stand in parentheses. In each round each cell meets all gateways
  one after the other, each of them started anew. A ratio is taken within a round, against the peer that was best in it,
  and its median is told.
- ×8 means 8 clients, each with a session and a connection of its own and one call under way at a time. A call sends a text
  of {small} bytes to a tool of a stdio server that gives it back; every answer is held against what was sent, and a run
  with a wrong, missing or surplus one has failed.
- Limits show what the machine gives without a gateway: lines through a pipe to that server, so many under way at once; and
  an HTTP server with a thread for each connection and nothing behind it. Their CPU is that server's.
- The further limits are bare gateways, which pass messages on and do nothing else: no checks, no sessions, no features.
  `ears-lent` is the one nearest to mcproxy: a thread for each pipe, and one dispatcher that reads and writes all sockets.
  mcproxy has a thread for each connection besides, which sleeps while the dispatcher serves it. In `pens` these threads
  read and the dispatcher writes; in `queues` they do both, and each hand-over is a queue; `loop` is one thread for all
  sockets and pipes; `locked` has no dispatcher, whoever comes with something works under one lock. Beside a mark stands
  what `ears-lent` reached in this run, and the best of them if another was better. A mark that the best misses too cannot
  be had on this machine by leaving features out; one that it reaches is the price of features, or of those threads.
- Gateways are told to log warnings at most (supergateway: nothing), and supergateway to keep sessions over HTTP, for it
  starts a process for each request otherwise. All else is as their authors ship it.
- *Switches*: how often a thread of the gateway left the processor, for each call. *Part given back*: 1 is all; below 0,
  more was held after the sessions than with them. *RSS* and *PSS* are those of the gateway alone, without its servers.
  Figures have three digits.
"""


def document(results, notes):
    """The whole text; `notes`, if there are any, are put at its end as they are."""
    run = results.run
    link = ", but for the [remarks](#remarks) at its end" if notes else ""
    rounds = "one round" if run["rounds"] == 1 else f"{run['rounds']} rounds"
    parts = [HEAD.format(notes=link, rounds=rounds, small=run["payload"]), machine(run)]
    parts += [section(title, body) for title, body in sections(results) if body]
    if notes:
        parts.append(f"## Remarks\n{notes.strip()}\n")
    return "\n".join(parts)


def section(title, body):
    """A heading with what belongs to it."""
    return f"## {title}\n{body}"


def sections(results):
    """Titles and bodies in order; the body is empty where nothing of it was measured."""
    yield "Marks", marks_table(results)
    yield "Calls", calls(results)
    yield "Large payloads", large(results)
    yield "Memory", memory(results)
    yield "Start", start(results)
    yield "Memory after calls", leak(results)
    yield "Many servers, many sessions", many(results)


def table(head, rows):
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def machine(run):
    """Where, when, how, and who."""
    facts = [f"- {key}: {value}" for key, value in run["machine"].items()]
    facts += [f"- date: {run['date']}", f"- command: `{run['command']}`", f"- mcproxy: {run['mcproxy']}"]
    head = ["gateway", "version", "binary", "its commands, in front of a server `ECHO`", "remark"]
    rows = []
    for one in run["gateways"].values():
        size = f"{one['bytes'] / 1024 / 1024:.1f} MiB" if one["bytes"] else "–"
        commands = "<br>".join(f"`{command}`" for command in one["commands"])
        rows.append([one["title"], one["version"], size, commands, one["remark"]])
    missing = "".join(f"\n{line}.\n" for line in run["missing"])
    return section("The run", "\n".join(facts) + "\n\n" + table(head, rows) + missing)


def marks_table(results):
    """What was to be reached."""
    rows = [[mark.wanted, mark.reached, mark.verdict(), mark.floor] for mark in marks.of(results)]
    return table(["mark", "reached", "verdict", "bare gateways in the same run"], rows)


class Cells:
    """Writes cells and collects the reasons why some are empty."""

    def __init__(self, results):
        self.results = results
        self.reasons = {}

    def told(self, cell, gateway, figure, factor=1):
        """The figure, or a reference to the reason why there is none, or a dash where nobody tried."""
        spread = marks.scaled(self.results.spread(cell, gateway, figure), factor)
        errors = self.results.errors(cell, gateway)
        signs = "".join(f"<sup>{self.reasons.setdefault(error, len(self.reasons) + 1)}</sup>" for error in errors)
        if spread is None and errors:
            return f"failed{signs}"
        return told(spread) + signs

    def footnotes(self):
        """Why cells are empty, or rounds missing."""
        return "".join(f"\n<sup>{sign}</sup> {escape(reason, False)}\n" for reason, sign in self.reasons.items())

    def title(self, gateway):
        """How a gateway is called in tables; mcproxy stands out."""
        title = LIMITS.get(gateway) or self.results.run["gateways"][gateway]["title"]
        return f"**{title}**" if gateway == marks.OWN else title


def who(results, cells):
    """Everybody who took part in one of the cells, in the order of the run."""
    return list(dict.fromkeys(gateway for cell in cells for gateway in results.gateways(cell)))


def grid(results, head, columns):
    """A table with a row for each gateway. A column is a triple of cell, figure and factor."""
    cells = Cells(results)
    rows = [
        [cells.title(gateway), *(cells.told(cell, gateway, figure, factor) for cell, figure, factor in columns)]
        for gateway in who(results, [cell for cell, _, _ in columns])
    ]
    return table(head, rows) + cells.footnotes() if rows else ""


def calls(results):
    """Calls over each transport, with the plot."""
    parts = []
    for transport in ("http", "sse"):
        at = {clients: f"calls/{transport}/{clients}/{results.run['payload']}" for clients in plot.CLIENTS}
        parts.append((marks.NAMES[transport], grid(
            results,
            ["", "calls/s ×1", "×8", "×64", "p50 µs ×1", "p50 µs ×64", "p99 µs ×64", "gateway CPU µs/call ×8",
             "its switches/call ×8"],
            [*((cell, "calls_per_second", 1) for cell in at.values()), (at[1], "p50_us", 1), (at[64], "p50_us", 1),
             (at[64], "p99_us", 1), (at[8], "gateway_cpu_us_per_call", 1), (at[8], "gateway_switches_per_call", 1)],
        )))
    cell = f"calls/stdio/1/{results.run['payload']}"
    parts.append((marks.NAMES["stdio"], grid(
        results, ["", "calls/s ×1", "p50 µs", "p99 µs"],
        [(cell, "calls_per_second", 1), (cell, "p50_us", 1), (cell, "p99_us", 1)],
    )))
    tables = "\n".join(f"### {name}\n{body}" for name, body in parts if body)
    return f"![calls per second](benchmarks.svg)\n\n{tables}" if tables else ""


def large(results):
    """64 KiB at 1 and at 8 clients."""
    one, eight = (f"calls/http/{clients}/65536" for clients in (1, 8))
    return grid(
        results, ["64 KiB, Streamable HTTP", "calls/s ×1", "×8", "p50 µs ×1", "p50 µs ×8", "p99 µs ×8",
                  "gateway CPU µs/call ×8"],
        [(one, "calls_per_second", 1), (eight, "calls_per_second", 1), (one, "p50_us", 1),
         *((eight, figure, 1) for figure in ("p50_us", "p99_us", "gateway_cpu_us_per_call"))],
    )


def memory(results):
    """Idle, and with a thousand sessions."""
    mib = 1 / 1024
    idle = grid(
        results,
        ["idle, MiB", "RSS, 1 server", "PSS", "threads", "RSS, 10 servers", "PSS", "threads", "PSS of the 10"],
        [(f"idle/{count}", figure, 1 if figure == "threads" else mib)
         for count in (1, 10) for figure in ("rss", "pss", "threads")] + [("idle/10", "children_pss", mib)],
    )
    sessions = [
        grid(
            results,
            [f"1,000 idle sessions, {marks.NAMES[transport]}", "KiB RSS per session", "KiB PSS", "part given back",
             "threads", "processes below it", "their PSS, MiB", "one caller's p50 µs without them", "beside them",
             "gateway CPU µs/call without them", "beside them"],
            [(f"sessions/{transport}", figure, factor) for figure, factor in (
                ("kib_per_session.rss", 1), ("kib_per_session.pss", 1), ("given_back.rss", 1), ("with.threads", 1),
                ("children", 1), ("children_pss", mib), ("p50_us_before", 1), ("p50_us_with", 1),
                ("gateway_cpu_us_per_call_before", 1), ("gateway_cpu_us_per_call_with", 1))],
        ) for transport in ("http", "sse")
    ]
    kernel = (
        "The kernel keeps 16 KiB more for each thread, which is in none of these figures.\n\n"
        "What one caller alone waits, and what it costs, has two values here: one where the scheduler has the threads "
        "that take turns share a core, and about twice that where it does not. It stays with either for a while, and so "
        "with the limits and the peers. So for mcproxy and the limits the sessions come and go five times in each round, "
        "each time the call is measured without them and beside them, the figure is the median, and the mark is held "
        "against the median of the five ratios.\n"
    )
    return "\n".join(part for part in (idle, *sessions, kernel) if part) if idle else ""


def start(results):
    """From exec on."""
    return grid(
        results, ["with one server", "ms from exec to listening", "ms to the first list of its tools"],
        [("start", "listening_ms.median", 1), ("start", "tools_ms.median", 1)],
    )


def leak(results):
    """Memory after each leg."""
    head, columns = [""], []
    for leg in range(1, 1 + results.run["legs"]):
        head += [f"calls {leg}", "RSS MiB"]
        columns += [("leak", f"calls_{leg}", 1), ("leak", f"rss_{leg}", 1 / 1024)]
    body = grid(results, head, columns)
    return body and body + "\nOne round, and short: `make leak` makes a million calls in ten thousand sessions.\n"


def many(results):
    """Fifty servers, and a thousand sessions."""
    lists = [
        grid(
            results, [f"2,000 tools of 50 servers, {size}, ×8", "lists/s", "p50 µs", "gateway CPU µs/list"],
            [(cell, figure, 1) for figure in ("calls_per_second", "p50_us", "gateway_cpu_us_per_call")],
        ) for cell, size in (("list/2000", "600 bytes each"), ("list/2000/brief", "100 bytes each"))
    ]
    flat = grid(
        results, ["calls/s, Streamable HTTP", "×8, 1 server × 5 tools", "×8, 50 × 40", "×64, 1 × 5", "×64, 50 × 40"],
        [(f"flat/{shape}/{clients}", "calls_per_second", 1) for clients in (8, 64) for shape in ("1x5", "50x40")],
    )
    sizes = (1, 8, 64, 256, 1000)
    cost = [
        grid(results, [f"{name}, by clients", *map(number_of, sizes)], [(f"cost/{size}", figure, 1) for size in sizes])
        for name, figure in (("gateway CPU µs/call", "gateway_cpu_us_per_call"), ("calls/s", "calls_per_second"))
    ]
    return "\n".join(part for part in (*lists, flat, *cost) if part)


def number_of(clients):
    """A head such as ×1,000."""
    return f"×{clients:,}"


def drawing(results):
    """The plot of the calls, without the pipe, which no bar for HTTP can be drawn beside."""
    panels = []
    for transport in ("http", "sse"):
        at = [f"calls/{transport}/{clients}/{results.run['payload']}" for clients in plot.CLIENTS]
        rows = []
        for gateway in who(results, at):
            if gateway == "limit-pipe":
                continue
            title = LIMITS[gateway].strip("*") if gateway in LIMITS else results.run["gateways"][gateway]["title"]
            kind = "limit" if gateway in LIMITS else "peer" if gateway in results.run["peers"] else "own"
            rows.append((title, kind, [results.spread(cell, gateway, "calls_per_second") for cell in at]))
        if rows:
            panels.append((marks.NAMES[transport], rows))
    note = f"{results.run['date']}, {results.run['machine']['processor']}; text of {results.run['payload']} bytes"
    return plot.svg(panels, "Calls per second through each gateway", note) if panels else None

"""Who is measured: how each gateway is started in front of stdio servers, and where it then serves what.

All are as quiet as they can be told to be, since a line of log for each message would be what is measured otherwise;
everything else is as it comes.
"""

import json
import shlex
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from . import processes


@dataclass(frozen=True)
class Server:
    """A stdio server that stands behind a gateway."""

    name: str
    command: list


@dataclass(frozen=True)
class Plan:
    """What a gateway is to do: `folder` is there for its configuration and its state."""

    transport: str
    port: int
    servers: list
    folder: Path

    def environment(self):
        """What is in every gateway's environment: where to keep what outlives it, and how quiet to be."""
        return {"STATE_DIRECTORY": str(self.folder), "RUST_LOG": "warn"}


@dataclass(frozen=True)
class Gateway:
    """One that is measured.

    `paths` has the endpoint of each transport that it speaks, `tool` turns the names of server and tool into the one
    that clients see, `several` says whether it can stand in front of more than one server, `configuration` is the name
    of the file that its command reads, and what makes its text.
    """

    key: str
    title: str
    version: str
    program: Path
    paths: dict
    command: Callable
    configuration: tuple = ()
    tool: Callable = lambda server, tool: tool
    several: bool = False
    peer: bool = True
    remark: str = ""

    def prepare(self, plan):
        """Writes the configuration, if it needs one, and gives the command that starts it."""
        if self.configuration:
            name, text = self.configuration
            (plan.folder / name).write_text(text(plan), encoding="utf-8")
        return self.command(self.program, plan)

    def url(self, plan):
        """Where clients connect."""
        return f"http://127.0.0.1:{plan.port}{self.paths[plan.transport]}"

    def shown(self):
        """Its command as a reader would type it, for each transport that has one of its own."""
        echo = [Server("NAME", ["ECHO"])]
        plans = [Plan(transport, "PORT", echo, Path("FOLDER")) for transport in self.paths]
        lines = [shlex.join(self.command(Path(self.key), plan)) for plan in plans]
        return list(dict.fromkeys(lines))

    def size(self):
        """Bytes of its program, where that is all there is of it; None for what needs an interpreter."""
        with self.program.open("rb") as file:
            return self.program.stat().st_size if file.read(4) == b"\x7fELF" else None


def is_static(program):
    """Whether a program is one that the kernel starts without a loader of shared libraries."""
    with Path(program).open("rb") as file:
        head = file.read(64)
        if head[:5] != b"\x7fELF\x02":
            return False
        # The table of program headers of an ELF file of 64 bits: where it begins, how long an entry is, how many.
        offset, entry, count = struct.unpack_from("=Q", head, 32)[0], *struct.unpack_from("=HH", head, 54)
        file.seek(offset)
        table = file.read(entry * count)
    PT_INTERP = 3
    return all(struct.unpack_from("=I", table, entry * number)[0] != PT_INTERP for number in range(count))


def mcproxy(binary, key="mcproxy", title="mcproxy"):
    """The project's own, at one of its builds."""
    binary = Path(binary).resolve()
    version = processes.run([str(binary), "--version"], 10).split()[-1]
    return Gateway(
        key, title, version, binary, {"http": "/mcp", "sse": "/sse", "stdio": ""}, _mcproxy,
        ("mcp-servers.json", _mcproxy_configuration), lambda server, tool: f"{server}__{tool}", True, False,
    )


def _mcproxy(program, plan):
    way_in = ["stdio"] if plan.transport == "stdio" else ["--port", str(plan.port)]
    return [str(program), *way_in, "--log", "--log-level", "warn", "-c", str(plan.folder / "mcp-servers.json")]


def _mcproxy_configuration(plan):
    servers = [{"name": one.name, "command": one.command[0], "args": one.command[1:]} for one in plan.servers]
    return json.dumps({"servers": servers})


def _rust_mcp_proxy(program, plan):
    return [str(program), "--config", str(plan.folder / "proxy.toml")]


def _rust_mcp_proxy_configuration(plan):
    lines = ["[proxy]", 'name = "bench"', "[proxy.listen]", 'host = "127.0.0.1"', f"port = {plan.port}"]
    lines += ["[observability]", 'log_level = "warn"']
    for one in plan.servers:
        # What JSON writes for a string and for a list of strings is TOML as well.
        lines += ["[[backends]]", f'name = "{one.name}"', 'transport = "stdio"']
        lines += [f"command = {json.dumps(one.command[0])}", f"args = {json.dumps(one.command[1:])}"]
    return "\n".join(lines) + "\n"


def _rmcp_proxy(program, plan):
    return [str(program), "--sse-port", str(plan.port), "--", *plan.servers[0].command]


def _supergateway(program, plan):
    # Without --stateful it starts a process for each request; with it, one for each session.
    output = ["streamableHttp", "--stateful"] if plan.transport == "http" else ["sse"]
    return [
        "node", str(program), "--stdio", shlex.join(plan.servers[0].command), "--port", str(plan.port),
        "--logLevel", "none", "--outputTransport", *output,
    ]


def _pypi_mcp_proxy(program, plan):
    command = [str(program), "--port", str(plan.port), "--log-level", "WARNING"]
    if len(plan.servers) == 1:
        return [*command, "--", *plan.servers[0].command]
    named = [["--named-server", one.name, shlex.join(one.command)] for one in plan.servers]
    return [*command, *(word for words in named for word in words)]


def shape(program, design):
    """A bare gateway of this design: what can be reached without any features, by who has only to pass messages on."""
    return Gateway(
        f"shape-{design}", design, "", program, {"http": "/mcp", "sse": "/sse"},
        lambda program, plan: [
            str(program), "shape", "--design", design, "--port", str(plan.port), "--", *plan.servers[0].command,
        ],
        peer=False,
    )


ONE_PROCESS = "one process of the server for all sessions"

# Folder and program below the cache, title, and the rest of what `Gateway` wants.
PEERS = [
    ("rust-mcp-proxy", "bin/mcp-proxy", "mcp-proxy (Rust)", {
        "paths": {"http": "/"}, "command": _rust_mcp_proxy, "several": True, "remark": ONE_PROCESS,
        "configuration": ("proxy.toml", _rust_mcp_proxy_configuration), "tool": lambda server, tool: f"{server}/{tool}",
    }),
    ("rmcp-proxy", "bin/mcp-proxy", "rmcp-proxy (Rust)", {
        "paths": {"sse": "/sse"}, "command": _rmcp_proxy, "remark": ONE_PROCESS,
    }),
    ("supergateway", "node_modules/supergateway/dist/index.js", "supergateway (Node)", {
        "paths": {"http": "/mcp", "sse": "/sse"}, "command": _supergateway,
        "remark": "HTTP: a process for each session; SSE: one for all, and each answer goes to every session",
    }),
    ("pypi-mcp-proxy", "venv/bin/mcp-proxy", "mcp-proxy (Python)", {
        "paths": {"http": "/mcp", "sse": "/sse"}, "command": _pypi_mcp_proxy, "several": True, "remark": ONE_PROCESS,
    }),
]


def peers(cache):
    """The others that are installed, and a line for each that is not."""
    found, missing = [], []
    for name, program, title, rest in PEERS:
        stamp, path = Path(cache, name, "installed"), Path(cache, name, program)
        if stamp.is_file() and path.exists():
            found.append(Gateway(name, title, stamp.read_text(encoding="utf-8").strip(), path, **rest))
        else:
            missing.append(f"{title} could not be installed and is left out; see .cache/bench/{name}.log")
    return found, missing

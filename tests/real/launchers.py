#!/usr/bin/env python3
"""Servers that a launcher starts, as most people's are: npx (npm's Node, a shell, the server's Node) and uvx (uv, the
server's Python). Whatever ends, the gateway, the launcher or the server, nothing of the tree is left behind.

    launchers.py BINARY CACHE      print a line for each check, and "N passed, N failed"

What is looked at is every process whose environment holds a mark that only that server was given. The gateway is
started and stopped here, for its end is what is tested. Standard library only.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

from bed import poll, processes

# What of the environment a gateway needs.
KEPT = ("PATH", "HOME", "TMPDIR")
PATIENCE_S = 60
# The gateway ends within 3 s, and its servers with it.
STOP_S = 3
# Servers that nobody watches any more end when they see that their stdin has. That is theirs to do.
ORPHANS_S = 10


def launchers(cache):
    """Name, and an entry of the config without the mark. Both work offline, from what setup.sh has fetched."""
    python = f"{cache}/venv/bin/python"
    uv = {"UV_CACHE_DIR": f"{cache}/uv", "UV_OFFLINE": "1", "UV_PYTHON": python, "UV_PYTHON_DOWNLOADS": "never"}
    constraints = os.path.join(os.path.dirname(os.path.abspath(__file__)), "requirements.txt")
    return {
        "npx": {
            "command": "npx", "args": ["-y", "@modelcontextprotocol/server-everything"], "cwd": f"{cache}/node",
            "env": {"npm_config_offline": "true"},
            "tool": ("echo", {"message": "hello"}, "hello"),
        },
        "uvx": {
            "command": f"{cache}/venv/bin/uvx", "args": ["--constraints", constraints, "mcp-server-time"],
            "env": uv,
            "tool": ("convert_time", {"source_timezone": "UTC", "time": "12:34", "target_timezone": "UTC"}, "12:34"),
        },
    }


def wait(what, look, seconds=PATIENCE_S):
    """Asks again and again until there is something; fails after so many seconds."""
    found = poll(seconds, look)
    if not found:
        raise AssertionError(f"waited {seconds} s until {what}")
    return found


class Gateway:
    """One gateway with one server, and the processes of that server."""

    def __init__(self, binary, folder, entry):
        self.mark = f"MCPROXY_LAUNCHED={os.getpid()}-{time.monotonic_ns()}"
        name, value = self.mark.split("=")
        self.tool, server = entry["tool"], {key: entry[key] for key in entry if key != "tool"}
        server |= {"name": "it", "env": server["env"] | {name: value}}
        config, self.log = os.path.join(folder, "config.json"), os.path.join(folder, "log")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"servers": [server]}, file)
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment |= {"XDG_STATE_HOME": folder}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [binary, "--port", "0", "--log", "-c", config],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        line = re.compile(r"listening on (http://\S+?)/mcp")
        self.url = wait("the gateway listens", lambda: line.search(self.text()))[1] + "/mcp"

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def call(self):
        """Calls the server's tool, as a client of the stateless era; the call waits for a server that starts."""
        name, arguments, needle = self.tool
        meta = {"protocolVersion": "2026-07-28", "clientCapabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        params = {"name": f"it__{name}", "arguments": arguments,
                  "_meta": {f"io.modelcontextprotocol/{key}": value for key, value in meta.items()}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
                   "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": params["name"]}
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            text = answer.read().decode()
        assert needle in text and '"error"' not in text, text

    def tree(self):
        """The server's processes, the launcher first."""
        self.call()
        tree = processes(self.mark)
        own = {pid for pid, _ in tree}
        leaders = [pid for pid, _ in tree if parent(pid) not in own]
        assert len(leaders) == 1 and len(tree) > 1, f"no launcher and what it has launched: {tree}"
        return leaders[0], tree

    def assert_gone(self, tree, seconds):
        def left():
            now = dict(processes(self.mark))
            return [(pid, command) for pid, command in tree if now.get(pid) == command]

        try:
            wait("all are gone", lambda: not left(), seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {left()}") from None

    def end(self):
        self.process.kill()
        self.process.wait()
        for pid, _ in processes(self.mark):
            os.kill(pid, signal.SIGKILL)


def parent(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return int(stat.read().rpartition(") ")[2].split()[1])


def a_stop_takes_all_of_it(gateway):
    _, tree = gateway.tree()
    gateway.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert gateway.process.wait(STOP_S) == 0
    took = time.monotonic() - began
    gateway.assert_gone(tree, 0)
    return f"{len(tree)} processes, {took:.2f} s"


def a_killed_launcher_takes_all_of_it_and_the_next_serves(gateway):
    leader, tree = gateway.tree()
    os.kill(leader, signal.SIGKILL)
    gateway.assert_gone(tree, 5)
    # A call that comes before the gateway has noticed fails like those that were under way.
    wait("the gateway has noticed", lambda: "it: was killed by signal 9" in gateway.text())
    again, _ = gateway.tree()
    assert again != leader


def a_killed_server_takes_its_launcher_with_it_and_the_next_serves(gateway):
    _, tree = gateway.tree()
    # The one that has launched nothing is the server itself.
    parents = {parent(pid) for pid, _ in tree}
    server = next(pid for pid, _ in tree if pid not in parents)
    os.kill(server, signal.SIGKILL)
    gateway.assert_gone(tree, 5)
    wait("the gateway has noticed", lambda: "; starting again" in gateway.text())
    gateway.tree()


def all_of_it_ends_by_itself_when_the_gateway_is_killed(gateway):
    _, tree = gateway.tree()
    gateway.process.kill()
    began = time.monotonic()
    gateway.assert_gone(tree, ORPHANS_S)
    return f"after {time.monotonic() - began:.2f} s"


CHECKS = [
    a_stop_takes_all_of_it,
    a_killed_launcher_takes_all_of_it_and_the_next_serves,
    a_killed_server_takes_its_launcher_with_it_and_the_next_serves,
    all_of_it_ends_by_itself_when_the_gateway_is_killed,
]


def main(binary, cache):
    passed = failed = 0
    for launcher, entry in launchers(cache).items():
        for check in CHECKS:
            name = f"{launcher}: {check.__name__.replace('_', ' ')}"
            with tempfile.TemporaryDirectory() as folder:
                gateway = Gateway(binary, folder, entry)
                try:
                    told = check(gateway)
                    passed += 1
                    print(f"ok {name}{f' ({told})' if told else ''}", flush=True)
                except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
                    failed += 1
                    print(f"not ok {name}: {' '.join(str(error).split())}", flush=True)
                    print(gateway.text(), file=sys.stderr)
                finally:
                    gateway.end()
    print(f"{passed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(1 if main(*map(os.path.abspath, sys.argv[1:])) else 0)

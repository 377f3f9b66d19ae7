"""Restarts the gateway under the official Python client (mcp 1.x), which must not notice but for calls under way.

What lives here: the gateway's own start and stop, for that is what is tested, and the checks of one client over it.

    restart.py BINARY

The driver holds the listening socket and hands it to each gateway in turn, as systemd does: whoever connects in
between waits in its queue and is refused by nobody. The config is the gateway's own demo server.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

import anyio
import mcp.types as types
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import McpError
from report import Report, cause

# What of the environment a gateway needs, beside what systemd sets.
KEPT = ("PATH", "HOME", "TMPDIR")
RESTARTS = 3


class Gateways:
    """One gateway after the other, on one socket, with one key and one state folder."""

    def __init__(self, binary, folder):
        self.binary, self.folder, self.process = binary, folder, None
        self.config = os.path.join(folder, "mcp-servers.json")
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump({"servers": [{"name": "demo", "command": binary, "args": ["demo-server"]}]}, file)
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/mcp"

    def start(self):
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment |= {
            "LISTEN_FDS": "1",
            "MCPROXY_SESSION_KEY": "the key of this test, which is long enough",
            "STATE_DIRECTORY": self.folder,
        }
        # Descriptor 3 is where systemd puts it, and the shell knows the pid that the gateway will have.
        place = self.socket.fileno()
        script = f'exec 3<&{place}; LISTEN_PID=$$ exec "$0" -c "$1" --log'
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", script, self.binary, self.config],
                env=environment, pass_fds=[place], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )

    async def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        end = time.monotonic() + 5
        while self.process.poll() is None:
            assert time.monotonic() < end, "the gateway did not end within 5 s"
            await anyio.sleep(0.01)

    async def restart(self, how=signal.SIGTERM):
        await self.stop(how)
        self.start()

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()


class Checks:
    """One client that lives over all restarts."""

    def __init__(self, gateways, session, session_id, changes):
        self.gateways, self.session, self.session_id, self.changes = gateways, session, session_id, changes

    async def add(self, a, b):
        result = await self.session.call_tool("demo__add", {"a": a, "b": b})
        assert not result.isError, result.content
        text = result.content[0].text
        assert str(a + b) in text, text

    async def goes_on(self):
        before = self.session_id()
        for number in range(RESTARTS):
            await self.add(number, 1)
            await self.gateways.restart()
            # No wait: this call finds a gateway that starts, or none yet.
            await self.add(number, 2)
        assert before == self.session_id(), "the client has a new session"

    async def crash(self):
        await self.gateways.restart(signal.SIGKILL)
        await self.add(20, 3)

    async def many(self):
        """Calls come all the time, each soon answered: none is under way for long enough to fail."""
        outcomes = []

        async def caller():
            for number in range(20):
                try:
                    await self.add(number, number)
                    outcomes.append("ok")
                except McpError as error:
                    outcomes.append(str(error))

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(caller)
            await anyio.sleep(0.05)
            await self.gateways.restart()
        failed = [outcome for outcome in outcomes if outcome != "ok"]
        assert not failed, f"{len(failed)} of {len(outcomes)} calls failed: {failed[:5]}"
        await self.add(1, 1)

    async def under_way(self):
        """A call that is under way has an error, at once."""
        errors = []

        async def sleeper():
            try:
                await self.session.call_tool("demo__sleep", {"seconds": 30})
            except McpError as error:
                errors.append(str(error))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sleeper)
            await anyio.sleep(0.5)
            await self.gateways.restart()
            with anyio.fail_after(5):
                while not errors:
                    await anyio.sleep(0.02)
        assert "stopping" in errors[0], errors
        await self.add(2, 2)

    async def looks_anew(self):
        """The stream of the session comes back by itself, and tells to look anew."""
        with anyio.fail_after(20):
            while "notifications/tools/list_changed" not in self.changes:
                await anyio.sleep(0.05)
        tools = await self.session.list_tools()
        assert any(tool.name == "demo__add" for tool in tools.tools)


async def main(options):
    report = Report(f"restart mcp {options.label}".strip())
    with tempfile.TemporaryDirectory() as folder:
        gateways = Gateways(os.path.abspath(options.binary), folder)
        gateways.start()
        changes = []

        async def message(message):
            if isinstance(message, types.ServerNotification):
                changes.append(message.root.method)

        try:
            async with (
                streamable_http_client(gateways.url) as (read, write, session_id),
                ClientSession(read, write, message_handler=message) as session,
            ):
                await session.initialize()
                checks = Checks(gateways, session, session_id, changes)
                await report.check(f"{RESTARTS} restarts go unnoticed", checks.goes_on)
                await report.check("a stream that broke comes back and says to look anew", checks.looks_anew)
                await report.check("calls that come meanwhile are answered", checks.many)
                await report.check("a call that is under way fails at once", checks.under_way)
                await report.check("a crash goes unnoticed, too", checks.crash)
        except Exception as error:  # the client broke: that is what this is about
            report.fail("the client lives over it all", error)
            traceback.print_exception(cause(error))
        if report.failed:
            print(gateways.log(), file=sys.stderr)
        await gateways.stop(signal.SIGKILL)
    report.finish()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--label", default="")
    parser.add_argument("binary")
    anyio.run(main, parser.parse_args())

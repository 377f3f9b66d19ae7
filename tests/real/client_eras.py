"""Drives one MCP endpoint with a Python client that speaks both eras, the official one (mcp 2.x) or fastmcp 4, and says
what held and what did not.

What lives here: the checks, the same ones as in client_eras.mjs and in the same order. Starting and stopping the
gateway never does: that is run.sh's. What only the handshake era has, client_mcp.py looks at.

    client_eras.py [OPTIONS] http|sse URL
    client_eras.py [OPTIONS] stdio COMMAND [ARG…]

    --client C    "mcp" or "fastmcp"
    --mode, --era, --prefix, --label    those of client_eras.mjs
"""

import argparse
import sys
import time

import anyio
import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from report import Report, cause

ASKING = ["trigger-sampling-request", "trigger-elicitation-request"]


class Person:
    """What stands behind one client: it answers the server's questions."""

    def __init__(self, name):
        self.name = name

    def sampled(self, messages):
        content = messages[0].content
        asked = content[0] if isinstance(content, list) else content
        return f"{self.name} was asked: {asked.text}"

    def elicited(self):
        return {"name": f"Ada of {self.name}", "check": True}


class McpClient:
    """The official client, in the few words that the checks use."""

    def __init__(self, options, name):
        person = Person(name)

        async def sample(_context, params):
            content = types.TextContent(text=person.sampled(params.messages))
            return types.CreateMessageResult(role="assistant", model="model-of-the-test", content=content)

        async def elicit(_context, _params):
            return types.ElicitResult(action="accept", content=person.elicited())

        if options.transport == "http":
            server = options.where
        elif options.transport == "sse":
            server = sse_client(options.where)
        else:
            server = stdio_client(StdioServerParameters(command=options.where, args=options.args))
        self.client = Client(server, mode=options.mode, sampling_callback=sample, elicitation_callback=elicit)

    async def call(self, name, arguments, on_progress=None):
        return await self.client.call_tool(name, arguments, progress_callback=on_progress)

    async def tools(self):
        return (await self.client.list_tools()).tools

    async def read(self, uri):
        return (await self.client.read_resource(uri)).contents

    def listen(self):
        return self.client.listen(tools_list_changed=True)


class FastmcpClient:
    """fastmcp's client, in the same words."""

    # It keeps what it hears of list changes to itself.
    listen = None

    def __init__(self, options, name):
        # Here, since it takes most of a second, which the other client need not wait.
        import fastmcp
        from fastmcp.client import transports

        person = Person(name)

        async def sample(messages, _params, _context):
            return person.sampled(messages)

        async def elicit(_message, _response_type, _params, _context):
            return person.elicited()

        if options.transport == "http":
            server = transports.StreamableHttpTransport(options.where)
        elif options.transport == "sse":
            server = transports.SSETransport(options.where)
        else:
            # Without keep_alive the process ends with the client, as with the others.
            server = transports.StdioTransport(options.where, options.args, keep_alive=False)
        self.client = fastmcp.Client(server, mode=options.mode, sampling_handler=sample, elicitation_handler=elicit)

    async def call(self, name, arguments, on_progress=None):
        return await self.client.call_tool_mcp(name, arguments, progress_handler=on_progress)

    async def tools(self):
        return await self.client.list_tools()

    async def read(self, uri):
        return await self.client.read_resource(uri)


def text(result):
    return "\n".join(part.text for part in result.content if part.type == "text")


class Checks:
    """The checks of one endpoint, over one client that lives as long as they do."""

    def __init__(self, options, new_client):
        self.options, self.new_client = options, new_client
        self.me = new_client(options, "first client")

    async def call(self, name, arguments=None, who=None, **more):
        return await (who or self.me).call(self.options.prefix + name, arguments or {}, **more)

    async def era(self):
        version = self.me.client.protocol_version
        era = "stateless" if version >= "2026-07-28" else "handshake"
        assert era == self.options.era, f"negotiated {version}"

    async def lists(self):
        have = [tool.name for tool in await self.me.tools()]
        want = [self.options.prefix + name for name in ["echo", "trigger-long-running-operation", *ASKING]]
        missing = [name for name in want if name not in have]
        assert not missing, f"missing: {missing}; there are: {have}"

    async def echoes(self):
        for message in ["", "two\nlines", "Grüße, 世界, 🦀 and \0", "x" * 200 * 1024]:
            answer = text(await self.call("echo", {"message": message}))
            assert answer == f"Echo: {message}", answer[:200]

    async def progress(self):
        seen = []

        async def note(progress, _total, _message):
            seen.append(progress)

        await self.call("trigger-long-running-operation", {"duration": 0.5, "steps": 5}, on_progress=note)
        assert seen == list(range(1, len(seen) + 1)), f"in order, none twice: {seen}"
        # The client forgets a call's progress handler as soon as its answer is there, so the last one may be missed.
        assert len(seen) >= 4, f"{len(seen)} of 5 progress notifications arrived"

    async def two_clients(self):
        """Both are new, so that both count their ids and progress tokens from the same number."""

        async def one(number):
            who = self.new_client(self.options, f"client {number}")

            async def echo(message):
                answer = text(await self.call("echo", {"message": message}, who))
                assert answer == f"Echo: {message}", answer[:200]

            async with who.client, anyio.create_task_group() as calls:
                for count in range(16):
                    calls.start_soon(echo, f"{number} {count}")

        async with anyio.create_task_group() as clients:
            clients.start_soon(one, 1)
            clients.start_soon(one, 2)

    async def prompts_and_resources(self):
        prompt = await self.me.client.get_prompt(f"{self.options.prefix}args-prompt", {"city": "Tübingen"})
        assert "Tübingen" in prompt.messages[0].content.text, prompt
        uri = "demo://resource/static/document/features.md"
        assert str((await self.me.read(uri))[0].uri) == uri

    async def asked(self, tool, arguments, expected):
        """While a cancelled call of another client still runs on the shared child, the gateway may refuse to say whom
        the child asked, so this tries again for a while."""
        end = time.monotonic() + 12
        while expected not in (last := text(await self.call(tool, arguments))):
            assert time.monotonic() < end, f"{tool} is not answered with {expected}; last answer: {last[:300]}"
            await anyio.sleep(0.05)

    async def sampling(self):
        await self.asked(ASKING[0], {"prompt": "a good name"}, "first client was asked")

    async def elicitation(self):
        await self.asked(ASKING[1], {}, "Ada of first client")

    async def unknown_tool(self):
        try:
            answer = await self.call("no-such-tool")
            said = text(answer) if answer.is_error else "no error"
        except Exception as error:
            said = str(cause(error))
        assert "no-such-tool" in said, said

    async def listening(self):
        async with self.me.listen() as subscription:
            assert subscription.honored.tools_list_changed is True, subscription.honored
            await self.echoes()


async def all_checks(options, report):
    checks = Checks(options, McpClient if options.client == "mcp" else FastmcpClient)
    async with checks.me.client:
        await report.check(f"connect, in the {options.era} era", checks.era)
        await report.check("tools/list", checks.lists)
        await report.check("tools/call echo, from no byte to 200 KiB", checks.echoes)
        await report.check("progress", checks.progress)
        if options.transport != "stdio":
            await report.check("two clients with equal ids", checks.two_clients)
        await report.check("prompts/get and resources/read", checks.prompts_and_resources)
        await report.check("sampling", checks.sampling)
        await report.check("elicitation", checks.elicitation)
        await report.check("an unknown tool", checks.unknown_tool)
        if options.era == "stateless" and checks.me.listen:
            await report.check("subscriptions/listen, and calls beside it", checks.listening)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", choices=["mcp", "fastmcp"], default="mcp")
    parser.add_argument("--mode", default="auto")
    parser.add_argument("--era", choices=["handshake", "stateless"], default="stateless")
    parser.add_argument("--prefix", default="")
    parser.add_argument("--label", default="client")
    parser.add_argument("transport", choices=["http", "sse", "stdio"])
    parser.add_argument("where")
    parser.add_argument("args", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    report = Report(options.label)

    async def run():
        # Around the client and not inside it: these clients hold task groups of their own while they are open.
        try:
            with anyio.fail_after(300):
                await all_checks(options, report)
        except Exception as error:
            report.fail("connect and close", error)
        report.finish()

    anyio.run(run)


if __name__ == "__main__":
    sys.exit(main())

"""Drives one MCP endpoint with the official Python client (mcp 1.x) and says what held and what did not.

What lives here: the checks, the same ones as in client_sdk.mjs and in the same order. Starting and stopping the
gateway never does: that is run.sh's.

    client_mcp.py [OPTIONS] http|sse URL
    client_mcp.py [OPTIONS] stdio COMMAND [ARG…]

The options are those of client_sdk.mjs.
"""

import argparse
import base64
import os
import re
import sys
import time
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio
import httpx
import mcp.types as types
from mcp.client.session import ClientSession
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import McpError
from pydantic import AnyUrl
from report import Report, cause


async def until(what, condition, seconds):
    """Asks `condition` again and again until it says yes; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s until {what}")
        await anyio.sleep(0.05)


async def refused(call, *needles):
    """The error that `call` fails with; it must name each of `needles`."""
    try:
        answer = await call
    except McpError as error:
        for needle in needles:
            assert needle in str(error), f"the error should name {needle}: {error}"
        return error.error
    raise AssertionError(f"should have failed, but answered {str(answer)[:200]}")


def includes_all(have, want):
    missing = [name for name in want if name not in have]
    assert not missing, f"missing: {missing}; there are: {have}"


def text(result):
    return "\n".join(part.text for part in result.content if part.type == "text")


class Person:
    """What stands behind one client: it answers the server's questions and remembers what it was told."""

    def __init__(self, name):
        self.name, self.heard = name, []

    async def sample(self, _context, params):
        asked = params.messages[0].content.text
        content = types.TextContent(type="text", text=f"{self.name} was asked: {asked}")
        return types.CreateMessageResult(role="assistant", model="model-of-the-test", content=content)

    async def elicit(self, _context, _params):
        return types.ElicitResult(action="accept", content={"name": f"Ada of {self.name}", "check": True})

    async def log(self, params):
        self.heard.append(("log", params))

    async def message(self, message):
        if isinstance(message, types.ServerNotification):
            self.heard.append((message.root.method, message.root.params))


class Checks:
    """The checks of one endpoint, over one session that lives as long as they do."""

    def __init__(self, options, session, person, hello, session_id):
        self.options, self.session, self.person, self.hello = options, session, person, hello
        self.session_id = session_id
        self.prefix, self.merged, self.strict = options.prefix, options.prefix != "", options.strict
        self.tools = []

    async def call(self, name, arguments=None, **more):
        return await self.session.call_tool(name, arguments or {}, **more)

    async def everything(self, name, arguments=None, **more):
        return await self.call(self.prefix + name, arguments, **more)

    async def handshake(self):
        given = self.hello.capabilities
        for name in ("tools", "prompts", "resources", "completions", "logging"):
            assert getattr(given, name) is not None, f"the capability {name} is missing"
        assert self.hello.serverInfo.name
        assert self.hello.instructions, "the instructions of server-everything are told on"

    async def pages(self, method, key):
        """Every page of a list. A server that hands out cursors without end is stopped at 100 pages."""
        found, cursor = [], None
        for _ in range(100):
            params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
            result = await method(params=params)
            found += getattr(result, key)
            cursor = result.nextCursor
            if cursor is None:
                return found
        raise AssertionError(f"{key} still have a nextCursor after 100 pages")

    async def lists(self):
        self.tools = [tool.name for tool in await self.pages(self.session.list_tools, "tools")]
        assert len(set(self.tools)) == len(self.tools), "no tool name twice"
        for name in self.tools:
            assert re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name), name
        want = ["echo", "get-sum", "get-tiny-image", "get-structured-content", "trigger-long-running-operation"]
        includes_all(self.tools, [self.prefix + name for name in want])
        if self.merged:
            want = ["filesystem__list_directory", "memory__open_nodes", "time__get_current_time", "git__git_log"]
            includes_all(self.tools, want + ["demo__echo", "demo__add"])

    async def other_lists(self):
        prompts = [prompt.name for prompt in await self.pages(self.session.list_prompts, "prompts")]
        includes_all(prompts, [self.prefix + name for name in ("simple-prompt", "args-prompt", "completable-prompt")])
        uris = [str(resource.uri) for resource in await self.pages(self.session.list_resources, "resources")]
        includes_all(uris, ["demo://resource/static/document/architecture.md"])
        if self.merged:
            includes_all(uris, ["memory://knowledge-graph"])
        templates = await self.pages(self.session.list_resource_templates, "resourceTemplates")
        includes_all([template.uriTemplate for template in templates], ["demo://resource/dynamic/text/{resourceId}"])

    async def ping(self):
        await self.session.send_ping()

    async def echoes(self):
        for message in ("", "two\nlines", "Grüße, 世界, 🦀, \u2028 and \0", '"quotes" and \\back\\slashes', "x" * 204800):
            answer = text(await self.everything("echo", {"message": message}))
            assert answer == f"Echo: {message}", answer[:200]

    async def contents(self):
        assert "42" in text(await self.everything("get-sum", {"a": 2, "b": 40}))
        # The client holds structured content against the output schema of the list by itself.
        weather = await self.everything("get-structured-content", {"location": "Chicago"})
        assert weather.structuredContent["temperature"] == 36
        content = (await self.everything("get-tiny-image")).content
        image = next(part for part in content if part.type == "image")
        assert base64.b64decode(image.data)[1:4] == b"PNG", "a whole PNG arrives"
        links = await self.everything("get-resource-links", {"count": 3})
        assert sum(part.type == "resource_link" for part in links.content) == 3

    async def other_servers(self):
        files, repo = self.options.files, self.options.repo
        assert "hello.txt" in text(await self.call("filesystem__list_directory", {"path": files}))
        read = await self.call("filesystem__read_text_file", {"path": f"{files}/hello.txt"})
        assert text(read) == "hello from a file", text(read)
        assert "Europe/Berlin" in text(await self.call("time__get_current_time", {"timezone": "Europe/Berlin"}))
        assert "the first commit of the test" in text(await self.call("git__git_log", {"repo_path": repo}))
        demo = await self.call("demo__echo", {"text": "hello demo"})
        assert "hello demo" in text(demo), text(demo)
        name = f"{self.options.label} {os.getpid()}"
        entity = {"name": name, "entityType": "test", "observations": ["was here"]}
        await self.call("memory__create_entities", {"entities": [entity]})
        assert "was here" in text(await self.call("memory__open_nodes", {"names": [name]}))
        outside = await self.call("filesystem__read_text_file", {"path": "/etc/hostname"})
        assert outside.isError, "what a tool answers with isError stays a result with isError"

    async def progress(self):
        seen = []

        async def told(progress, total, _message):
            seen.append((progress, total))

        arguments = {"duration": 1, "steps": 5}
        result = await self.everything("trigger-long-running-operation", arguments, progress_callback=told)
        assert "completed" in text(result)
        assert seen == [(i + 1, 5) for i in range(len(seen))], f"in order, none twice: {seen}"
        assert len(seen) >= 4, f"{len(seen)} of 5 progress notifications arrived"

    async def many_at_once(self):
        answers = {}

        async def one(number):
            message = f"{number} {'y' * number * 500}"
            answers[number] = text(await self.everything("echo", {"message": message})) == f"Echo: {message}"

        async with anyio.create_task_group() as group:
            for number in range(32):
                group.start_soon(one, number)
        assert len(answers) == 32 and all(answers.values()), answers

    async def two_sessions(self):
        async def run(session, steps):
            seen = []

            async def told(_progress, total, _message):
                seen.append(total)

            name = f"{self.prefix}trigger-long-running-operation"
            await session.call_tool(name, {"duration": 1, "steps": steps}, progress_callback=told)
            for number in range(8):
                message = f"{steps} {number}"
                answer = await session.call_tool(f"{self.prefix}echo", {"message": message})
                assert text(answer) == f"Echo: {message}", text(answer)
            assert len(seen) >= steps - 1, f"{len(seen)} of {steps} progress notifications arrived"
            assert set(seen) == {steps}, f"progress of another session arrived: {seen}"

        # Both are new, so that both count their ids and progress tokens from 0.
        async with connected(self.options, Person("one")) as first, connected(self.options, Person("two")) as second:
            async with anyio.create_task_group() as group:
                group.start_soon(run, first[0], 4)
                group.start_soon(run, second[0], 7)

    async def prompts(self):
        simple = await self.session.get_prompt(f"{self.prefix}simple-prompt")
        assert simple.messages[0].role == "user"
        weather = await self.session.get_prompt(f"{self.prefix}args-prompt", {"city": "Tübingen", "state": "BW"})
        assert "Tübingen, BW" in weather.messages[0].content.text
        await refused(self.session.get_prompt(f"{self.prefix}no-such-prompt"), "no-such-prompt")

    async def read(self, uri):
        return (await self.session.read_resource(AnyUrl(uri))).contents[0]

    async def resources(self):
        fixed = await self.read("demo://resource/static/document/architecture.md")
        assert str(fixed.uri) == "demo://resource/static/document/architecture.md" and len(fixed.text) > 100
        assert "Resource 7" in (await self.read("demo://resource/dynamic/text/7")).text
        blob = await self.read("demo://resource/dynamic/blob/8")
        assert b"Resource 8" in base64.b64decode(blob.blob)
        await refused(self.read("nothing://is/here"), "nothing://is/here")

    async def completions(self):
        async def complete(ref, argument, context=None):
            answer = await self.session.complete(ref, argument, context_arguments=context)
            return answer.completion.values

        prompt = types.PromptReference(type="ref/prompt", name=f"{self.prefix}completable-prompt")
        assert await complete(prompt, {"name": "department", "value": "E"}) == ["Engineering"]
        name = await complete(prompt, {"name": "name", "value": "A"}, {"department": "Engineering"})
        assert name == ["Alice"], name
        uri = "demo://resource/dynamic/text/{resourceId}"
        template = types.ResourceTemplateReference(type="ref/resource", uri=uri)
        assert await complete(template, {"name": "resourceId", "value": "5"}) == ["5"]

    async def switch_on(self, tool):
        """Switches one of server-everything's two-way switches on; a client that went away may have left it on."""
        if text(await self.everything(tool)).startswith("Stopped"):
            await self.everything(tool)

    async def hears(self, what):
        async def heard():
            return any(what(kind, params) for kind, params in self.person.heard)

        await until("the notification arrives", heard, 12)

    async def logging(self):
        await self.session.set_logging_level("debug")
        await self.switch_on("toggle-simulated-logging")
        await self.hears(lambda kind, _params: kind == "log")
        await self.everything("toggle-simulated-logging")
        await self.session.set_logging_level("emergency")

    async def subscriptions(self):
        uri = "demo://resource/dynamic/text/3"
        await self.session.subscribe_resource(AnyUrl(uri))
        await self.switch_on("toggle-subscriber-updates")
        await self.hears(lambda kind, params: kind == "notifications/resources/updated" and str(params.uri) == uri)
        await self.everything("toggle-subscriber-updates")
        await self.session.unsubscribe_resource(AnyUrl(uri))

    async def asked(self, tool, arguments, expected):
        """A tool that asks the client something. While a cancelled call of another client still runs on the shared
        child, the gateway may refuse to say whom the child asked, so this tries again for a while."""
        if not self.strict and self.prefix + tool not in self.tools:
            return
        last = ""

        async def answered():
            nonlocal last
            last = text(await self.everything(tool, arguments))
            return expected in last

        try:
            await until(f"{tool} is answered with {expected}", answered, 12)
        except AssertionError as error:
            raise AssertionError(f"{error}; last answer: {last[:300]}") from None

    async def sampling(self):
        arguments = {"prompt": "a good name", "maxTokens": 20}
        await self.asked("trigger-sampling-request", arguments, f"{self.person.name} was asked")

    async def elicitation(self):
        await self.asked("trigger-elicitation-request", {}, f"Ada of {self.person.name}")

    async def unknown_tool(self):
        if self.strict:
            error = await refused(self.everything("no-such-tool"), "no-such-tool")
            assert error.code == -32602, error
            return
        # The sdk's own server answers an unknown tool with isError.
        assert "no-such-tool" in text(await self.everything("no-such-tool"))

    async def bad_input(self):
        try:
            wrong = text(await self.everything("get-sum", {"a": "not a number"}))
        except McpError as error:
            wrong = str(error)
        assert re.search("number|invalid", wrong, re.IGNORECASE), wrong
        if self.strict:
            params = types.PaginatedRequestParams(cursor="no-such-cursor")
            assert (await refused(self.session.list_tools(params=params))).code == -32602

    async def cancellation(self):
        """This client tells nobody when its task is cancelled, so the test sends the notification itself."""
        begun = anyio.Event()

        async def told(_progress, _total, _message):
            begun.set()

        async def run():
            arguments = {"duration": 3, "steps": 30}
            try:
                await self.everything("trigger-long-running-operation", arguments, progress_callback=told)
            except McpError:
                pass  # a gateway may answer a cancelled call with an error

        # The session counts its requests; the next one it sends is the call.
        request_id = self.session._request_id
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await begun.wait()
            params = types.CancelledNotificationParams(requestId=request_id, reason="the test has seen enough")
            await self.session.send_notification(types.ClientNotification(types.CancelledNotification(params=params)))
            assert text(await self.everything("echo", {"message": "after"})) == "Echo: after"
            group.cancel_scope.cancel()

    async def timeout(self):
        """A client that gives up by itself; its session goes on."""
        arguments = {"duration": 2, "steps": 2}
        soon = timedelta(milliseconds=200)
        call = self.everything("trigger-long-running-operation", arguments, read_timeout_seconds=soon)
        assert (await refused(call)).code == 408
        assert text(await self.everything("echo", {"message": "after"})) == "Echo: after"


@asynccontextmanager
async def streams(options):
    """The streams of the transport, and a function that tells the session id where there is one."""
    if options.transport == "http":
        async with streamable_http_client(options.where) as (read, write, session_id):
            yield read, write, session_id
    elif options.transport == "sse":
        async with sse_client(options.where) as (read, write):
            yield read, write, lambda: None
    else:
        command = StdioServerParameters(command=options.where, args=options.args)
        async with stdio_client(command) as (read, write):
            yield read, write, lambda: None


@asynccontextmanager
async def connected(options, person):
    """A session that has shaken hands, the answer to its handshake, and the function that tells its id."""
    async with streams(options) as (read, write, session_id):
        async with ClientSession(
            read,
            write,
            sampling_callback=person.sample,
            elicitation_callback=person.elicit,
            logging_callback=person.log,
            message_handler=person.message,
            client_info=types.Implementation(name=person.name, version="1.0.0"),
        ) as session:
            with anyio.fail_after(60):
                hello = await session.initialize()
            yield session, hello, session_id


async def all_checks(options, report, ending):
    """Everything, over one connection. `ending` is told the session id and the moment at which closing began."""
    person = Person("first client")
    async with connected(options, person) as (session, hello, session_id):
        checks = Checks(options, session, person, hello, session_id)
        await report.check("initialize", checks.handshake)
        await report.check("tools/list", checks.lists)
        await report.check("prompts, resources and templates are listed", checks.other_lists)
        await report.check("ping", checks.ping)
        await report.check("tools/call echo, from no byte to 200 KiB", checks.echoes)
        await report.check("tools/call with structured content, an image and links", checks.contents)
        if checks.merged:
            await report.check("tools/call on filesystem, time, git, memory and demo", checks.other_servers)
        await report.check("progress", checks.progress)
        await report.check("32 calls at once", checks.many_at_once)
        if options.transport != "stdio":
            await report.check("two sessions with equal ids and progress tokens", checks.two_sessions)
        await report.check("prompts/get", checks.prompts)
        await report.check("resources/read", checks.resources)
        await report.check("completion/complete", checks.completions)
        await report.check("logging/setLevel and a log notification", checks.logging)
        await report.check("resources/subscribe and an update", checks.subscriptions)
        await report.check("sampling", checks.sampling)
        await report.check("elicitation", checks.elicitation)
        await report.check("an unknown tool", checks.unknown_tool)
        await report.check("wrong arguments, an unknown cursor", checks.bad_input)
        await report.check("cancellation", checks.cancellation)
        await report.check("a call that the client gives up", checks.timeout)
        ending["session_id"], ending["closing_since"] = session_id(), time.monotonic()


async def closed(options, session_id=None, closing_since=None):
    """What is true after the client has closed: its session is gone, its process left when its stdin ended."""
    if options.transport == "http" and options.strict:
        assert re.fullmatch(r"[\x21-\x7e]+", session_id), "a session id of visible ASCII"
        headers = {"accept": "application/json, text/event-stream", "mcp-session-id": session_id}
        async with httpx.AsyncClient() as client:
            message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            answer = await client.post(options.where, json=message, headers=headers)
        assert answer.status_code == 404, f"a session that was deleted is not found, but: {answer.status_code}"
    # The transport sends SIGTERM after two seconds; a gateway whose stdin ended needs no such push.
    if options.transport == "stdio" and options.strict:
        assert time.monotonic() - closing_since < 1.9, "leaves when its stdin ends"


def main():
    parser = argparse.ArgumentParser()
    for name in ("prefix", "files", "repo"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--label", default="mcp")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("transport", choices=["http", "sse", "stdio"])
    parser.add_argument("where")
    parser.add_argument("args", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    report = Report(options.label)

    async def run():
        ending = {}
        try:
            await all_checks(options, report, ending)
        except Exception as error:
            # This client's reader breaks when a message comes while it closes: its own fault, nothing to count.
            if not (ending and isinstance(cause(error), anyio.BrokenResourceError)):
                report.fail("the connection ended", error)
                return
        await report.check("close", lambda: closed(options, **ending))

    anyio.run(run)
    report.finish()


if __name__ == "__main__":
    sys.exit(main())

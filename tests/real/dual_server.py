"""A real server that speaks both eras, written on the official Python SDK (mcp 2.x), with a few tools of
server-everything. The gateway is tried with it as a server whose era it chooses. And the drivers client_eras.mjs and
client_eras.py are held against it without a gateway: a check that fails there is a fault of the driver.

    dual_server.py stdio
    dual_server.py http|sse PORT    (/mcp, /sse)

What lives here: tools. Checks never do.
"""

import sys
from typing import Annotated

import anyio
from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve, Sample
from mcp_types import CreateMessageResult, SamplingMessage, TextContent
from pydantic import BaseModel

server = MCPServer("dual", version="1.0.0", instructions="A server of both eras.")


class Person(BaseModel):
    name: str
    check: bool


async def person() -> Elicit[Person]:
    return Elicit("Who are you?", Person)


async def sampled(prompt: str) -> Sample:
    return Sample([SamplingMessage(role="user", content=TextContent(text=prompt))], max_tokens=20)


@server.tool(structured_output=False)
async def echo(message: str) -> str:
    return f"Echo: {message}"


@server.tool("trigger-long-running-operation", structured_output=False)
async def long_running(duration: float, steps: int, context: Context) -> str:
    for step in range(1, steps + 1):
        await anyio.sleep(duration / steps)
        await context.report_progress(step, steps)
    return "Long running operation completed."


@server.tool("trigger-elicitation-request", structured_output=False)
async def elicits(who: Annotated[Person, Resolve(person)]) -> str:
    return f"Name: {who.name}"


@server.tool("trigger-sampling-request", structured_output=False)
async def samples(prompt: str, answer: Annotated[CreateMessageResult, Resolve(sampled)]) -> str:
    return f"LLM sampling result: {answer.content.text}"


@server.resource("demo://resource/static/document/features.md")
def features() -> str:
    return "# Features"


@server.prompt("args-prompt")
def args_prompt(city: str) -> str:
    return f"What is the weather in {city}?"


if __name__ == "__main__":
    transport, *port = sys.argv[1:] or ["stdio"]
    if transport == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http" if transport == "http" else "sse", port=int(port[0]))

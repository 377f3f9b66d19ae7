// Drives one MCP endpoint with the official TypeScript client 2.x, which speaks both eras, and says what held and what
// did not.
// What lives here: the checks, the same ones as in client_eras.py and in the same order. Starting
// and stopping the gateway never does: that is run.sh's. What only the handshake era has, client_sdk.mjs looks at.
//
//   node client_eras.mjs [OPTIONS] http|sse URL
//   node client_eras.mjs [OPTIONS] stdio COMMAND [ARG…]
//
//   --mode M      how the client finds the era: "legacy" (initialize), "auto" (server/discover, and initialize where that
//                 is refused) or a revision of the stateless era, of which nothing else will do
//   --era E       the era that must come out of it: "handshake" or "stateless"
//   --prefix P    what stands before the names of server-everything ("" or "everything__")
//   --label L     stands before the name of each check
//
// The packages are looked for in $REAL_TESTS_NODE (see setup.sh).
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import assert from "node:assert/strict";
import { Report, until } from "./report.mjs";

const home = process.env.REAL_TESTS_NODE ?? new URL("../../.cache/real/node", import.meta.url).pathname;
const require = createRequire(`${home}/package.json`);
const { Client, SSEClientTransport, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");
const { StdioClientTransport } = require("@modelcontextprotocol/client/stdio");

// A stdio command has options of its own, so ours end at the word that names the transport.
const argv = process.argv.slice(2);
const at = argv.findIndex((word) => ["http", "sse", "stdio"].includes(word));
const { values: options } = parseArgs({
  options: {
    mode: { type: "string", default: "auto" },
    era: { type: "string", default: "stateless" },
    prefix: { type: "string", default: "" },
    label: { type: "string", default: "client" },
  },
  args: at < 0 ? argv : argv.slice(0, at),
});
const [transportName, where, ...commandArgs] = at < 0 ? [] : argv.slice(at);
if (!where) {
  console.error("usage: client_eras.mjs [--mode M] [--era E] [--prefix P] [--label L] http|sse|stdio URL|COMMAND [ARG…]");
  process.exit(2);
}
const stateless = options.era === "stateless";
const report = new Report(options.label);
const check = (name, body) => report.check(name, body);

function newTransport() {
  if (transportName === "http") return new StreamableHTTPClientTransport(new URL(where));
  if (transportName === "sse") return new SSEClientTransport(new URL(where));
  return new StdioClientTransport({ command: where, args: commandArgs, stderr: "inherit" });
}

/** A connected client that answers what it is asked: by requests in one era, by retries in the other. */
async function connect(name) {
  const mode = ["legacy", "auto"].includes(options.mode) ? options.mode : { pin: options.mode };
  const client = new Client({ name, version: "1.0.0" }, {
    capabilities: { sampling: {}, elicitation: { form: {} }, roots: {} },
    versionNegotiation: { mode },
  });
  client.setRequestHandler("roots/list", () => ({ roots: [] }));
  client.setRequestHandler("sampling/createMessage", (request) => ({
    role: "assistant",
    model: "model-of-the-test",
    content: { type: "text", text: `${name} was asked: ${[request.params.messages[0].content].flat()[0].text}` },
  }));
  client.setRequestHandler("elicitation/create", () => ({
    action: "accept",
    content: { name: `Ada of ${name}`, check: true },
  }));
  await client.connect(newTransport());
  return client;
}

const text = (result) => result.content.filter((part) => part.type === "text").map((part) => part.text).join("\n");
const call = (who, name, args = {}, opts = undefined) =>
  who.callTool({ name: options.prefix + name, arguments: args }, opts);

function includesAll(have, want) {
  const missing = want.filter((name) => !have.includes(name));
  assert.deepEqual(missing, [], `missing: ${missing.join(", ")}; there are: ${have.join(", ")}`);
}

let client;
async function connecting() {
  client = await connect("first client");
  const version = client.getNegotiatedProtocolVersion();
  assert.equal(version >= "2026-07-28" ? "stateless" : "handshake", options.era, `negotiated ${version}`);
  includesAll(Object.keys(client.getServerCapabilities()), ["tools", "prompts", "resources"]);
}

async function lists() {
  const tools = (await client.listTools()).tools.map((tool) => tool.name);
  const asking = ["trigger-sampling-request", "trigger-elicitation-request"];
  includesAll(tools, ["echo", "trigger-long-running-operation", ...asking].map((name) => options.prefix + name));
}

async function echoes(who) {
  for (const message of ["", "two\nlines", "Grüße, 世界, 🦀 and \u0000", "x".repeat(200 * 1024)]) {
    assert.equal(text(await call(who, "echo", { message })), `Echo: ${message}`);
  }
}

async function progress() {
  const seen = [];
  const onprogress = (p) => seen.push(p.progress);
  await call(client, "trigger-long-running-operation", { duration: 0.5, steps: 5 }, { onprogress });
  assert.deepEqual(seen, seen.map((_, i) => i + 1), "in order, none twice");
  // The client forgets a call's progress handler as soon as its answer is there, so the last one may be missed.
  assert.ok(seen.length >= 4, `${seen.length} of 5 progress notifications arrived`);
}

async function twoClients() {
  // Both are new, so that both count their ids and progress tokens from the same number.
  const pair = await Promise.all([connect("one"), connect("two")]);
  await Promise.all(pair.map(async (who, i) => {
    const mine = Array.from({ length: 16 }, (_, n) => `${i} ${n}`);
    const echoed = await Promise.all(mine.map((message) => call(who, "echo", { message })));
    assert.deepEqual(echoed.map(text), mine.map((message) => `Echo: ${message}`));
  }));
  await Promise.all(pair.map((who) => who.close()));
}

async function promptsAndResources() {
  const prompt = await client.getPrompt({ name: `${options.prefix}args-prompt`, arguments: { city: "Tübingen" } });
  assert.match(prompt.messages[0].content.text, /Tübingen/);
  const uri = "demo://resource/static/document/features.md";
  assert.equal((await client.readResource({ uri })).contents[0].uri, uri);
}

/** While a cancelled call of another client still runs on the shared child, the gateway may refuse to say whom the
 *  child asked, so this tries again for a while. */
async function asked(tool, args, expected) {
  let last = "";
  await until(`${tool} is answered with ${expected}`, async () => {
    last = text(await call(client, tool, args));
    return last.includes(expected);
  }, 12).catch((error) => { throw new Error(`${error.message}; last answer: ${last.slice(0, 300)}`); });
}

async function unknownTool() {
  const answer = await call(client, "no-such-tool").then(
    (result) => (result.isError ? text(result) : "no error"), (error) => error.message);
  assert.ok(answer.includes("no-such-tool"), answer);
}

async function listening() {
  const subscription = await client.listen({ toolsListChanged: true });
  assert.equal(subscription.honoredFilter.toolsListChanged, true);
  await echoes(client);
  await subscription.close();
  assert.equal(await subscription.closed, "local");
}

await check(`connect, in the ${options.era} era`, connecting);
if (!client) report.finish();
await check("tools/list", lists);
await check("tools/call echo, from no byte to 200 KiB", () => echoes(client));
await check("progress", progress);
if (transportName !== "stdio") await check("two clients with equal ids", twoClients);
await check("prompts/get and resources/read", promptsAndResources);
await check("sampling", () => asked("trigger-sampling-request", { prompt: "a good name" }, "first client was asked"));
await check("elicitation", () => asked("trigger-elicitation-request", {}, "Ada of first client"));
await check("an unknown tool", unknownTool);
if (stateless) await check("subscriptions/listen, and calls beside it", listening);
await check("close", () => client.close());
report.finish();

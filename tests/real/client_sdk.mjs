// Drives one MCP endpoint with the official TypeScript client (sdk 1.x) and says what held and what did not.
// What lives here: the checks, in the order in which a real client would come to do these things. Starting and
// stopping the gateway never does: that is run.sh's.
//
//   node client_sdk.mjs [OPTIONS] http|sse URL
//   node client_sdk.mjs [OPTIONS] stdio COMMAND [ARG…]
//
//   --prefix P    what stands before the names of server-everything ("" or "everything__"). With a prefix the endpoint
//                 is a merged one, and the tools of the other servers are called too
//   --files DIR   the folder that server-filesystem may read; it holds hello.txt with "hello from a file"
//   --repo DIR    the git repository that mcp-server-git may read
//   --strict      ask for all that the gateway promises beyond what server-everything does by itself: sampling and
//                 elicitation are offered, unknown names and cursors are JSON-RPC errors, a deleted session is a 404,
//                 and a stdio process leaves when its stdin ends
//   --label L     stands before the name of each check
//
// The packages are looked for in $REAL_TESTS_NODE (see setup.sh).
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import assert from "node:assert/strict";
import { Report, until, within } from "./report.mjs";

const home = process.env.REAL_TESTS_NODE ?? new URL("../../.cache/real/node", import.meta.url).pathname;
const require = createRequire(`${home}/package.json`);
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
const { SSEClientTransport } = require("@modelcontextprotocol/sdk/client/sse.js");
const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");
const types = require("@modelcontextprotocol/sdk/types.js");

const { values: options, positionals: target } = parseArgs({
  allowPositionals: true,
  options: {
    prefix: { type: "string", default: "" },
    files: { type: "string", default: "" },
    repo: { type: "string", default: "" },
    label: { type: "string", default: "sdk" },
    strict: { type: "boolean", default: false },
  },
  // A stdio command has options of its own, so ours end at the word that names the transport.
  args: optionsBeforeTransport(process.argv.slice(2)),
});

function optionsBeforeTransport(argv) {
  const at = argv.findIndex((word) => ["http", "sse", "stdio"].includes(word));
  return at < 0 ? argv : [...argv.slice(0, at), "--", ...argv.slice(at)];
}

const [transportName, where, ...commandArgs] = target;
if (!where) {
  console.error("usage: client_sdk.mjs [--prefix P] [--files DIR] [--repo DIR] [--strict] http|sse|stdio URL|COMMAND [ARG…]");
  process.exit(2);
}
const { prefix, strict } = options;
const merged = prefix !== "";
const report = new Report(options.label);
const check = (name, body) => report.check(name, body);

function newTransport() {
  if (transportName === "http") return new StreamableHTTPClientTransport(new URL(where));
  if (transportName === "sse") return new SSEClientTransport(new URL(where));
  return new StdioClientTransport({ command: where, args: commandArgs, stderr: "inherit" });
}

/** A connected client that can be asked things, and keeps the notifications it is sent. */
async function connect(name) {
  const client = new Client(
    { name, version: "1.0.0" },
    { capabilities: { sampling: {}, elicitation: {}, roots: { listChanged: true } } },
  );
  client.heard = [];
  client.setNotificationHandler(types.LoggingMessageNotificationSchema, (n) => client.heard.push(n));
  client.setNotificationHandler(types.ResourceUpdatedNotificationSchema, (n) => client.heard.push(n));
  client.setRequestHandler(types.ListRootsRequestSchema, () => ({ roots: [] }));
  client.setRequestHandler(types.CreateMessageRequestSchema, (request) => ({
    role: "assistant",
    model: "model-of-the-test",
    content: { type: "text", text: `${name} was asked: ${request.params.messages[0].content.text}` },
  }));
  client.setRequestHandler(types.ElicitRequestSchema, () => ({
    action: "accept",
    content: { name: `Ada of ${name}`, check: true },
  }));
  const transport = newTransport();
  await client.connect(transport);
  client.transportOfTest = transport;
  return client;
}

/** Every page of a list. A server that hands out cursors without end is stopped at 100 pages. */
async function all(client, method, key) {
  const found = [];
  let cursor;
  for (let page = 0; page < 100; page += 1) {
    const result = await client[method](cursor === undefined ? undefined : { cursor });
    found.push(...result[key]);
    cursor = result.nextCursor;
    if (cursor === undefined) return found;
  }
  throw new Error(`${method} still has a nextCursor after 100 pages`);
}

const text = (result) => result.content.filter((part) => part.type === "text").map((part) => part.text).join("\n");

function includesAll(have, want) {
  const missing = want.filter((name) => !have.includes(name));
  assert.deepEqual(missing, [], `missing: ${missing.join(", ")}; there are: ${have.join(", ")}`);
}

async function rejects(promise, ...needles) {
  const error = await promise.then((result) => {
    throw new assert.AssertionError({ message: `should have failed, but answered ${JSON.stringify(result).slice(0, 200)}` });
  }, (e) => e);
  if (error instanceof assert.AssertionError) throw error;
  for (const needle of needles) assert.ok(error.message.includes(needle), `the error should name ${needle}: ${error.message}`);
  return error;
}

let client;
const call = (name, args = {}, opts = undefined) => client.callTool({ name, arguments: args }, undefined, opts);
const callEverything = (name, args, opts) => call(prefix + name, args, opts);

async function handshake() {
  client = await connect("first client");
  const capabilities = client.getServerCapabilities();
  includesAll(Object.keys(capabilities), ["tools", "prompts", "resources", "completions", "logging"]);
  assert.ok(client.getServerVersion().name, "serverInfo has a name");
  assert.ok(client.getInstructions()?.length > 0, "the instructions of server-everything are told on");
}

let tools = [];
async function lists() {
  tools = (await all(client, "listTools", "tools")).map((tool) => tool.name);
  assert.equal(new Set(tools).size, tools.length, "no tool name twice");
  for (const name of tools) assert.match(name, /^[A-Za-z0-9_.-]{1,64}$/);
  const everything = ["echo", "get-sum", "get-tiny-image", "get-structured-content", "trigger-long-running-operation"];
  includesAll(tools, everything.map((name) => prefix + name));
  if (merged) {
    includesAll(tools, [
      "filesystem__list_directory", "filesystem__read_text_file", "memory__create_entities", "memory__open_nodes",
      "time__get_current_time", "time__convert_time", "git__git_status", "git__git_log", "demo__echo", "demo__add",
    ]);
  }
}

async function otherLists() {
  const prompts = (await all(client, "listPrompts", "prompts")).map((prompt) => prompt.name);
  includesAll(prompts, ["simple-prompt", "args-prompt", "completable-prompt"].map((name) => prefix + name));
  const uris = (await all(client, "listResources", "resources")).map((resource) => resource.uri);
  includesAll(uris, ["demo://resource/static/document/architecture.md"]);
  if (merged) includesAll(uris, ["memory://knowledge-graph"]);
  const templates = (await all(client, "listResourceTemplates", "resourceTemplates")).map((t) => t.uriTemplate);
  includesAll(templates, ["demo://resource/dynamic/text/{resourceId}", "demo://resource/dynamic/blob/{resourceId}"]);
}

async function echoes() {
  const messages = ["", "two\nlines", "Grüße, 世界, 🦀, \u2028 and \u0000", "\"quotes\" and \\back\\slashes", "x".repeat(200 * 1024)];
  for (const message of messages) {
    assert.equal(text(await callEverything("echo", { message })), `Echo: ${message}`);
  }
}

async function contents() {
  assert.match(text(await callEverything("get-sum", { a: 2, b: 40 })), /\b42\b/);
  // The client holds structured content against the output schema of the list by itself.
  const weather = await callEverything("get-structured-content", { location: "Chicago" });
  assert.equal(weather.structuredContent.temperature, 36);
  const image = (await callEverything("get-tiny-image")).content.find((part) => part.type === "image");
  assert.equal(image.mimeType, "image/png");
  assert.ok(Buffer.from(image.data, "base64").subarray(1, 4).equals(Buffer.from("PNG")), "a whole PNG arrives");
  const links = await callEverything("get-resource-links", { count: 3 });
  assert.equal(links.content.filter((part) => part.type === "resource_link").length, 3);
}

async function otherServers() {
  assert.match(text(await call("filesystem__list_directory", { path: options.files })), /hello\.txt/);
  assert.equal(text(await call("filesystem__read_text_file", { path: `${options.files}/hello.txt` })), "hello from a file");
  assert.match(text(await call("time__get_current_time", { timezone: "Europe/Berlin" })), /Europe\/Berlin/);
  assert.match(text(await call("git__git_log", { repo_path: options.repo })), /the first commit of the test/);
  assert.match(text(await call("demo__echo", { text: "hello demo" })), /hello demo/);
  const name = `${options.label} ${process.pid}`;
  await call("memory__create_entities", { entities: [{ name, entityType: "test", observations: ["was here"] }] });
  assert.match(text(await call("memory__open_nodes", { names: [name] })), /was here/);
  const outside = await call("filesystem__read_text_file", { path: "/etc/hostname" });
  assert.ok(outside.isError, "what a tool answers with isError stays a result with isError");
}

async function progress() {
  const seen = [];
  const result = await callEverything("trigger-long-running-operation", { duration: 1, steps: 5 }, {
    onprogress: (p) => seen.push(p),
    resetTimeoutOnProgress: true,
  });
  assert.match(text(result), /completed/);
  assert.deepEqual(seen.map((p) => p.progress), seen.map((_, i) => i + 1), "in order, none twice");
  // The client forgets a call's progress handler as soon as its answer is there, so the last one may be missed.
  assert.ok(seen.length >= 4, `${seen.length} of 5 progress notifications arrived`);
  assert.ok(seen.every((p) => p.total === 5));
}

async function manyAtOnce() {
  const numbers = Array.from({ length: 32 }, (_, i) => i);
  const answers = await Promise.all(numbers.map((i) => callEverything("echo", { message: `${i} ${"y".repeat(i * 500)}` })));
  answers.forEach((answer, i) => assert.equal(text(answer), `Echo: ${i} ${"y".repeat(i * 500)}`));
}

async function twoSessions() {
  // Both are new, so that both count their ids and progress tokens from 0.
  const pair = await Promise.all([connect("one"), connect("two")]);
  const run = async (who, steps) => {
    const seen = [];
    const running = who.callTool(
      { name: `${prefix}trigger-long-running-operation`, arguments: { duration: 1, steps } },
      undefined,
      { onprogress: (p) => seen.push(p.total) },
    );
    const mine = Array.from({ length: 16 }, (_, i) => `${steps} ${i}`);
    const echoed = await Promise.all(
      mine.map((message) => who.callTool({ name: `${prefix}echo`, arguments: { message } })),
    );
    assert.deepEqual(echoed.map(text), mine.map((message) => `Echo: ${message}`));
    await running;
    assert.ok(seen.length >= steps - 1, `${seen.length} of ${steps} progress notifications arrived`);
    assert.ok(seen.every((total) => total === steps), `progress of another session arrived: ${seen}`);
  };
  await Promise.all([run(pair[0], 4), run(pair[1], 7)]);
  await Promise.all(pair.map((who) => who.close()));
}

async function prompts() {
  const simple = await client.getPrompt({ name: `${prefix}simple-prompt` });
  assert.equal(simple.messages[0].role, "user");
  const withArgs = await client.getPrompt({ name: `${prefix}args-prompt`, arguments: { city: "Tübingen", state: "BW" } });
  assert.match(withArgs.messages[0].content.text, /Tübingen, BW/);
  await rejects(client.getPrompt({ name: `${prefix}no-such-prompt` }), "no-such-prompt");
}

async function resources() {
  const read = async (uri) => (await client.readResource({ uri })).contents[0];
  const fixed = await read("demo://resource/static/document/architecture.md");
  assert.equal(fixed.uri, "demo://resource/static/document/architecture.md");
  assert.ok(fixed.text.length > 100);
  assert.match((await read("demo://resource/dynamic/text/7")).text, /Resource 7/);
  assert.match(Buffer.from((await read("demo://resource/dynamic/blob/8")).blob, "base64").toString(), /Resource 8/);
  if (merged) assert.match((await read("memory://knowledge-graph")).uri, /^memory:/);
  await rejects(client.readResource({ uri: "nothing://is/here" }), "nothing://is/here");
}

async function completions() {
  const complete = async (ref, name, value, context) =>
    (await client.complete({ ref, argument: { name, value }, ...(context && { context }) })).completion.values;
  const prompt = { type: "ref/prompt", name: `${prefix}completable-prompt` };
  assert.deepEqual(await complete(prompt, "department", "E"), ["Engineering"]);
  assert.deepEqual(await complete(prompt, "name", "A", { arguments: { department: "Engineering" } }), ["Alice"]);
  const template = { type: "ref/resource", uri: "demo://resource/dynamic/text/{resourceId}" };
  assert.deepEqual(await complete(template, "resourceId", "5"), ["5"]);
}

/** Switches one of server-everything's two-way switches on; it may stand on "on" from a client that went away. */
async function switchOn(tool) {
  const answer = text(await callEverything(tool));
  if (answer.startsWith("Stopped")) await callEverything(tool);
}

async function logging() {
  await client.setLoggingLevel("debug");
  await switchOn("toggle-simulated-logging");
  await until("a log notification arrives", () => client.heard.some((n) => n.method === "notifications/message"), 12);
  await callEverything("toggle-simulated-logging");
  await client.setLoggingLevel("emergency");
}

async function subscriptions() {
  const uri = "demo://resource/dynamic/text/3";
  await client.subscribeResource({ uri });
  await switchOn("toggle-subscriber-updates");
  await until("an update of the resource arrives", () =>
    client.heard.some((n) => n.method === "notifications/resources/updated" && n.params.uri === uri), 12);
  await callEverything("toggle-subscriber-updates");
  await client.unsubscribeResource({ uri });
}

/** A tool that asks the client something, if it is offered. While a cancelled call of another client still runs
 *  on the shared child, the gateway may refuse to say whom the child asked, so this tries again for a while. */
async function asked(tool, args, expected) {
  if (!strict && !tools.includes(prefix + tool)) return;
  let last = "";
  await until(`${tool} is answered with ${expected}`, async () => {
    last = text(await callEverything(tool, args));
    return last.includes(expected);
  }, 12).catch((error) => { throw new Error(`${error.message}; last answer: ${last.slice(0, 300)}`); });
}

async function unknownTool() {
  const asking = callEverything("no-such-tool");
  if (strict) {
    const error = await rejects(asking, "no-such-tool");
    assert.equal(error.code, -32602);
    return;
  }
  // The sdk's own server answers an unknown tool with isError.
  const answer = await asking.then(text, (error) => error.message);
  assert.ok(answer.includes("no-such-tool"), answer);
}

async function badInput() {
  const wrong = await callEverything("get-sum", { a: "not a number" }).then(text, (error) => error.message);
  assert.match(wrong, /number|invalid/i);
  const unknown = await rejects(client.request({ method: "no/such/method" }, types.EmptyResultSchema));
  assert.equal(unknown.code, -32601);
  if (strict) assert.equal((await rejects(client.listTools({ cursor: "no-such-cursor" }))).code, -32602);
}

async function cancellation() {
  const stop = new AbortController();
  const started = Date.now();
  await rejects(callEverything("trigger-long-running-operation", { duration: 3, steps: 30 }, {
    signal: stop.signal,
    onprogress: () => stop.abort("the test has seen enough"),
  }));
  assert.ok(Date.now() - started < 2500, "the call ends when it is cancelled, not when it is done");
  assert.equal(text(await callEverything("echo", { message: "after" })), "Echo: after");
}

async function closing() {
  const transport = client.transportOfTest;
  const started = Date.now();
  if (transportName === "http") {
    const id = transport.sessionId;
    assert.match(id, /^[\x21-\x7e]+$/, "a session id of visible ASCII");
    await transport.terminateSession();
    const answer = await fetch(where, {
      method: "POST",
      headers: {
        "content-type": "application/json", accept: "application/json, text/event-stream",
        "mcp-session-id": id, "mcp-protocol-version": "2025-11-25",
      },
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    });
    await answer.body?.cancel();
    if (strict) assert.equal(answer.status, 404, "a session that was deleted is not found");
  }
  await client.close();
  // The transport sends SIGTERM after two seconds; a gateway whose stdin ended needs no such push.
  if (strict && transportName === "stdio") assert.ok(Date.now() - started < 1900, "leaves when its stdin ends");
}

await check("initialize", () => within(60, handshake()));
if (!client) report.finish();
await check("tools/list", lists);
await check("prompts, resources and templates are listed", otherLists);
await check("ping", () => client.ping());
await check("tools/call echo, from no byte to 200 KiB", echoes);
await check("tools/call with structured content, an image and links", contents);
if (merged) await check("tools/call on filesystem, time, git, memory and demo", otherServers);
await check("progress", progress);
await check("32 calls at once", manyAtOnce);
if (transportName !== "stdio") await check("two sessions with equal ids and progress tokens", twoSessions);
await check("prompts/get", prompts);
await check("resources/read", resources);
await check("completion/complete", completions);
await check("logging/setLevel and a log notification", logging);
await check("resources/subscribe and an update", subscriptions);
await check("sampling", () => asked("trigger-sampling-request", { prompt: "a good name", maxTokens: 20 }, "first client was asked"));
await check("elicitation", () => asked("trigger-elicitation-request", {}, "Ada of first client"));
await check("an unknown tool", unknownTool);
await check("wrong arguments, an unknown method, an unknown cursor", badInput);
await check("cancellation", cancellation);
await check("close", closing);
report.finish();

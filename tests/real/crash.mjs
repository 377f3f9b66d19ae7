// Kills the real server-everything behind the gateway while a call to it is under way, and says whether the session
// of a real client (sdk 1.x) goes on as promised.
//
//   node crash.mjs http|sse URL MARK
//
// URL is a merged endpoint with the servers "everything" and "time"; MARK is in the environment of every server.
import { createRequire } from "node:module";
import { execFileSync } from "node:child_process";
import assert from "node:assert/strict";
import { Report, until } from "./report.mjs";

const home = process.env.REAL_TESTS_NODE ?? new URL("../../.cache/real/node", import.meta.url).pathname;
const require = createRequire(`${home}/package.json`);
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
const { SSEClientTransport } = require("@modelcontextprotocol/sdk/client/sse.js");

const [transportName, url, mark] = process.argv.slice(2);
if (!mark) {
  console.error("usage: crash.mjs http|sse URL MARK");
  process.exit(2);
}
const report = new Report(`crash, ${transportName}`);
const transport = transportName === "http"
  ? new StreamableHTTPClientTransport(new URL(url))
  : new SSEClientTransport(new URL(url));
const client = new Client({ name: "crash", version: "1.0.0" });

const call = (name, args, options) => client.callTool({ name, arguments: args }, undefined, options);
const echo = async (message) => assert.equal((await call("everything__echo", { message })).content[0].text, `Echo: ${message}`);

function everythingPids() {
  const bed = new URL("bed.py", import.meta.url).pathname;
  const lines = execFileSync("python3", [bed, "marked", mark, "server-everything"], { encoding: "utf8" });
  return lines.split("\n").filter(Boolean).map((line) => Number(line.split(" ")[0]));
}

let before = [];
let killedAt = 0;

async function underWay() {
  let ended;
  const failure = await new Promise((resolve, reject) => {
    ended = call("everything__trigger-long-running-operation", { duration: 40, steps: 200 }, {
      onprogress: () => {
        if (killedAt) return;
        killedAt = Date.now();
        before = everythingPids();
        before.forEach((pid) => process.kill(pid, "SIGKILL"));
      },
    });
    ended.then((result) => reject(new Error(`answered ${JSON.stringify(result)}`)), resolve);
  });
  assert.ok(before.length > 0, "the process of server-everything was found");
  assert.ok(Date.now() - killedAt < 5000, `failed only after ${Date.now() - killedAt} ms`);
  assert.match(failure.message, /everything/, `the error names the server: ${failure.message}`);
}

const sessionId = () => transport.sessionId;

await report.check("connect and call", async () => {
  await client.connect(transport);
  await echo("before");
});
const session = sessionId();
await report.check("the call under way fails at once, with an error that names the server", underWay);
await report.check("the other servers go on meanwhile", async () => {
  const answer = await call("time__get_current_time", { timezone: "Europe/Berlin" });
  assert.match(answer.content[0].text, /Europe\/Berlin/);
});
await report.check("calls work again on the same session within 15 s", async () => {
  await until("server-everything answers again", async () => {
    await echo("after");
    return true;
  }, 15);
  assert.equal(sessionId(), session);
  const now = everythingPids();
  assert.ok(now.length > 0 && now.every((pid) => !before.includes(pid)), "a new process answers");
});
await report.check("progress arrives from the new process", async () => {
  let seen = 0;
  await call("everything__trigger-long-running-operation", { duration: 0.5, steps: 5 }, { onprogress: () => { seen += 1; } });
  assert.ok(seen >= 4, `${seen} of 5 progress notifications arrived`);
});
await report.check("the tools of all servers are still listed", async () => {
  const names = (await client.listTools()).tools.map((tool) => tool.name);
  for (const name of ["everything__echo", "time__get_current_time"]) assert.ok(names.includes(name), `${name} is missing`);
});
await client.close();
report.finish();

// Streamable HTTP with the official TypeScript clients, in every way they settle the protocol. One server for all of
// them, as it is with many clients.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { CLIENTS } from "./clients.mjs";
import { startServer } from "./http_server.mjs";

const LIMIT = { timeout: 60_000 };
let server;
before(async () => (server = await startServer()));
after(() => server.end());

async function run(client, code, more = {}) {
  const result = await client.callTool("run_python", { code, ...more });
  assert.ok(result.structuredContent, JSON.stringify(result));
  return result.structuredContent;
}

for (const { name, version, connect } of CLIENTS) {
  describe(`${name}, over HTTP`, { concurrency: false }, () => {
    const check = (title, body, answer = undefined) =>
      test(title, LIMIT, async () => {
        const client = await connect({ url: server.url }, answer);
        try {
          await body(client);
        } finally {
          await client.close();
        }
      });
    const session = `typescript-${name.replaceAll(/[^a-z0-9]+/g, "-")}`;

    check("agrees with the server on a revision, and lists what there is", async (client) => {
      assert.equal(client.version(), version);
      const { tools } = await client.listTools();
      assert.equal(tools[0].name, "run_python");
      assert.ok((await client.listPrompts()).prompts.length > 0);
    });

    check("finds its names again on the next call", async (client) => {
      await client.listTools(); // from here on a modern client mirrors the session's name into a header
      await run(client, "def twice(x):\n    return 2 * x", { session });
      assert.equal((await run(client, "twice(21)", { session })).result, "42");
    });

    check("has the session of its last connection", async (client) => {
      assert.equal((await run(client, "twice(4)", { session })).result, "8");
    });

    check("is told progress while it waits", async (client) => {
      const told = [];
      const result = await client.callTool(
        "run_python", { code: "import time\nfor n in range(8):\n    print(n, flush=True); time.sleep(0.3)", session },
        { onprogress: (progress) => told.push(progress.progress) });
      assert.equal(result.structuredContent.status, "completed");
      assert.ok(told.length > 0);
    });

    check("cancels a call by its signal, and the session lives on", async (client) => {
      const stop = new AbortController();
      const call = client.callTool("run_python", { code: "while True: pass", session }, { signal: stop.signal });
      setTimeout(() => stop.abort("enough"), 300);
      await assert.rejects(call);
      assert.equal((await run(client, "twice(5)", { session, timeout: 50 })).result, "10");
    });

    check("reads what a cell has printed by its link", async (client) => {
      const result = await client.callTool("run_python", { code: "print('x' * 200_000)", session });
      const link = result.content.find((block) => block.type === "resource_link");
      let text = "";
      for (let next = link.uri; next; ) {
        const [content] = (await client.readResource(next)).contents;
        text += content.text;
        next = content._meta?.nextUri;
      }
      assert.equal(text, `${"x".repeat(200_000)}\n`);
    });

    check("answers what code asks", async (client) => {
      const code = "from mcp_runtime import ask\nask('Which colour?')";
      const answer = await run(client, code, { session, timeout: 50 });
      assert.equal(answer.result, "'blue'", JSON.stringify(answer));
    }, ({ requestedSchema }) => ({
      action: "accept",
      content: Object.fromEntries(Object.keys(requestedSchema.properties).map((key) => [key, "blue"])),
    }));
  });
}

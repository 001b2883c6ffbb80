// The main job through the official TypeScript clients, in every way they settle the protocol.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { CLIENTS } from "./clients.mjs";

const TOOLS = ["run_python", "list_sessions", "inspect_session", "interrupt_session", "reset_session", "close_session"];
const FOREVER = "while True:\n    pass";
const LIMIT = { timeout: 60_000 };

const textOf = (result) => result.content.filter((block) => block.type === "text").map((block) => block.text).join("\n");

async function run(client, code, more = {}) {
  const result = await client.callTool("run_python", { code, ...more });
  assert.ok(result.structuredContent, JSON.stringify(result));
  assert.equal(Boolean(result.isError), result.structuredContent.status !== "completed", JSON.stringify(result));
  return result.structuredContent;
}

async function readAll(client, uri) {
  let text = "";
  for (let next = uri; next; ) {
    const [content] = (await client.readResource(next)).contents;
    text += content.text;
    next = content._meta?.nextUri;
  }
  return text;
}

for (const { name, version, connect } of CLIENTS) {
  describe(name, { concurrency: false }, () => {
    const check = (title, body) =>
      test(title, LIMIT, async () => {
        const client = await connect();
        try {
          await body(client);
        } finally {
          await client.close();
        }
      });

    check("agrees with the server on a revision", async (client) => {
      assert.equal(client.version(), version);
      assert.equal(client.serverName(), "pyember");
    });

    check("sees every tool with its schemas and annotations", async (client) => {
      const { tools } = await client.listTools();
      // Then come those of scripts and jobs.
      assert.deepEqual(tools.map((tool) => tool.name).slice(0, TOOLS.length), TOOLS);
      for (const tool of tools) {
        assert.ok(tool.description);
        assert.equal(tool.inputSchema.type, "object");
        assert.ok(tool.outputSchema);
        assert.ok(tool.annotations);
      }
    });

    check("finds its names again on the next call", async (client) => {
      await client.listTools(); // from here on the client checks results against the output schemas
      assert.equal((await run(client, "def twice(x):\n    return 2 * x\nprint('defined')")).stdout, "defined\n");
      assert.equal((await run(client, "twice(21)")).result, "42");
    });

    check("gets an exception with its traceback", async (client) => {
      const answer = await run(client, "def f():\n    raise ValueError('no good')\nf()");
      assert.equal(answer.status, "raised");
      assert.equal(answer.error.type, "ValueError");
      assert.equal(answer.error.message, "no good");
      assert.match(answer.error.traceback, /raise ValueError\('no good'\)/);
    });

    check("keeps the session after a timeout", async (client) => {
      await run(client, "kept = 'here'");
      assert.equal((await run(client, FOREVER, { timeout: 0.3 })).status, "timed_out");
      assert.equal((await run(client, "kept")).result, "'here'");
    });

    check("keeps the session after a cancelled call", async (client) => {
      await run(client, "kept = 'here'");
      const abort = new AbortController();
      const cancelled = client.callTool("run_python", { code: FOREVER, timeout: 600 }, { signal: abort.signal });
      await sleep(300);
      abort.abort("changed my mind");
      await assert.rejects(cancelled);
      assert.equal((await run(client, "kept")).result, "'here'");
    });

    check("hears of output while it is printed", async (client) => {
      const told = [];
      const code = "import time\nfor n in range(3):\n    print('line', n)\n    time.sleep(0.4)";
      const result = await client.callTool("run_python", { code }, { onprogress: (note) => told.push({ at: Date.now(), ...note }) });
      const ended = Date.now();
      assert.equal(result.structuredContent.stdout, "line 0\nline 1\nline 2\n");
      const first = told.find((note) => note.message?.includes("line 0"));
      assert.ok(first, JSON.stringify(told));
      assert.ok(first.at < ended - 400);
      told.slice(1).forEach((note, index) => assert.ok(note.progress > told[index].progress));
    });

    check("reads every byte of long output through its link", async (client) => {
      const lines = 40_000;
      const result = await client.callTool("run_python", { code: `for n in range(${lines}): print('line', n)` });
      assert.ok(result.structuredContent.stdout.length < 25_000);
      const link = result.content.find((block) => block.type === "resource_link");
      const expected = Array.from({ length: lines }, (_, n) => `line ${n}\n`).join("");
      assert.equal(await readAll(client, link.uri), expected);
    });

    check("is not delayed by a slow cell in another session", async (client) => {
      await run(client, "pass", { session: "quick" });
      let slowIsDone = false;
      const slow = run(client, "import time; time.sleep(3)", { session: "slow" }).then(() => (slowIsDone = true));
      for (let n = 0; n < 20; n++) assert.equal((await run(client, `${n}`, { session: "quick" })).result, `${n}`);
      assert.equal(slowIsDone, false);
      await slow;
    });

    check("watches a background cell", async (client) => {
      const code = "import time\nprint('begun', flush=True)\ntime.sleep(2)\nfinished = True";
      await run(client, "pass", { session: "back" });
      const began = Date.now();
      const started = await client.callTool("run_python", { code, session: "back", background: true });
      assert.ok(!started.isError, JSON.stringify(started));
      assert.ok(Date.now() - began < 1500);
      for (;;) {
        const seen = await client.callTool("inspect_session", { session: "back" });
        if (seen.structuredContent.running?.stdout.includes("begun")) break;
        await sleep(20);
      }
      assert.equal((await run(client, "finished", { session: "back" })).result, "True");
    });

    check("lists, inspects, interrupts, resets and closes sessions", async (client) => {
      await run(client, "numbers = [1, 2, 3]", { session: "work" });
      const listed = await client.callTool("list_sessions", {});
      assert.deepEqual(listed.structuredContent.sessions.map((entry) => entry.session), ["work"]);
      const inspected = await client.callTool("inspect_session", { session: "work" });
      assert.equal(inspected.structuredContent.names.find((entry) => entry.name === "numbers").type, "list");
      const endless = run(client, FOREVER, { session: "work", timeout: 600 });
      await sleep(300);
      assert.ok(!(await client.callTool("interrupt_session", { session: "work" })).isError);
      assert.equal((await endless).status, "interrupted");
      assert.ok(!(await client.callTool("reset_session", { session: "work" })).isError);
      assert.equal((await run(client, "numbers", { session: "work" })).error.type, "NameError");
      assert.ok(!(await client.callTool("close_session", { session: "work" })).isError);
      assert.deepEqual((await client.callTool("list_sessions", {})).structuredContent.sessions, []);
    });

    check("gets an error with advice for a session that does not exist", async (client) => {
      const result = await client.callTool("inspect_session", { session: "nobody" });
      assert.ok(result.isError);
      assert.match(textOf(result), /nobody/);
    });

    check("gets a protocol error for an unknown tool", async (client) => {
      await assert.rejects(client.callTool("run_pyhton", { code: "1" }), (error) => error.code === -32602);
    });
  });
}

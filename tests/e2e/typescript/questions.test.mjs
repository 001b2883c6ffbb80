// Questions to the person behind a client, with the official TypeScript clients in both eras: a call of an upstream that
// the policy wants to be asked about.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";

import { CLIENTS } from "./clients.mjs";

const FOLDER = mkdtempSync(join(tmpdir(), "pyember-questions-"));
after(() => rmSync(FOLDER, { recursive: true, force: true }));
const UPSTREAM = new URL("../../upstream/notes_server.py", import.meta.url).pathname;
const PYTHON = process.env.PYEMBER_TEST_PYTHON ?? new URL("../../../.dev/python/bin/python", import.meta.url).pathname;

const SCHEMA = { type: "object" };
writeFileSync(join(FOLDER, "tools.json"), JSON.stringify([
  { name: "create", description: "Creates a note.", inputSchema: { type: "object", properties: { title: { type: "string" } } } },
  { name: "get", inputSchema: SCHEMA, annotations: { readOnlyHint: true } },
]));
writeFileSync(join(FOLDER, "servers.json"),
  JSON.stringify({ mcpServers: { notes: { command: PYTHON, args: [UPSTREAM, FOLDER] } } }));
writeFileSync(join(FOLDER, "policy.json"), JSON.stringify({ default: "ask-writes" }));
const SERVER = {
  args: ["serve", "--isolation", "inprocess", "--upstreams", join(FOLDER, "servers.json"), "--upstream-policy",
    join(FOLDER, "policy.json")],
  env: { PYEMBER_STATE_DIR: join(FOLDER, "state"), PYTHON_MCP_META: join(FOLDER, "jobs") },
};

const CODE = `
from mcp import mcp_notes
from mcp.runtime import MCPError
try:
    print(await mcp_notes.create(title="a"))
except MCPError as error:
    print(error.kind)
`;

function calls() {
  const path = join(FOLDER, "calls.jsonl");
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean).length : 0;
}

for (const each of CLIENTS) {
  describe(each.name, () => {
    for (const [action, printed, made] of [["accept", "create done\n", 1], ["decline", "denied\n", 0]]) {
      test(`a person who answers ${action}`, { timeout: 60_000 }, async () => {
        const asked = [];
        const answer = (params) => {
          asked.push(params.message);
          return action === "accept" ? { action, content: { all: false } } : { action };
        };
        const before = calls();
        const client = await each.connect(SERVER, answer);
        try {
          const result = await client.callTool("run_python", { code: CODE, timeout: 50 });
          assert.equal(result.structuredContent.stdout, printed, JSON.stringify(result));
          assert.equal(asked.length, 1);
          assert.match(asked[0], /create of 'notes'.*\{"title":"a"\}/);
          assert.equal(calls() - before, made);
        } finally {
          await client.close();
        }
      });
    }

    test("without the capability the call is refused", { timeout: 60_000 }, async () => {
      const before = calls();
      const client = await each.connect(SERVER);
      try {
        const result = await client.callTool("run_python", { code: CODE, timeout: 50 });
        assert.equal(result.structuredContent.stdout, "denied\n", JSON.stringify(result));
        assert.equal(calls(), before);
      } finally {
        await client.close();
      }
    });

    test("code asks, and the person answers", { timeout: 60_000 }, async () => {
      const asked = [];
      const answer = (params) => {
        asked.push(params.message);
        return { action: "accept", content: { answer: "Ada" } };
      };
      const client = await each.connect(SERVER, answer);
      try {
        const code = 'name = mcp_runtime.ask("Who are you?")\nline = input("And? ")\nname, line';
        const result = await client.callTool("run_python", { code, timeout: 50 });
        assert.equal(result.structuredContent.result, "('Ada', 'Ada')", JSON.stringify(result));
        assert.equal(result.structuredContent.stdout, "And? Ada\n");
        assert.deepEqual(asked, [
          "Python code in session 'main' asks: Who are you?",
          "Python code in session 'main' asks: And?",
        ]);
      } finally {
        await client.close();
      }
    });

    test("code is told that nobody can be asked", { timeout: 60_000 }, async () => {
      const client = await each.connect(SERVER);
      try {
        const result = await client.callTool("run_python", { code: 'mcp_runtime.ask("?")' });
        assert.match(result.structuredContent.error.message, /shows no questions/);
      } finally {
        await client.close();
      }
    });
  });
}

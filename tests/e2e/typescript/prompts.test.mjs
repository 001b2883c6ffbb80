// Prompts and completion, with the official TypeScript clients in both eras.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";

import { CLIENTS } from "./clients.mjs";

const FOLDER = mkdtempSync(join(tmpdir(), "pyember-prompts-"));
after(() => rmSync(FOLDER, { recursive: true, force: true }));
mkdirSync(join(FOLDER, "scripts"));
writeFileSync(join(FOLDER, "scripts", "report.py"), "print('report')\n");
const SERVER = {
  args: ["serve", "--isolation", "inprocess", "--project-root", FOLDER],
  env: { PATH: process.env.PATH, PYTHON_MCP_META: join(FOLDER, "meta"), PYEMBER_STATE_DIR: join(FOLDER, "state") },
};

for (const each of CLIENTS) {
  describe(each.name, () => {
    test("prompts are listed, filled in, and their arguments completed", { timeout: 60_000 }, async () => {
      const client = await each.connect(SERVER);
      try {
        assert.deepEqual(client.capabilities().completions, {});
        const { prompts } = await client.listPrompts();
        assert.deepEqual(prompts.map((prompt) => prompt.name),
          ["compare_scripts", "connect_tools", "explore_data", "keep_work", "look_into_job", "profile_script"]);
        assert.equal(prompts[2].arguments[0].required, true);

        const got = await client.getPrompt("profile_script", { script: "report.py", python_version: "3.13" });
        assert.match(got.messages[0].content.text, /script_path=".*scripts\/report\.py", python_version="3\.13"/);
        await assert.rejects(client.getPrompt("profile_script", {}), /needs its argument 'script'/);
        await assert.rejects(client.getPrompt("nobody", {}), /no prompt 'nobody'/);

        await client.callTool("run_python", { code: "1", session: "analysis" });
        const complete = async (ref, name, value) => (await client.complete(ref, { name, value })).completion.values;
        const prompt = (name) => ({ type: "ref/prompt", name });
        assert.deepEqual(await complete(prompt("explore_data"), "session", "ana"), ["analysis"]);
        assert.deepEqual(await complete(prompt("profile_script"), "script", "rep"), ["report.py"]);
        assert.deepEqual(await complete(prompt("profile_script"), "python_version", "3.13"), ["3.13"]);
        const output = { type: "ref/resource", uri: "session-output://{session}/{cell}/{stream}{?offset,limit}" };
        assert.deepEqual(await complete(output, "session", "a"), ["analysis"]);
        await assert.rejects(complete(prompt("nobody"), "session", ""), /no prompt 'nobody'/);
      } finally {
        await client.close();
      }
    });

    test("a background job is completed by its id, and its output is attached", { timeout: 60_000 }, async () => {
      const client = await each.connect(SERVER);
      try {
        const started = await client.callTool("run_script_in_dir_async",
          { directory: FOLDER, script_content: "print('begun'); raise SystemExit(4)", use_uv: false });
        const id = started.structuredContent.job_id;
        for (let over = false; !over;) {
          const { job } = (await client.callTool("py_job_status", { job_id: id })).structuredContent;
          over = job.completed_at !== null;
        }
        const ids = (await client.complete({ type: "ref/prompt", name: "look_into_job" }, { name: "job_id", value: id.slice(0, 8) }))
          .completion.values;
        assert.deepEqual(ids, [id]);
        const { messages } = await client.getPrompt("look_into_job", { job_id: id });
        assert.match(messages[0].content.text, /which is completed/);
        assert.equal(messages[1].content.resource.uri, `job-stream://${id}`);
        assert.match(messages[1].content.resource.text, /begun/);
        await assert.rejects(client.getPrompt("look_into_job", { job_id: "none" }), /there is no job none/);
      } finally {
        await client.close();
      }
    });
  });
}

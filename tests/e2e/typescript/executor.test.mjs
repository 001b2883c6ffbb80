// Scripts and jobs through the official TypeScript clients, in every way they settle the protocol.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { CLIENTS } from "./clients.mjs";

const LIMIT = { timeout: 60_000 };

const STEPS = `
import pathlib, time
for step in range(3):
    print('step', step, flush=True)
    while not pathlib.Path(f'go{step}').exists(): time.sleep(0.02)
`;

const textOf = (result) => result.content.filter((block) => block.type === "text").map((block) => block.text).join("\n");

// Folders of their own for the server, so that nothing of the person who runs the tests is touched.
function makeWorld() {
  const root = mkdtempSync(join(tmpdir(), "pyember-executor-"));
  const [home, project, work] = ["home", "project", "work"].map((name) => join(root, name));
  for (const folder of [home, project, work]) mkdirSync(folder);
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("XDG_"));
  const env = { ...Object.fromEntries(kept), HOME: home, PYTHON_MCP_HOME: project };
  return { root, work, server: { args: ["serve", "--profile", "scripts"], env, cwd: work } };
}

async function call(client, name, parameters) {
  const result = await client.callTool(name, parameters);
  assert.ok(!result.isError, textOf(result));
  assert.ok(result.structuredContent, JSON.stringify(result));
  return result.structuredContent;
}

async function until(holds, what) {
  for (let turn = 0; turn < 2000; turn++) {
    if (await holds()) return;
    await sleep(10);
  }
  assert.fail(`${what}: did not come about`);
}

for (const { name, connect } of CLIENTS) {
  describe(`scripts and jobs, ${name}`, { concurrency: false }, () => {
    const check = (title, body) =>
      test(title, LIMIT, async () => {
        const world = makeWorld();
        const client = await connect(world.server);
        try {
          await body(client, world);
        } finally {
          await client.close();
          rmSync(world.root, { recursive: true, force: true, maxRetries: 5 });
        }
      });

    check("runs a script and answers in markdown and in fields", async (client, { work }) => {
      const result = await client.callTool("run_script_in_dir", {
        directory: work, script_content: "import os\nprint(os.environ['MINE'])", use_uv: false, env_vars: { MINE: "yes" },
      });
      assert.equal(result.structuredContent.stdout, "yes\n");
      assert.equal(result.structuredContent.exit_code, 0);
      assert.match(textOf(result), /^## .*exit 0/);
    });

    check("answers a script that fails with a result, and a bad call with an error", async (client, { work }) => {
      const failed = await call(client, "run_script_in_dir", { directory: work, script_content: "raise SystemExit(3)", use_uv: false });
      assert.equal(failed.exit_code, 3);
      const refused = await client.callTool("run_script_in_dir", { directory: work, use_uv: false });
      assert.equal(refused.isError, true);
      assert.match(textOf(refused), /exactly one/);
    });

    check("tells who follows a job's stream of each new output", async (client, { work }) => {
      const started = await call(client, "run_script_in_dir_async", { directory: work, script_content: STEPS, use_uv: false });
      const uri = `job-stream://${started.job_id}`;
      const updates = [];
      await client.followResource(uri, (updated) => updates.push(updated));
      for (let step = 0; step < 3; step++) {
        const seen = updates.length;
        writeFileSync(join(work, `go${step}`), "");
        await until(() => updates.length > seen, `an update after step ${step}`);
      }
      assert.deepEqual([...new Set(updates)], [uri]);
      await until(async () => (await call(client, "py_job_status", { job_id: started.job_id })).job.status === "completed", "the end of the job");
      const [content] = (await client.readResource(uri)).contents;
      assert.equal(content.text, "---STDOUT---\nstep 0\nstep 1\nstep 2\n\n---STDERR---\n");
    });
  });
}

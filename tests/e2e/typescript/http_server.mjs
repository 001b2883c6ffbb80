// A pyember that serves HTTP, for tests.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { BINARY } from "./clients.mjs";

// {url, end()}: ended with SIGTERM, which must succeed.
export async function startServer(args = []) {
  const folder = mkdtempSync(join(tmpdir(), "pyember-http-"));
  const env = { ...process.env, PYTHON_MCP_META: join(folder, "jobs"), PYEMBER_STATE_DIR: join(folder, "state") };
  const server = spawn(BINARY, ["serve", "--transport", "http", "--port", "0", ...args], {
    env, stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = new Promise((resolve) => server.on("exit", (code) => resolve(code)));
  const said = [];
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: server.stderr }).on("line", (line) => {
      said.push(line);
      const found = /listening on (http:\S+)/.exec(line);
      if (found) resolve(found[1]);
    });
    exited.then((code) => reject(new Error(`the server ended with ${code}: ${said.join("\n")}`)));
  });
  return {
    url,
    async end() {
      server.kill("SIGTERM");
      const code = await exited;
      rmSync(folder, { recursive: true, force: true });
      if (code !== 0) throw new Error(`the server ended with ${code}: ${said.join("\n")}`);
    },
  };
}

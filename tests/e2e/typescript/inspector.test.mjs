// The inspector's command line, over both transports and in every way it can settle the protocol.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";

import { BINARY } from "./clients.mjs";
import { startServer } from "./http_server.mjs";

const LIMIT = { timeout: 60_000 };
const PROGRAM = new URL("./node_modules/.bin/mcp-inspector", import.meta.url).pathname;
const FOLDER = mkdtempSync(join(tmpdir(), "pyember-inspector-"));
const ENVIRONMENT = {
  ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}`, MCP_CATALOG_PATH: join(FOLDER, "catalog.json"),
  PYTHON_MCP_META: join(FOLDER, "jobs"), PYEMBER_STATE_DIR: join(FOLDER, "state"),
};
let server;
before(async () => (server = await startServer()));
after(async () => {
  await server.end();
  rmSync(FOLDER, { recursive: true, force: true });
});

// What it prints, for what is left of its command line.
async function inspect(transport, era, ...args) {
  const target = transport === "http" ? [server.url] : [BINARY, "serve"];
  const { stdout } = await promisify(execFile)(
    PROGRAM, ["--cli", ...target, "--protocol-era", era, ...args, "--format", "json"], { env: ENVIRONMENT });
  return stdout;
}

for (const transport of ["stdio", "http"]) {
  describe(`the inspector's command line, ${transport}`, { concurrency: false }, () => {
    for (const era of ["legacy", "auto", "modern"]) {
      test(`${era}: it lists tools`, LIMIT, async () => {
        assert.match(await inspect(transport, era, "--method", "tools/list"), /run_python/);
      });

      test(`${era}: it runs Python`, LIMIT, async () => {
        const printed = await inspect(transport, era, "--method", "tools/call", "--tool-name", "run_python",
          "--tool-arg", "code=6*7");
        assert.match(printed, /42/);
      });
    }
  });
}

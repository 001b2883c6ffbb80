// The official TypeScript clients behind one small face, so that one set of tests drives them all.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Client as ModernClient, StreamableHTTPClientTransport as ModernHttp } from "@modelcontextprotocol/client";
import { StdioClientTransport as ModernTransport } from "@modelcontextprotocol/client/stdio";
import { Client as SdkClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as SdkTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as SdkHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema, ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";

export const BINARY =
  process.env.PYEMBER_BINARY ?? new URL("../../../build/release/pyember", import.meta.url).pathname;

const INFO = { name: "pyember-e2e", version: "1.0.0" };
// Background cells are jobs: never in the user's own store.
const JOBS = mkdtempSync(join(tmpdir(), "pyember-meta-"));
process.on("exit", () => rmSync(JOBS, { recursive: true, force: true }));
const SERVER = { command: BINARY, args: ["serve"], stderr: "ignore", env: { PYTHON_MCP_META: JOBS, PYEMBER_STATE_DIR: JOBS } };
const UPDATED = "notifications/resources/updated";

// Each says which client it is and what revision it must end up with. connect() takes over what starts the server, or
// the url of one that runs, and who answers its questions: (params) => result; nobody: the client declares no elicitation.
export const CLIENTS = [
  {
    name: "sdk 1.32.2, handshake",
    version: "2025-11-25",
    async connect(server = {}, answer = undefined) {
      const client = new SdkClient(INFO, answer && { capabilities: { elicitation: {} } });
      if (answer) client.setRequestHandler(ElicitRequestSchema, ({ params }) => answer(params));
      const transport = server.url ? new SdkHttp(new URL(server.url)) : new SdkTransport({ ...SERVER, ...server });
      let negotiated;
      const tell = transport.setProtocolVersion?.bind(transport);
      transport.setProtocolVersion = (version) => {
        negotiated = version;
        tell?.(version); // over HTTP it goes into a header
      };
      await client.connect(transport);
      return {
        version: () => negotiated,
        serverName: () => client.getServerVersion()?.name,
        listTools: () => client.listTools(),
        callTool: (name, args, options) => client.callTool({ name, arguments: args }, undefined, options),
        readResource: (uri) => client.readResource({ uri }),
        capabilities: () => client.getServerCapabilities(),
        listPrompts: () => client.listPrompts(),
        getPrompt: (name, args) => client.getPrompt({ name, arguments: args }),
        complete: (ref, argument) => client.complete({ ref, argument }),
        async followResource(uri, told) {
          client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => told(params.uri));
          await client.subscribeResource({ uri });
        },
        listPrompts: () => client.listPrompts(),
        async close() {
          if (server.url) await transport.terminateSession();
          await client.close();
        },
      };
    },
  },
  modern("client 2.4.0, handshake", "2025-11-25", "legacy"),
  modern("client 2.4.0, auto", "2026-07-28", "auto"),
  modern("client 2.4.0, pinned", "2026-07-28", { pin: "2026-07-28" }),
];

function modern(name, version, mode) {
  return {
    name,
    version,
    async connect(server = {}, answer = undefined) {
      const asked = answer && { capabilities: { elicitation: {} } };
      const client = new ModernClient(INFO, { versionNegotiation: { mode }, ...asked });
      if (answer) client.setRequestHandler("elicitation/create", ({ params }) => answer(params));
      await client.connect(server.url ? new ModernHttp(new URL(server.url)) : new ModernTransport({ ...SERVER, ...server }));
      return {
        version: () => client.getNegotiatedProtocolVersion(),
        serverName: () => client.getServerVersion()?.name,
        listTools: () => client.listTools(),
        callTool: (toolName, args, options) => client.callTool({ name: toolName, arguments: args }, options),
        readResource: (uri) => client.readResource({ uri }),
        capabilities: () => client.getServerCapabilities(),
        listPrompts: () => client.listPrompts(),
        getPrompt: (name, args) => client.getPrompt({ name, arguments: args }),
        complete: (ref, argument) => client.complete({ ref, argument }),
        async followResource(uri, told) {
          client.setNotificationHandler(UPDATED, ({ params }) => told(params.uri));
          if (version === "2026-07-28") await client.listen({ resourceSubscriptions: [uri] });
          else await client.subscribeResource({ uri });
        },
        listPrompts: () => client.listPrompts(),
        close: () => client.close(),
      };
    },
  };
}

// A host of MCP Apps: the official one (AppBridge of @modelcontextprotocol/ext-apps) in this process, an official MCP
// client behind it, and in front of it a page in a real browser whose frame holds the view, locked up as the
// specification wants it. What passes between frame and bridge is kept, so that tests can look at it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { AppBridge } from "@modelcontextprotocol/ext-apps/app-bridge";
import { chromium } from "playwright-core";

export const BINARY =
  process.env.PYEMBER_BINARY ?? new URL("../../build/release/pyember", import.meta.url).pathname;
export const UI = "io.modelcontextprotocol/ui";
export const VIEW_TYPE = "text/html;profile=mcp-app";

const HOST_PAGE = "https://host.test/";
const VIEW_PAGE = "https://view.test/";

// What hosts must enforce for a view that declares no domains.
const CSP = [
  "default-src 'none'", "script-src 'self' 'unsafe-inline'", "style-src 'self' 'unsafe-inline'", "connect-src 'self'",
  "img-src 'self' data:", "font-src 'self'", "media-src 'self' data:", "frame-src 'none'", "object-src 'none'",
  "base-uri 'self'",
].join("; ");

const HOST_HTML = `<!DOCTYPE html>
<style>body { margin: 0; } iframe { display: block; width: 100%; height: 100px; border: 0; }</style>
<iframe sandbox="allow-scripts" src="${VIEW_PAGE}"></iframe>
<script>
  const frame = document.querySelector("iframe");
  window.addEventListener("message", (event) => {
    if (event.source === frame.contentWindow) window.fromView(event.data);
  });
  window.toView = (message) => frame.contentWindow.postMessage(message, "*");
</script>`;

export async function openBrowser() {
  return chromium.launch({ executablePath: process.env.PYEMBER_CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
}

// A server of its own, with a client that shows views. `mode`: which revision the two speak.
export async function startServer({ args = [], mode = "auto" } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "pyember-apps-"));
  const client = new Client({ name: "pyember-apps", version: "1.0.0" },
    { versionNegotiation: { mode }, capabilities: { extensions: { [UI]: { mimeTypes: [VIEW_TYPE] } } } });
  await client.connect(new StdioClientTransport({
    command: BINARY,
    args: ["serve", "--project-root", folder, ...args],
    stderr: "ignore",
    env: { ...process.env, PYTHON_MCP_META: join(folder, "meta"), PYEMBER_STATE_DIR: join(folder, "state") },
  }));
  return {
    client,
    folder,
    call: (name, args_, options) => client.callTool({ name, arguments: args_ }, options),
    async close() {
      await client.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

class PageTransport {
  constructor(page) {
    this.page = page;
  }
  async start() {}
  async send(message) {
    await this.page.evaluate((each) => window.toView(each), message);
  }
  async close() {
    this.onclose?.();
  }
}

// Shows the view of a tool as a host does, up to the moment when the call is made.
export async function showView(browser, server, toolName, { theme = "light", capabilities, context = {}, width = 760 } = {}) {
  const { tools } = await server.client.listTools();
  const tool = tools.find((each) => each.name === toolName);
  const uri = tool._meta.ui.resourceUri;
  const { contents: [view] } = await server.client.readResource({ uri });
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: theme, deviceScaleFactor: 2 });
  const problems = []; // of the browser: errors of scripts, what the CSP has refused
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.route("**/*", (route) => {
    const url = route.request().url();
    if (url === HOST_PAGE) return route.fulfill({ contentType: "text/html", body: HOST_HTML });
    if (url === VIEW_PAGE) {
      return route.fulfill({ contentType: "text/html; charset=utf-8", headers: { "content-security-policy": CSP }, body: view.text });
    }
    if (!url.endsWith("/favicon.ico")) problems.push(`${url} was asked for`);
    return route.abort();
  });
  const bridge = new AppBridge(server.client, { name: "pyember-test-host", version: "1.0.0" },
    capabilities ?? { serverTools: {}, serverResources: {}, updateModelContext: { text: {} }, openLinks: {}, logging: {} },
    { hostContext: { theme, displayMode: "inline", availableDisplayModes: ["inline"], toolInfo: { tool }, ...context } });
  const shown = { page, bridge, problems, told: [], sizes: [], requests: [], view };
  const transport = new PageTransport(page);
  await page.exposeFunction("fromView", (message) => {
    shown.requests.push(message);
    transport.onmessage?.(message);
  });
  bridge.onupdatemodelcontext = async (params) => {
    shown.told.push(params);
    return {};
  };
  bridge.onsizechange = async (size) => {
    shown.sizes.push(size);
    await page.evaluate(({ height }) => { document.querySelector("iframe").style.height = `${height}px`; }, size).catch(() => {});
  };
  const initialized = new Promise((resolve) => { bridge.oninitialized = resolve; });
  await bridge.connect(transport);
  await page.goto(HOST_PAGE);
  await initialized;
  shown.frame = page.frames().find((each) => each.url() === VIEW_PAGE);
  shown.text = (selector) => shown.frame.locator(selector).innerText();
  shown.see = (selector, text, timeout = 30_000) =>
    shown.frame.locator(selector).filter({ hasText: text }).first().waitFor({ timeout });
  shown.close = async () => {
    await bridge.close();
    await page.close();
  };
  return shown;
}

// The call itself: the view hears of its arguments, then of its result, which is returned.
export async function makeCall(shown, server, name, args) {
  await shown.bridge.sendToolInput({ arguments: args });
  const result = await server.call(name, args, { timeout: 120_000 });
  await shown.bridge.sendToolResult(result);
  return result;
}

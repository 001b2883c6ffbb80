// The host that shows this view, in the words of MCP Apps (2026-01-26): JSON-RPC 2.0 by postMessage with the window
// that holds ours, and with nobody else. Everything that comes is text of somebody else's: it is shown as text.
"use strict";

const APPS_REVISION = "2026-01-26";
const ANSWER_DEADLINE = 30_000; // ms until a request counts as lost
const METHOD_NOT_FOUND = -32601;

class HostError extends Error {
  constructor(error) {
    super(typeof error?.message === "string" ? error.message : "the host gave no reason");
    this.code = error?.code;
  }
}

class Host {
  capabilities = {}; // what the host can do for a view
  context = {}; // theme, size, the call that this view is of …
  #lastId = 0;
  #asked = new Map(); // by the ids of our requests
  #handlers = new Map();
  #told = ""; // the size we told last

  constructor() {
    window.addEventListener("message", (event) => {
      if (event.source === window.parent && event.data?.jsonrpc === "2.0") this.#received(event.data);
    });
    this.on("ping", () => ({}));
    this.on("ui/notifications/host-context-changed", (params) => this.#adopt(params));
  }

  // What is done when the host calls `method`: what it returns is the answer, if one is wanted.
  on(method, handler) {
    this.#handlers.set(method, handler);
  }

  // Nothing comes from the host before this: set the handlers first.
  async connect(name) {
    const result = await this.request("ui/initialize", {
      protocolVersion: APPS_REVISION,
      appInfo: { name, version: "1.0.0" },
      appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
    });
    this.capabilities = result.hostCapabilities ?? {};
    this.#adopt(result.hostContext ?? {});
    this.notify("ui/notifications/initialized", {});
    new ResizeObserver(() => this.#tellSize()).observe(document.body);
    this.#tellSize();
  }

  notify(method, params) {
    window.parent.postMessage({ jsonrpc: "2.0", method, params }, "*");
  }

  request(method, params) {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#answered(id, { error: { message: `the host did not answer ${method}` } }),
        ANSWER_DEADLINE);
      this.#asked.set(id, { resolve, reject, timer });
      window.parent.postMessage({ jsonrpc: "2.0", id, method, params }, "*");
    });
  }

  callTool(name, args) {
    return this.request("tools/call", { name, arguments: args });
  }

  async readJson(uri) {
    const { contents } = await this.request("resources/read", { uri });
    return JSON.parse(contents[0].text);
  }

  #received(message) {
    if (message.method === undefined) return this.#answered(message.id, message);
    const handler = this.#handlers.get(message.method);
    const answer = handler ? { result: handler(message.params ?? {}) ?? {} }
      : { error: { code: METHOD_NOT_FOUND, message: `this view has no ${message.method}` } };
    if (message.id !== undefined) window.parent.postMessage({ jsonrpc: "2.0", id: message.id, ...answer }, "*");
  }

  #answered(id, message) {
    const asked = this.#asked.get(id);
    if (!asked) return;
    this.#asked.delete(id);
    clearTimeout(asked.timer);
    if (message.error) asked.reject(new HostError(message.error));
    else asked.resolve(message.result ?? {});
  }

  #adopt(changes) {
    Object.assign(this.context, changes);
    const root = document.documentElement;
    if (changes.theme) root.style.colorScheme = changes.theme;
    for (const [name, value] of Object.entries(changes.styles?.variables ?? {})) {
      if (name.startsWith("--") && typeof value === "string") root.style.setProperty(name, value);
    }
    if (changes.styles?.css?.fonts) {
      const fonts = document.createElement("style");
      fonts.textContent = changes.styles.css.fonts;
      document.head.append(fonts);
    }
    const room = changes.containerDimensions ?? {};
    if (room.maxHeight) Object.assign(root.style, { maxHeight: `${room.maxHeight}px`, overflowY: "auto" });
    const inset = changes.safeAreaInsets;
    if (inset) document.body.style.padding = ["top", "right", "bottom", "left"].map((side) => `${inset[side] || 0}px`).join(" ");
    this.#handlers.get("changed")?.();
  }

  #tellSize() {
    const size = { width: window.innerWidth, height: Math.ceil(document.body.getBoundingClientRect().height) };
    const text = JSON.stringify(size);
    if (text === this.#told) return;
    this.#told = text;
    this.notify("ui/notifications/size-changed", size);
  }

  get canFillScreen() {
    return (this.context.availableDisplayModes ?? []).includes("fullscreen");
  }

  async toggleFullscreen() {
    const mode = this.context.displayMode === "fullscreen" ? "inline" : "fullscreen";
    const result = await this.request("ui/request-display-mode", { mode });
    this.#adopt({ displayMode: result.mode ?? this.context.displayMode });
  }
}

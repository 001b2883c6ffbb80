// Follows a job through the host: by the resource that is made for it, or, in a host that reads no resources for views,
// by the tools everybody has.
"use strict";

const QUICK = 400; // ms between two looks, at first
const STEADY = 1000;
const QUICK_LOOKS = 15;
const HIDDEN = 5000; // while nobody sees the view
const FAILURES = 5; // in a row: then we stop asking
const GONE = [-32602, -32002]; // there is no such resource

class JobFollower {
  #host;
  #id;
  #told;
  #cursor = "0";
  #looks = 0;
  #failures = 0;
  #over = false;
  #timer = 0;

  // told(state, error): a state is what job-view:// answers; an error is the last thing told.
  constructor(host, id, told) {
    this.#host = host;
    this.#id = id;
    this.#told = told;
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#lookSoon(0);
    });
    this.#look();
  }

  stop() {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  async cancel() {
    await this.#host.callTool("py_cancel_job", { job_id: this.#id });
    this.#lookSoon(0);
  }

  async #look() {
    try {
      const state = this.#host.capabilities.serverResources ? await this.#fromResource() : await this.#fromTools();
      if (this.#over) return;
      this.#failures = 0;
      this.#told(state, null);
      if (state.running || state.more) this.#lookSoon(state.more ? 0 : undefined);
      else this.stop();
    } catch (error) {
      if (this.#over) return;
      if (++this.#failures < FAILURES && !GONE.includes(error.code)) return this.#lookSoon(STEADY * this.#failures);
      this.stop();
      this.#told(null, error);
    }
  }

  #lookSoon(delay = document.hidden ? HIDDEN : ++this.#looks < QUICK_LOOKS ? QUICK : STEADY) {
    if (this.#over) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), delay);
  }

  async #fromResource() {
    const state = await this.#host.readJson(`job-view://${this.#id}?since=${this.#cursor}`);
    this.#cursor = state.cursor ?? this.#cursor;
    return state;
  }

  async #fromTools() {
    const answer = await this.#host.callTool("py_job_status", { job_id: this.#id, incremental: false });
    const told = answer.structuredContent ?? {};
    if (!told.job) throw new HostError({ message: told.error ?? "its state could not be read", code: GONE[0] });
    const { job } = told;
    const running = job.status === "pending" || job.status === "running";
    const result = job.result ?? {};
    return {
      job,
      running,
      whole: true, // the streams from their beginning, or what is left of them
      stdout: job.partial_stdout ?? result.stdout ?? "",
      stderr: job.partial_stderr ?? result.stderr ?? "",
      exit_code: result.exit_code,
      elapsed_seconds: result.elapsed_seconds ?? (Date.now() - Date.parse(job.started_at ?? job.created_at)) / 1000,
    };
  }
}

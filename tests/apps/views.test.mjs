// The views in a real browser, with the official host before a real server: what they show while jobs and benchmarks run
// and afterwards, and what hosts and scripts may do to them.
//
// PYEMBER_SCREENSHOTS=FOLDER writes the pictures of docs/images.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { makeCall, openBrowser, showView, startServer, UI, VIEW_TYPE } from "./host.mjs";

const VIEWS = {
  benchmark_script: "ui://pyember/benchmark.html",
  run_script_profile: "ui://pyember/benchmark.html",
  run_script_in_dir_async: "ui://pyember/job.html",
  run_script_with_dependencies_async: "ui://pyember/job.html",
  py_job_status: "ui://pyember/job.html",
  get_job_output: "ui://pyember/job.html",
};
const LONG = { timeout: 120_000 };

// Prints, allocates and computes step by step, until a file appears.
function patient(stop) {
  return `
import math, os, time
kept = []
for step in range(3000):
    print(f"step {step}: loss {1.9 / (1 + step / 6):.4f}, {len(kept)} batches held", flush=True)
    kept.append(bytearray(os.urandom(1) * (3 << 20)))
    if len(kept) > 12 + step // 4:
        kept = kept[6:]
    end = time.monotonic() + 0.05 + 0.03 * math.sin(step / 3)
    while time.monotonic() < end:
        sum(range(1000))
    if os.path.exists(${JSON.stringify(stop)}):
        print("asked to end", flush=True)
        break
    time.sleep(0.05)
`;
}

const TRIAL_DIVISION = `
def is_prime(number):
    return number > 1 and all(number % each for each in range(2, int(number**0.5) + 1))

def primes_below(limit):
    return [number for number in range(limit) if is_prime(number)]

def main():
    print(len(primes_below(30_000)), "primes")

main()
`;

const SIEVE = `
def primes_below(limit):
    marks = bytearray([1]) * limit
    marks[:2] = b"\\0\\0"
    for number in range(2, int(limit**0.5) + 1):
        if marks[number]:
            marks[number * number::number] = bytes(len(range(number * number, limit, number)))
    return [number for number in range(limit) if marks[number]]

print(len(primes_below(30_000)), "primes")
`;

let browser;
let server;

before(async () => {
  browser = await openBrowser();
  server = await startServer();
}, LONG);

after(async () => {
  await browser?.close();
  await server?.close();
});

async function until(condition, what, timeout = 30_000) {
  for (const end = Date.now() + timeout; !(await condition());) {
    assert.ok(Date.now() < end, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function withView(tool, options, use) {
  const shown = await showView(browser, server, tool, options);
  try {
    await use(shown);
    assert.deepEqual(shown.problems, []);
  } finally {
    await shown.close();
  }
}

const picture = (shown, name) => process.env.PYEMBER_SCREENSHOTS
  && shown.page.locator("iframe").screenshot({ path: join(process.env.PYEMBER_SCREENSHOTS, name) });

async function startJob(stop) {
  return { directory: server.folder, script_content: patient(stop), use_uv: false, job_label: "train" };
}

describe("what a host is told", () => {
  test("the tools name their views, and the server says that it has some", async () => {
    assert.deepEqual(server.client.getServerCapabilities().extensions?.[UI], {});
    const { tools } = await server.client.listTools();
    const named = Object.fromEntries(tools.filter((tool) => tool._meta?.ui).map((tool) => [tool.name, tool._meta.ui.resourceUri]));
    assert.deepEqual(named, VIEWS);
  });

  test("views are listed, are read as one document, and load nothing", async () => {
    const { resources } = await server.client.listResources();
    for (const uri of new Set(Object.values(VIEWS))) {
      const listed = resources.find((each) => each.uri === uri);
      assert.equal(listed?.mimeType, VIEW_TYPE);
      const { contents } = await server.client.readResource({ uri });
      assert.equal(contents.length, 1);
      assert.equal(contents[0].mimeType, VIEW_TYPE);
      assert.deepEqual(contents[0]._meta, { ui: { prefersBorder: true } });
      assert.equal(Buffer.byteLength(contents[0].text), listed.size);
      assert.match(contents[0].text, /^<!DOCTYPE html>/);
      assert.doesNotMatch(contents[0].text.replaceAll("http://www.w3.org/2000/svg", ""), /https?:\/\/|\ssrc=|<link|@import|eval\(|innerHTML/);
      assert.ok(contents[0].text.length < 64_000, "a view is small");
    }
    await assert.rejects(server.client.readResource({ uri: "ui://pyember/other.html" }));
  });
});

describe("the view of a job", () => {
  test("shows output, memory and CPU while it runs, and how it ended", LONG, async () => {
    await withView("run_script_in_dir_async", {}, async (shown) => {
      const stop = join(server.folder, "stop-1");
      const result = await makeCall(shown, server, "run_script_in_dir_async", await startJob(stop));
      await shown.see("#status", "running");
      await shown.see("#output", "step 3:");
      await until(async () => await shown.frame.locator("#memory svg path").count() >= 2, "a memory curve");
      await until(async () => await shown.frame.locator("#cpu svg path").count() >= 2, "a CPU curve");
      assert.match(await shown.text("#figures"), /Running for[^]*CPU time[^]*Memory/);
      await until(async () => (await shown.text("#output")).includes("step 40:"), "many lines");
      await picture(shown, "job-running.png");
      writeFileSync(stop, "");
      await shown.see("#status", "completed");
      await shown.see("#output", "asked to end");
      assert.match(await shown.text("#figures"), /Took[^]*CPU time[^]*Exit code\s*0/);
      assert.equal(await shown.frame.locator("#stop").isVisible(), false);
      assert.match(await shown.text("#title"), new RegExp(result.structuredContent.job_id));
      await until(() => shown.told.length === 1, "the model hears of the end");
      assert.match(shown.told[0].content[0].text, /is completed, exit code 0/);
    });
  });

  test("its button ends the job", LONG, async () => {
    await withView("run_script_in_dir_async", {}, async (shown) => {
      const result = await makeCall(shown, server, "run_script_in_dir_async", await startJob(join(server.folder, "never")));
      await shown.see("#output", "step 1:");
      await shown.frame.locator("#stop").click();
      await shown.see("#status", "cancelled");
      const status = await server.call("py_job_status", { job_id: result.structuredContent.job_id });
      assert.equal(status.structuredContent.job.status, "cancelled");
    });
  });

  test("works in a host that reads no resources for views", LONG, async () => {
    await withView("py_job_status", { capabilities: { serverTools: {} } }, async (shown) => {
      const stop = join(server.folder, "stop-2");
      const started = await server.call("run_script_in_dir_async", await startJob(stop));
      await makeCall(shown, server, "py_job_status", { job_id: started.structuredContent.job_id });
      await shown.see("#output", "step 3:");
      writeFileSync(stop, "");
      await shown.see("#status", "completed");
      await shown.see("#output", "asked to end");
      assert.ok(shown.requests.every((each) => each.method !== "resources/read"));
    });
  });

  test("a job that fails shows its exit code", LONG, async () => {
    await withView("run_script_in_dir_async", {}, async (shown) => {
      await makeCall(shown, server, "run_script_in_dir_async",
        { directory: server.folder, script_content: "print('before')\nraise SystemExit(3)", use_uv: false });
      await shown.see("#status", "exit code 3");
      assert.match(await shown.text("#figures"), /Exit code\s*3/);
      assert.match(await shown.text("#output"), /before/);
    });
  });

  test("a job nobody knows is said to be unknown", LONG, async () => {
    await withView("get_job_output", {}, async (shown) => {
      await makeCall(shown, server, "get_job_output", { job_id: "11111111-1111-4111-8111-111111111111" });
      await shown.see("#note", "can't be followed any more");
    });
  });

  test("what a script prints stays text, and terminals' tricks are borne", LONG, async () => {
    await withView("run_script_in_dir_async", {}, async (shown) => {
      const script = `
import sys
print("<img src=x onerror='document.title=1'><script>document.title=2</script>")
print("\\x1b[31mred\\x1b[0m plain")
for step in range(100):
    sys.stdout.write(f"\\rprogress {step}%")
print()
print("é" * 3, "\\x00", "\\u202e")
sys.stderr.write("to stderr\\n")
`;
      await makeCall(shown, server, "run_script_in_dir_async", { directory: server.folder, script_content: script, use_uv: false });
      await shown.see("#status", "completed");
      await shown.see("#output", "to stderr");
      const text = await shown.text("#output");
      assert.match(text, /<img src=x onerror=/);
      assert.match(text, /^red plain$/m);
      assert.match(text, /^progress 99%$/m);
      assert.doesNotMatch(text, /progress 98%/);
      assert.match(text, /ééé/);
      assert.equal(await shown.frame.locator("#output img").count(), 0);
      assert.equal(await shown.frame.evaluate(() => document.title), "Job");
    });
  });
});

describe("the view of a benchmark", () => {
  const fast = "import time\nsum(range(400_000))\ntime.sleep(0.02)\nprint('fast')\n";

  test("a single run has figures and its memory over time", LONG, async () => {
    await withView("benchmark_script", {}, async (shown) => {
      const script = "import time\nkept = []\nfor _ in range(12):\n    kept.append(bytearray(b'x') * (6 << 20))\n    time.sleep(0.1)\nprint('done')\n";
      const result = await makeCall(shown, server, "benchmark_script", { script_content: script, auto_parse_imports: false });
      assert.ok(result._meta["pyember/memory_curve"].length > 5);
      await shown.see("#status", "completed");
      assert.match(await shown.text("#figures"), /Wall time[^]*CPU time[^]*Most memory/);
      await until(async () => await shown.frame.locator("#memory svg path").count() === 2, "a memory curve");
    });
  });

  test("many runs and a comparison: live, then each run, the interval and the verdict", LONG, async () => {
    await withView("benchmark_script", {}, async (shown) => {
      writeFileSync(join(server.folder, "primes.py"), TRIAL_DIVISION);
      writeFileSync(join(server.folder, "sieve.py"), SIEVE);
      const call = makeCall(shown, server, "benchmark_script", { script_path: join(server.folder, "primes.py"), repeat: 30,
        compare: { script_path: join(server.folder, "sieve.py") }, profile: true, auto_parse_imports: false });
      await shown.see("#status", "running");
      await shown.see("#progress", "of");
      await until(async () => await shown.frame.locator("#runs svg circle").count() > 4, "runs while it goes on");
      const result = await call;
      await shown.see("#status", "completed");
      const { comparison } = result.structuredContent;
      assert.equal(await shown.frame.locator("#runs svg circle").count(), 60);
      assert.match(await shown.text("#verdict"), comparison.verdict === "no difference" ? /No difference/ : new RegExp(comparison.verdict));
      assert.match(await shown.text("#verdict"), /30 pairs/);
      assert.match(await shown.text("#functions"), /primes_below/);
      assert.match(await shown.text("#legend"), /primes\.py[^]*sieve\.py/);
      assert.equal(await shown.frame.locator("#progress").isVisible(), false);
      await picture(shown, "benchmark.png");
    });
  });

  test("in the background it is followed to its end", LONG, async () => {
    await withView("benchmark_script", {}, async (shown) => {
      const result = await makeCall(shown, server, "benchmark_script",
        { script_content: fast, repeat: 8, async_mode: true, auto_parse_imports: false });
      assert.equal(result.structuredContent.status, "pending");
      await shown.see("#status", "completed");
      assert.match(await shown.text("#figures"), /Runs\s*8/);
      await until(async () => await shown.frame.locator("#runs svg circle").count() === 8, "each run");
    });
  });

  test("a script that fails opens its output", LONG, async () => {
    await withView("benchmark_script", {}, async (shown) => {
      await makeCall(shown, server, "benchmark_script", { script_content: "raise ValueError('not today')", auto_parse_imports: false });
      await shown.see("#status", "failed");
      await shown.see("#output", "not today");
      await shown.see("#note", "Exit code 1");
    });
  });

  test("a refused call shows why", LONG, async () => {
    await withView("benchmark_script", {}, async (shown) => {
      await makeCall(shown, server, "benchmark_script", { script_path: "/nowhere/at/all.py" });
      await shown.see("#status", "failed");
      await shown.see("#note", "FileNotFoundError");
    });
  });

  test("a profile shows where the time goes", LONG, async () => {
    await withView("run_script_profile", {}, async (shown) => {
      await makeCall(shown, server, "run_script_profile",
        { script_content: "def busy():\n    return sum(i * i for i in range(300_000))\nbusy()\n", auto_parse_imports: false });
      await shown.see("#functions", "busy");
    });
  });
});

describe("what a host may do", () => {
  test("light and dark, the host's own colours, and a change of them", LONG, async () => {
    await withView("get_job_output", { theme: "dark", context: { styles: { variables: { "--color-text-primary": "rgb(1, 2, 3)" } } } }, async (shown) => {
      const look = () => shown.frame.evaluate(() => {
        const style = getComputedStyle(document.querySelector("main"));
        return [style.backgroundColor, style.color];
      });
      const [dark, text] = await look();
      assert.equal(text, "rgb(1, 2, 3)");
      await shown.bridge.setHostContext({ theme: "light", displayMode: "inline", availableDisplayModes: ["inline"] });
      await until(async () => (await look())[0] !== dark, "another background");
    });
  });

  test("the view tells its size, answers pings, and goes when it is told to", LONG, async () => {
    await withView("run_script_in_dir_async", {}, async (shown) => {
      const result = await makeCall(shown, server, "run_script_in_dir_async", await startJob(join(server.folder, "never")));
      await shown.see("#output", "step 1:");
      await until(() => shown.sizes.some((size) => size.height > 200), "a size");
      await shown.bridge.teardownResource({ reason: "test" });
      await new Promise((resolve) => setTimeout(resolve, 200)); // what was on its way
      const asked = shown.requests.length;
      await new Promise((resolve) => setTimeout(resolve, 2500));
      assert.equal(shown.requests.slice(asked).filter((each) => each.method === "resources/read").length, 0);
      await server.call("py_cancel_job", { job_id: result.structuredContent.job_id });
    });
  });

  test("messages that make no sense change nothing", LONG, async () => {
    await withView("run_script_in_dir_async", {}, async (shown) => {
      const hostile = [null, 7, "text", [], {}, { jsonrpc: "2.0" }, { jsonrpc: "2.0", id: 9 }, { jsonrpc: "2.0", id: 1, result: null },
        { jsonrpc: "2.0", method: "ui/notifications/tool-result", params: { structuredContent: [1], content: 7 } },
        { jsonrpc: "2.0", method: "ui/notifications/host-context-changed", params: { theme: {}, styles: { variables: { color: 1 } } } },
        { jsonrpc: "2.0", id: 77, method: "no/such/method" }];
      for (const message of hostile) await shown.page.evaluate((each) => window.toView(each), message);
      await until(() => shown.requests.some((each) => each.id === 77 && each.error?.code === -32601), "an unknown method is refused");
      await makeCall(shown, server, "run_script_in_dir_async",
        { directory: server.folder, script_content: "print('still here')", use_uv: false });
      await shown.see("#output", "still here");
    });
  });

  test("a cancelled call is shown as one", LONG, async () => {
    await withView("benchmark_script", {}, async (shown) => {
      await shown.bridge.sendToolInput({ arguments: { script_content: "pass" } });
      await shown.bridge.sendToolCancelled({ reason: "test" });
      await shown.see("#status", "cancelled");
    });
  });
});

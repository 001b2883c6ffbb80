"""Times an ipykernel through jupyter_client: start, then the round trip of a small cell. Prints JSON."""

import json
import sys
import time

from jupyter_client.manager import KernelManager

calls = int(sys.argv[1])
begin = time.perf_counter()
manager = KernelManager()
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=60)
ready = time.perf_counter() - begin


def execute() -> float:
    """One cell: sent, and its reply and its idle status received."""
    start = time.perf_counter()
    reply = client.execute_interactive("1+1", timeout=30, output_hook=lambda message: None)
    if reply["content"]["status"] != "ok":
        raise SystemExit(f"the kernel answered {reply['content']}")
    return (time.perf_counter() - start) * 1e6


for _ in range(50):
    execute()
samples = [round(execute(), 1) for _ in range(calls)]
client.stop_channels()
manager.shutdown_kernel(now=True)
json.dump({"ready_us": round(ready * 1e6, 1), "sequential_us": samples}, sys.stdout)

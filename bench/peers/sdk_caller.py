"""The official Python SDK's client calling a tool again and again: sdk_caller.py CALLS WARM_UP COMMAND…

Prints the times of the calls in microseconds, as a JSON list.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from mcp import Client
from mcp.client.stdio import StdioServerParameters


async def main() -> None:
    calls, warm_up, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    times = []
    async with Client(StdioServerParameters(command=command[0], args=command[1:]), mode="legacy") as client:
        for _ in range(warm_up):
            await client.call_tool("echo", {"text": "hello"})
        for _ in range(calls):
            begin = time.perf_counter()
            await client.call_tool("echo", {"text": "hello"})
            times.append((time.perf_counter() - begin) * 1e6)
    print(json.dumps(times))


if __name__ == "__main__":
    asyncio.run(main())

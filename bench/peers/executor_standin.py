"""Stands in for a script executor made with FastMCP: one tool that hands each script to `uv run`.

The steps are those that such a server takes for every call: look for imports line by line, write
the script to a file, run `uv run --isolated --python X --with … FILE`, gather its output, delete
the file. Environments are resolved anew each time, because the command says all uv is told.
"""

import asyncio
import re
import tempfile
import time
import uuid
from pathlib import Path

from fastmcp import FastMCP

server = FastMCP("executor stand-in")
folder = Path(tempfile.mkdtemp(prefix="executor-standin-"))

COMMON = {"os", "sys", "time", "json", "re", "math", "pathlib", "typing", "asyncio", "datetime"}


def imported(source: str) -> list[str]:
    """The packages that a look at each line finds."""
    names = set()
    for line in map(str.strip, source.splitlines()):
        if found := re.match(r"(?:from|import)\s+(\w+)", line):
            names.add(found.group(1))
    return sorted(names - COMMON)


@server.tool
async def run_script_with_dependencies(script_content: str, python_version: str = "3.12", dependencies: list[str] | None = None,
                                       timeout_seconds: int = 300) -> dict:  # fmt: skip
    """Run code in an environment with these packages."""
    begin = time.monotonic()
    wanted = list(dependencies or [])
    wanted += [name for name in imported(script_content) if name not in wanted]
    path = folder / f"inline_{uuid.uuid4().hex}.py"
    path.write_text(script_content)
    command = ["uv", "run", "--isolated", "--python", python_version]
    for each in wanted:
        command += ["--with", each]
    process = await asyncio.create_subprocess_exec(*command, str(path), stdin=asyncio.subprocess.DEVNULL,
                                                   stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)  # fmt: skip
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout_seconds)
    finally:
        path.unlink(missing_ok=True)
    return {
        "stdout": out.decode(errors="replace"), "stderr": err.decode(errors="replace"), "exit_code": process.returncode,
        "execution_strategy": "uv-run", "elapsed_seconds": time.monotonic() - begin,
        "resolved_dependencies": wanted, "python_version_used": python_version,
    }  # fmt: skip


server.run("stdio", show_banner=False)

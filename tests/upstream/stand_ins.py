"""Servers that stand in for GitHub, Slack, a calendar and files, made with the official SDK: real MCP, and what they
are asked is written into a folder.

    stand_ins.py github|slack|calendar|filesystem FOLDER
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Image
from mcp.server.mcpserver.exceptions import ToolError

NAME, FOLDER = sys.argv[1], Path(sys.argv[2])
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
server = MCPServer(NAME)


def note(**what: Any) -> None:
    with (FOLDER / f"{NAME}.jsonl").open("a") as file:
        file.write(json.dumps(what) + "\n")


def github() -> None:
    @server.tool()
    def list_issues(repo: str, state: str = "open", labels: list[str] | None = None, since: str | None = None) -> list[dict[str, Any]]:
        """List the issues of a repository."""
        note(tool="list_issues", repo=repo, state=state, labels=labels, since=since)
        return [
            {"number": number, "title": f"Bug {number}", "state": state, "created_at": f"2025-0{1 + number % 3}-15T12:00:00Z"}
            for number in range(7)
        ]

    @server.tool()
    def create_issue(repo: str, title: str, body: str = "") -> dict[str, Any]:
        """Open an issue in a repository."""
        tries = len((FOLDER / "tries").read_text()) if (FOLDER / "tries").exists() else 0
        (FOLDER / "tries").write_text("x" * (tries + 1))
        if title == "Test" and tries < 1:
            raise ToolError("GitHub is busy")
        note(tool="create_issue", repo=repo, title=title, body=body)
        return {"number": 8, "url": f"https://example.org/{repo}/8"}

    @server.tool(name="Get-Avatar")
    def get_avatar(user: str) -> Image:
        """The picture of a user."""
        return Image(data=PIXEL, format="png")

    @server.resource("github://readme/{repo}")
    def readme(repo: str) -> str:
        """The README of a repository."""
        return f"# {repo}"

    @server.prompt()
    def review(code: str) -> str:
        """Ask for a review."""
        return f"Review {code}"


def slack() -> None:
    @server.tool()
    async def wait(seconds: float) -> str:
        """Wait."""
        note(tool="wait", seconds=seconds)
        await asyncio.sleep(seconds)
        return "waited"

    @server.tool()
    def post_message(channel: str, text: str) -> dict[str, Any]:
        """Post a message to a channel."""
        note(tool="post_message", channel=channel, text=text)
        return {"ok": True, "channel": channel}


def calendar() -> None:
    @server.tool()
    def list_events(start_date: str, end_date: str) -> list[dict[str, str]]:
        """List the calendar events between two dates."""
        note(tool="list_events", start_date=start_date, end_date=end_date)
        return [{"day": start_date, "name": "Kick-off"}, {"day": end_date, "name": "Review"}]


def filesystem() -> None:
    @server.tool()
    def read_file(path: str) -> str:
        """Read a text file."""
        if path == "/data/sales.csv":
            return "month,revenue\n2025-01,10\n2025-02,20\n2025-01,5\n"
        return (FOLDER / path.lstrip("/").replace("/", "_")).read_text()

    @server.tool()
    def write_file(path: str, content: str) -> str:
        """Write a text file."""
        (FOLDER / path.lstrip("/").replace("/", "_")).write_text(content)
        return f"Wrote {len(content)} characters to {path}"

    @server.tool()
    def list_directory(path: str) -> list[str]:
        """List the files of a directory."""
        return sorted(each.name for each in FOLDER.iterdir())


globals()[NAME]()
server.run("stdio")

"""The smallest server that executes Python, on the official MCP Python SDK: what ours is compared with."""

import ast
import sys

from mcp.server import MCPServer

server = MCPServer("smallest", log_level="ERROR")
namespace: dict = {"__name__": "__main__"}


@server.tool()
def run_python(code: str) -> str:
    """Run Python code in a persistent namespace and return the repr of its last expression."""
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), namespace)
    return "" if last is None else repr(eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace))


if len(sys.argv) > 1:  # a port of this machine
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
else:
    server.run("stdio")

"""The same smallest server on FastMCP."""

import ast

from fastmcp import FastMCP

server = FastMCP("smallest")
namespace: dict = {"__name__": "__main__"}


@server.tool
def run_python(code: str) -> str:
    """Run Python code in a persistent namespace and return the repr of its last expression."""
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), namespace)
    return "" if last is None else repr(eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace))


server.run("stdio", show_banner=False)

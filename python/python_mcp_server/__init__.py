"""Jobs for asynchronous functions, and the commands that start pyember's server.

`python_mcp_server.smart_async` is a library of its own: a decorator that answers at once when a
function is quick and makes a background job of it when it is not. It needs no server, only the
standard library of CPython 3.10 or newer on a system with flock().

    from python_mcp_server.smart_async import smart_async, create_progress_callback

`python -m python_mcp_server`, and the commands `python-executor-mcp` and `python-mcp-server`, start
the MCP server pyember with the tools for scripts and jobs; their options are pyember's.
"""

__version__ = "0.1.0"

"""The commands that start pyember's server as code mode: one tool, every MCP server behind it.

`python -m mcp_code_execution_mode` and `mcp-server-code-execution-mode` become the server; their
options are pyember's, and the variables MCP_BRIDGE_… mean what they mean for the bridge of that name.
"""

__version__ = "0.1.0"

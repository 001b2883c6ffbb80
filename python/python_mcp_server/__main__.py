"""`python -m python_mcp_server` starts the server; see _launch."""

from python_mcp_server._launch import python_mcp_server

if __name__ == "__main__":
    python_mcp_server()

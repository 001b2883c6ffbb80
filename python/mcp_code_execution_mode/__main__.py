"""`python -m mcp_code_execution_mode` starts the server; see _launch."""

from mcp_code_execution_mode._launch import main

if __name__ == "__main__":
    main()

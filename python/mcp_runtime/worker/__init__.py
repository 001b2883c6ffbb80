"""Sessions in processes of their own: the zygote and the workers it forks (docs/workers.md).

Started by the server as `python -m mcp_runtime.worker --control 3`. Standard library only, CPython
3.10 to 3.14: it runs under the Python of the environment that the sessions are for.
"""

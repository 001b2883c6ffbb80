"""Stands in for the runtime of workers: as much of docs/workers.md as the host's tests need."""

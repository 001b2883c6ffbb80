"""sqlite3 connections that a stop interrupts, by sqlite's own means: a progress handler.

The handler is the native function itself. A Python function would get the KeyboardInterrupt of
the stop, and sqlite3 drops what a handler raises.
"""

_STEPS = 2000  # instructions of sqlite's machine between two looks; well under a millisecond


def patch(module, stop_requested):
    base = module.Connection
    real_connect = module.connect
    set_handler = base.set_progress_handler

    class Connection(base):
        __doc__ = base.__doc__

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            set_handler(self, stop_requested, _STEPS)

        def set_progress_handler(self, progress_handler, n):
            """Set progress handler callback; the session's own stop is looked at as well."""
            if progress_handler is None:
                set_handler(self, stop_requested, _STEPS)
                return

            def both():
                return stop_requested() or progress_handler()

            set_handler(self, both, n)

    Connection.__module__ = base.__module__
    Connection.__qualname__ = "Connection"

    def connect(*args, **kwargs):
        if len(args) < 6 and "factory" not in kwargs:
            kwargs["factory"] = Connection
        connection = real_connect(*args, **kwargs)
        if isinstance(connection, base) and not isinstance(connection, Connection):
            set_handler(connection, stop_requested, _STEPS)
        return connection

    connect.__doc__ = real_connect.__doc__
    module.Connection = Connection
    module.connect = connect

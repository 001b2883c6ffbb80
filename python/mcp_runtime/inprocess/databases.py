"""sqlite3 connections that a stop interrupts, by sqlite's own means: a progress handler.

sqlite3 drops what a handler raises, so the function that is asked must not get the stop's
KeyboardInterrupt: here it is native, and a worker's keeps it for later (worker/stops.py).
"""

STEPS = 2000  # instructions of sqlite's machine between two looks; well under a millisecond


def _either(stop_requested, progress_handler):
    def either():
        return stop_requested() or progress_handler()

    return either


# The code of ours, besides stop_requested, that sqlite3 runs inside a query.
ASKED_CODE = _either(None, None).__code__


def patch(module, stop_requested, steps=STEPS):
    """Changes the module sqlite3.dbapi2, so that `stop_requested` is asked every so many steps."""
    base = module.Connection
    real_connect = module.connect
    set_handler = base.set_progress_handler

    class Connection(base):
        __doc__ = base.__doc__

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            set_handler(self, stop_requested, steps)

        def set_progress_handler(self, progress_handler, n):
            """Set progress handler callback; the session's own stop is looked at as well."""
            if progress_handler is None:
                set_handler(self, stop_requested, steps)
            else:
                set_handler(self, _either(stop_requested, progress_handler), n)

    Connection.__module__ = base.__module__
    Connection.__qualname__ = "Connection"

    def connect(*args, **kwargs):
        if len(args) < 6 and "factory" not in kwargs:
            kwargs["factory"] = Connection
        connection = real_connect(*args, **kwargs)
        if isinstance(connection, base) and not isinstance(connection, Connection):
            set_handler(connection, stop_requested, steps)
        return connection

    connect.__doc__ = real_connect.__doc__
    module.Connection = Connection
    module.connect = connect


def publish(module):
    """Gives the module sqlite3 what patch() has put into its dbapi2."""
    for name in ("connect", "Connection"):
        setattr(module, name, getattr(module.dbapi2, name))

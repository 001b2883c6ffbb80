"""The environment variables of one session.

The C environment belongs to the whole process and is not safe to write while other threads read
it. `os.environ` of an interpreter is a copy already; what is left to do is that writes stop there
instead of going on to putenv(), and that children are given the session's copy.
"""

MARK = b"PYEMBER_SESSION"
FOLDER = b"PYEMBER_SESSION_FOLDER"


class Environment:
    """Stands in for the C environment: what putenv() writes and children inherit."""

    def __init__(self, posix):
        self._data = posix.environ  # os.environ keeps its values in this very dict
        self._values = dict(self._data)
        self._base = dict(self._data)
        self._mark = b"0"

    def install(self, posix):
        values = self._values

        def putenv(name, value, /):
            """Change an environment variable of this session."""
            name, value = _encoded(posix, name), _encoded(posix, value)
            if b"=" in name:
                raise ValueError("illegal environment variable name")
            values[name] = value

        def unsetenv(name, /):
            """Delete an environment variable of this session."""
            values.pop(_encoded(posix, name), None)

        posix.putenv = putenv
        posix.unsetenv = unsetenv
        if hasattr(posix, "_create_environ"):  # os.reload_environ() of 3.14
            posix._create_environ = lambda: dict(values)

    def set_default(self, name, value):
        """Give every session of this interpreter a variable from its start."""
        self._base[name] = value

    def default(self, name):
        return self._base.get(name)

    def begin(self, serial, folder=""):
        """Back to what the server was started with; children carry the session's mark, and find
        its folder as the session does."""
        self._mark = b"%d" % serial
        for target in (self._values, self._data):
            target.clear()
            target.update(self._base)
            if folder:
                target[FOLDER] = folder.encode("utf-8", "surrogateescape")

    def data(self):
        return self._data

    def for_child(self, entries):
        """The environment of a child as a list of b"NAME=value", marked as this session's.

        `entries` is what the caller asked for in the same form, or None for the session's own.
        """
        if entries is None:
            entries = [b"%b=%b" % item for item in self._values.items()]
        else:
            entries = list(entries)
        entries.append(b"%b=%b" % (MARK, self._mark))
        return entries

    def mapping_for_child(self, mapping):
        """The same as a mapping, for posix_spawn()."""
        mapping = dict(self._values if mapping is None else mapping)
        mapping[MARK] = self._mark
        return mapping


def _encoded(posix, text):
    text = posix.fspath(text)
    if isinstance(text, str):
        import sys
        text = text.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())
    if b"\0" in text:
        raise ValueError("embedded null byte")
    return text

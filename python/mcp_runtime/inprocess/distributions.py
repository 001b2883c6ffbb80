"""Which installed package a file belongs to, without importlib.metadata (it imports half of email)."""

import posix


def owner(path, module):
    """'the package numpy 2.3.1' when an installed distribution claims the file."""
    directory, inside = _site_directory(path)
    top = module.partition(".")[0]
    if directory is None:
        return f"the package {top}"
    wanted = _normal(top)
    others = []
    for entry in posix.listdir(directory):
        if not entry.endswith(".dist-info"):
            continue
        name, _, version = entry[:-len(".dist-info")].partition("-")
        if _normal(name) == wanted:
            return f"the package {name} {version}".rstrip()
        others.append((entry, name, version))
    for entry, name, version in others:
        if _records(f"{directory}/{entry}/RECORD", inside):
            return f"the package {name} {version}".rstrip()
    return f"the package {top}"


def _site_directory(path):
    for marker in ("/site-packages/", "/dist-packages/"):
        head, found, tail = path.rpartition(marker)
        if found:
            return head + marker[:-1], tail
    return None, ""


def _normal(name):
    return name.replace("-", "_").replace(".", "_").lower()


def _records(record, inside):
    try:
        with open(record, "rb") as file:
            return inside.encode() + b"," in file.read()
    except OSError:
        return False

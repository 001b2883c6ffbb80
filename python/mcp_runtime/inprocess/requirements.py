"""What installed distributions require, as far as it holds extension modules that are refused.

Reads the files of *.dist-info itself: importlib.metadata imports half of email and would cost each
session megabytes. Extras are left out, and requirements whose markers don't apply here.
"""

import _frozen_importlib_external as importlib_files
import posix
import sys

_SUFFIXES = tuple(importlib_files.EXTENSION_SUFFIXES)
# Distributions looked at for one import.
_MAXIMUM_DISTRIBUTIONS = 200
_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"


class Distributions:
    """What is installed in the directories of sys.path; read again when one of them changes."""

    def __init__(self, refuses_file):
        self._refuses_file = refuses_file
        self._folders = {}  # directory of sys.path -> (time of change, {name: dist-info folder})

    def refused_requirement(self, module, origin):
        """The name of a distribution that the one with this module needs and that does not load
        here, or None."""
        first = self._owner(module, origin)
        if first is None:
            return None
        seen, waiting = {_normal(module)}, _required(first)
        for name in waiting:
            if name in seen or len(seen) > _MAXIMUM_DISTRIBUTIONS:
                continue
            seen.add(name)
            folder = self._folder_of(name)
            if folder is None:
                continue
            if self._has_refused(folder):
                return name.replace("_", "-")
            waiting += _required(folder)
        return None

    def _folder_of(self, name):
        for directory in list(sys.path):
            folder = self._installed_in(directory).get(name)
            if folder is not None:
                return folder
        return None

    def _installed_in(self, directory):
        if type(directory) is not str or not directory:
            return {}
        try:
            changed = posix.stat(directory).st_mtime_ns
            known = self._folders.get(directory)
            if known is None or known[0] != changed:
                known = self._folders[directory] = (changed, _installed(directory))
            return known[1]
        except OSError:
            return {}

    def _owner(self, module, origin):
        """The dist-info folder of the distribution that has a top-level module."""
        for marker in ("/site-packages/", "/dist-packages/"):
            head, found, inside = origin.rpartition(marker)
            if found:
                break
        installed = self._installed_in(head + marker[:-1])
        named = installed.get(_normal(module))
        if named is not None:
            return named
        wanted = "\n" + inside + ","
        for folder in installed.values():
            if wanted in "\n" + _text(folder + "/RECORD"):
                return folder
        return None

    def _has_refused(self, folder):
        site = folder.rpartition("/")[0]
        for line in _text(folder + "/RECORD").splitlines():
            path = line.partition(",")[0]
            if path.endswith(_SUFFIXES) and not path.startswith(("..", "/")):
                if self._refuses_file(f"{site}/{path}", path.partition("/")[0]):
                    return True
        return False


def _installed(directory):
    found = {}
    for entry in posix.listdir(directory):
        if entry.endswith(".dist-info"):
            found[_normal(entry.partition("-")[0])] = f"{directory}/{entry}"
    return found


def _normal(name):
    return name.replace("-", "_").replace(".", "_").lower()


def _text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _required(folder):
    """The names in Requires-Dist of a dist-info folder that count here."""
    names = []
    for line in _text(folder + "/METADATA").splitlines():
        if not line:
            break
        if not line.startswith("Requires-Dist:"):
            continue
        requirement, _, marker = line[len("Requires-Dist:"):].strip().partition(";")
        length = 0
        while length < len(requirement) and requirement[length] in _NAME_CHARACTERS:
            length += 1
        if applies(marker):
            names.append(_normal(requirement[:length]))
    return names


def applies(marker):
    """Whether an environment marker holds here, without extras; one we can't read does."""
    marker = marker.strip()
    if not marker:
        return True
    try:
        tokens = _tokens(marker)
        value = _either(tokens)
        return value if not tokens else True
    except (ValueError, IndexError):
        return True


def _tokens(marker):
    """Words, operators, brackets and strings (with their first quote), the last one first."""
    tokens, place = [], 0
    while place < len(marker):
        character = marker[place]
        end = place + 1
        if character in "'\"":
            end = marker.index(character, end)
            tokens.append("'" + marker[place + 1:end])
            end += 1
        elif character in "<>=!~":
            while marker[end] in "<>=!~":
                end += 1
            tokens.append(marker[place:end])
        elif character in "()":
            tokens.append(character)
        elif not character.isspace():
            while end < len(marker) and (marker[end].isalnum() or marker[end] in "_."):
                end += 1
            tokens.append(marker[place:end])
        place = end
    tokens.reverse()
    return tokens


def _either(tokens):
    value = _both(tokens)
    while tokens and tokens[-1] == "or":
        tokens.pop()
        other = _both(tokens)
        value = value or other
    return value


def _both(tokens):
    value = _single(tokens)
    while tokens and tokens[-1] == "and":
        tokens.pop()
        other = _single(tokens)
        value = value and other
    return value


def _single(tokens):
    token = tokens.pop()
    if token == "(":
        value = _either(tokens)
        tokens.pop()
        return value
    left = _value(token)
    operator = tokens.pop()
    if operator == "not":
        tokens.pop()
        return left not in _value(tokens.pop())
    right = _value(tokens.pop())
    if operator == "in":
        return left in right
    return _compared(left, operator, right)


def _value(token):
    if token[0] == "'":
        return token[1:]
    uname = posix.uname()
    version = sys.version_info
    return {
        "python_version": f"{version[0]}.{version[1]}",
        "python_full_version": f"{version[0]}.{version[1]}.{version[2]}",
        "os_name": "posix", "sys_platform": sys.platform, "platform_system": uname.sysname,
        "platform_machine": uname.machine, "platform_release": uname.release,
        "implementation_name": sys.implementation.name,
        "platform_python_implementation": "CPython", "extra": "",
    }[_known(token)]


def _known(token):
    if token not in (
            "python_version", "python_full_version", "os_name", "sys_platform", "platform_system",
            "platform_machine", "platform_release", "implementation_name",
            "platform_python_implementation", "extra"):
        raise ValueError(token)
    return token


def _compared(left, operator, right):
    if operator in ("<", "<=", ">", ">=", "~="):
        first, second = _version(left), _version(right)
        return {"<": first < second, "<=": first <= second, ">": first > second,
                ">=": first >= second, "~=": first >= second}[operator]
    if right.endswith(".*"):
        same = left.startswith(right[:-1]) or left == right[:-2]
    else:
        same = left == right
    return not same if operator == "!=" else same


def _version(text):
    return tuple([int(part) for part in text.split(".") if part.isdigit()])

"""Reads from an extension module's file whether it supports a GIL of its own.

CPython asks only after dlopen(), when the libraries are mapped for good and their constructors
have run. But the answer is data: a module definition points to a table of slots, pairs of a number
and a value, ended by zeros, and a module that supports it has the pair
(Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED) among them. The table lies in
a writable section, since the other slots hold addresses. A file without such a table would be
refused by CPython too; one that shows it by chance is still asked by CPython.
"""

_MULTIPLE_INTERPRETERS = 3
_OWN_GIL_SUPPORTED = 2
_HIGHEST_SLOT = 16  # there are four; leave room for those to come
_PAIR = 16
_PATTERN = _MULTIPLE_INTERPRETERS.to_bytes(8, "little") + _OWN_GIL_SUPPORTED.to_bytes(8, "little")

_PROGRAM_BITS = 1
_WRITABLE = 1


def supports_own_gil(path):
    """False only if CPython would refuse the module; True when the file can't tell."""
    try:
        with open(path, "rb") as file:
            header = file.read(64)
            if header[:6] != b"\x7fELF\x02\x01":  # 64 bits, little end first
                return True
            return any(_has_slot_table(data) for data in _writable_sections(file, header))
    except OSError:
        return True  # the loader finds better words for it


def _number(data, offset, size=8):
    return int.from_bytes(data[offset:offset + size], "little")


def _writable_sections(file, header):
    size, count = _number(header, 58, 2), _number(header, 60, 2)
    file.seek(_number(header, 40))
    table = file.read(size * count)
    for start in range(0, len(table), size or 64):
        kind, flags = _number(table, start + 4, 4), _number(table, start + 8)
        if kind == _PROGRAM_BITS and flags & _WRITABLE:
            file.seek(_number(table, start + 24))
            yield file.read(_number(table, start + 32))


def _has_slot_table(data):
    place = data.find(_PATTERN)
    while place >= 0:
        if place % 8 == 0 and _is_slot_table(data, place):
            return True
        place = data.find(_PATTERN, place + 1)
    return False


def _is_slot_table(data, place):
    """A run of pairs with different small numbers, ended by zeros, with more than this one."""
    start = place
    while start >= _PAIR and 0 < _number(data, start - _PAIR) <= _HIGHEST_SLOT:
        start -= _PAIR
    numbers = []
    while 0 < _number(data, start) <= _HIGHEST_SLOT:
        numbers.append(_number(data, start))
        start += _PAIR
    ends = data[start:start + _PAIR] == bytes(_PAIR)
    return ends and len(numbers) > 1 and len(set(numbers)) == len(numbers)

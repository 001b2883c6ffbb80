"""Changes modules at the moment they are imported, so that nothing is imported to be changed.

A session's interpreter begins with some twenty modules; everything else arrives when a cell
imports it. Patches are kept by module name and applied to what is loaded already, and to the rest
right after its loader has run. The hook sits in importlib's own `_load_unlocked` and not on
`sys.meta_path`: session code owns that list and may empty it, and nobody expects to find us there.
"""

import _frozen_importlib as importlib_core
import sys


class Patches:
    """What to do around the import of single modules. Made once in each interpreter."""

    def __init__(self):
        self._before = {}
        self._after = {}
        self._whenever = []
        self._failed = []
        self.failures = []

    def before_import(self, name, check):
        """`check(spec)` runs before the module's loader and may raise to refuse it."""
        self._before[name] = check

    def after_import(self, name, patch):
        """`patch(module)` runs now if the module is loaded, and after each time it is."""
        previous = self._after.get(name)
        if previous is not None:
            first, second = previous, patch

            def patch(module):
                first(module)
                second(module)

        self._after[name] = patch
        module = sys.modules.get(name)
        if module is not None:
            (second if previous is not None else patch)(module)

    def after_every_import(self, listener):
        """`listener(spec, module)` hears of every module that was loaded."""
        self._whenever.append(listener)

    def after_failure(self, listener):
        """`listener(name)` hears of every module whose loading raised."""
        self._failed.append(listener)

    def install(self):
        original = importlib_core._load_unlocked
        before, after, failures = self._before, self._after, self.failures
        whenever, failed = self._whenever, self._failed

        def _load_unlocked(spec):
            name = spec.name
            check = before.get(name)
            if check is not None:
                check(spec)
            try:
                module = original(spec)
            except BaseException:
                for listener in failed:
                    listener(name)
                raise
            patch = after.get(name)
            if patch is not None:
                try:
                    patch(module)
                except Exception as error:
                    # A CPython that differs from what we know must still import its modules.
                    failures.append((name, error))
            for listener in whenever:
                listener(spec, module)
            return module

        # Python cuts importlib's own frames out of tracebacks by their file name. Ours stands in
        # the middle of them and has to carry the same one, or it would show up and spoil the cut.
        _load_unlocked.__code__ = _load_unlocked.__code__.replace(
            co_filename=original.__code__.co_filename)
        importlib_core._load_unlocked = _load_unlocked

"""The whole table."""

from __future__ import annotations

from tests.hostile.escapes.case import Case, Kind
from tests.hostile.escapes.cases.bombs import BOMBS
from tests.hostile.escapes.cases.clocks import CLOCKS
from tests.hostile.escapes.cases.floods import FLOODS
from tests.hostile.escapes.cases.kernel import KERNEL
from tests.hostile.escapes.cases.network import NETWORK
from tests.hostile.escapes.cases.others import OTHERS
from tests.hostile.escapes.cases.processes import PROCESSES
from tests.hostile.escapes.cases.reading import READING
from tests.hostile.escapes.cases.server import SERVER
from tests.hostile.escapes.cases.wire import WIRE
from tests.hostile.escapes.cases.writing import WRITING

KINDS: tuple[Kind, ...] = (READING, OTHERS, SERVER, WRITING, NETWORK, PROCESSES, KERNEL, BOMBS, CLOCKS, WIRE, FLOODS)
CASES: tuple[Case, ...] = tuple(case for kind in KINDS for case in kind.cases)

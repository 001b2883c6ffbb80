"""A small bitmap font for the axes and titles of curves: 5 × 7 dots, printable ASCII.

A glyph is five columns from left to right; in each the lowest bit is the top row. The eighth row
holds descenders. Drawn for this program.
"""

# ruff: noqa: SIM905  (a table is read by its rows)
from __future__ import annotations

WIDTH, HEIGHT = 5, 8
SPACING = 1

_COLUMNS = (
    "0000000000 00005f0000 0007000700 147f147f14 242a7f2a12 2313086462 3649552250 0000070000 "
    "001c224100 0041221c00 2a1c7f1c2a 08083e0808 0080600000 0808080808 0000606000 2010080402 "
    "3e5149453e 00427f4000 4261514946 2141454b31 1814127f10 2745454539 3c4a494930 0171090503 "
    "3649494936 064949291e 0000363600 0080560000 0814224100 1414141414 0041221408 0201510906 "
    "324979413e 7e1111117e 7f49494936 3e41414122 7f4141221c 7f49494941 7f09090901 3e4149497a "
    "7f0808087f 00417f4100 2040413f01 7f08142241 7f40404040 7f020c027f 7f0408107f 3e4141413e "
    "7f09090906 3e4151215e 7f09192946 4649494931 01017f0101 3f4040403f 0718601807 3f4038403f "
    "6314081463 0708700807 6151494543 007f414100 0204081020 0041417f00 0402010204 4040404040 "
    "0001020400 2054545478 7f48444438 3844444420 384444487f 3854545418 087e090102 18a4a4a47c "
    "7f08040478 00447d4000 4080847d00 7f10284400 00417f4000 7c04180478 7c08040478 3844444438 "
    "fc24242418 18242428fc 7c08040408 4854545420 043f444020 3c4040207c 1c2040201c 3c4030403c "
    "4428102844 1ca0a0a07c 4464544c44 0008364100 00007f0000 0041360800 0804081008"
).split()

GLYPHS = {chr(32 + place): bytes.fromhex(text) for place, text in enumerate(_COLUMNS)}


def width_of(text: str, scale: int) -> int:
    return max(0, len(text) * (WIDTH + SPACING) - SPACING) * scale


def dots(text: str) -> list[tuple[int, int]]:
    """(column, row) of every dot of a text; what the font lacks becomes a question mark."""
    found = []
    for place, character in enumerate(text):
        for column, bits in enumerate(GLYPHS.get(character, GLYPHS["?"])):
            for row in range(HEIGHT):
                if bits >> row & 1:
                    found.append((place * (WIDTH + SPACING) + column, row))
    return found

"""Formats of dates and times: what each directive matches, as a regular expression.

Guarantee: a format is explicit. Directives match ASCII digits and stated words only, so Python's
`re` and Polars match the same strings; what a format cannot decide is refused when it is defined.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from dagrun.stages.ops.errors import FeatureDefinitionError

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DIGITS = "0123456789"


def _spelled(words: Sequence[str], first: int) -> dict[str, int]:
    """Number words from `first`, each as written, in capitals and in small letters."""
    cases = ((word, word.upper(), word.lower()) for word in words)
    return {one: place for place, ones in enumerate(cases, first) for one in ones}


WORDS: dict[str, Mapping[str, int]] = {
    "B": _spelled(_MONTHS, 1),
    "b": _spelled([month[:3] for month in _MONTHS], 1),
    "p": _spelled(["AM", "PM"], 0),
    "z": {"+": 1, "-": -1},
}
"""The number of each word that a directive matches; of an offset, its sign."""
_WIDTHS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2, "f": 6}
_DIRECTIVES = (*_WIDTHS, *WORDS, "%")
_PART = {"y": "Y", "b": "m", "B": "m", "I": "H"}
"""Directives that say what another one says."""
DATE = frozenset("YymbBd")
"""Directives of a date."""


@lru_cache(maxsize=64)
def pattern(form: str) -> tuple[str, tuple[str, ...]]:
    """Return the regular expression of a format, and what each of its groups holds.

    An offset has three groups: its sign z, hours zh and minutes zm. Raises
    `FeatureDefinitionError` for a directive that is unknown, double or missing.
    """
    pieces = re.findall(r"%(.?)|([^%]+)", form, re.DOTALL)
    made: list[str] = []
    groups: list[str] = []
    for place, (directive, text) in enumerate(pieces):
        if text or directive == "%":
            made.append(re.escape(text or "%"))
        elif directive not in _DIRECTIVES:
            known = " ".join(f"%{one}" for one in _DIRECTIVES)
            raise wrong(form, f"there is no directive %{directive}; there are {known}")
        elif directive == "z":
            made.append("(?:Z|([+-])([0-9]{2}):?([0-9]{2}))")
            groups += ["z", "zh", "zm"]
        else:
            before, after = ("", *pieces)[place], (*pieces, "")[place + 1]
            tight = bool((before and _abuts(before, -1)) or (after and _abuts(after, 0)))
            made.append(f"({_group(directive, tight)})")
            groups.append(directive)
    parts = [_PART.get(directive, directive) for directive in groups]
    if len(set(parts)) < len(parts):
        raise wrong(form, "a part of the date or time stands in it twice")
    if not {"Y", "m", "d"} <= set(parts):
        raise wrong(form, "it needs a year, a month and a day")
    if ("I" in groups) != ("p" in groups):
        raise wrong(form, "%I and %p go together; %H is the hour from 0 to 23")
    return f"^{''.join(made)}$", tuple(groups)


def _abuts(piece: tuple[str, str], edge: int) -> bool:
    directive, text = piece
    return directive in _WIDTHS or (bool(text) and text[edge] in _DIGITS)


def _group(directive: str, tight: bool) -> str:
    if directive in WORDS:
        return "|".join(sorted(WORDS[directive], key=lambda word: (-len(word), word)))
    width = _WIDTHS[directive]
    return f"[0-9]{{{width}}}" if tight or directive in "Yy" else f"[0-9]{{1,{width}}}"


def wrong(form: str, problem: str) -> FeatureDefinitionError:
    """Return the error that says what is wrong with a format."""
    return FeatureDefinitionError(f"format {form!r}", problem)

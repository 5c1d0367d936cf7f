"""Regular expressions that mean the same in Polars and in Python."""

from __future__ import annotations

import re

_DIFFERENT = re.compile(
    r"\\[wWdDsSbBpPAzZG0-9kgux]|(?<!\\)\$|\(\?(?!:)|\[\[|\[[^\]]*(&&|--|~~)|[+*?}][+?]"
)
"""Classes that follow Unicode, ends, flags and look-around, set operations, lazy and possessive
repetitions."""


def is_shared(pattern: str) -> bool:
    """Tell whether a pattern holds only what both engines understand alike."""
    return _DIFFERENT.search(pattern) is None

"""Words: how a text is taken apart, by a table of code points and nothing else.

A word is a longest run of code points that separate nothing. These separate:

| code points | what they are |
|---|---|
| U+0000 to U+007F, but not `0`-`9`, `A`-`Z`, `a`-`z`, `_` | ASCII controls, space, punctuation |
| U+0080 to U+00BF, but not `ª`, `µ`, `º`; `×`, `÷` | Latin-1 controls, punctuation, signs |
| U+1680, U+FEFF, U+FFFD | Ogham space, byte order mark, replacement character |
| U+2000 to U+2BFF | spaces, dashes, quotes, currencies, arrows, mathematics, symbols |
| U+3000 to U+3004, U+3008 to U+3020, U+3030 | CJK space and punctuation |
| U+FF01 to U+FF0F, U+FF1A to U+FF20, U+FF3B to U+FF40, U+FF5B to U+FF65 | the same, full width |
| U+1F000 to U+1FAFF | emoji and pictographs |

When lower case is asked for, the letters of U+0041 to U+024F (Latin), U+0370 to U+03FF (Greek) and
U+0400 to U+052F (Cyrillic) are lowered first, each that has one lower-case letter of its own by the
Unicode Character Database; Unicode never changes these. All other letters stay as they are.

Guarantee: the words of a text depend on these lines alone: no regular expression engine and no
version of Unicode. The limit: scripts without spaces (Chinese, Japanese, Thai) give whole
clauses, and a letter with a combining mark differs from the composed letter.
"""

from __future__ import annotations

from itertools import chain

_KEPT = frozenset(b"0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz\xaa\xb5\xba")
_SPACE = 0x20
SEPARATORS = frozenset(
    chain(
        (code for code in range(0xC0) if code not in _KEPT),
        (0xD7, 0xF7, 0x1680, 0xFEFF, 0xFFFD, 0x3030),
        range(0x2000, 0x2C00),
        range(0x3000, 0x3005),
        range(0x3008, 0x3021),
        range(0xFF01, 0xFF10),
        range(0xFF1A, 0xFF21),
        range(0xFF3B, 0xFF41),
        range(0xFF5B, 0xFF66),
        range(0x1F000, 0x1FB00),
    )
)
"""The code points that separate words."""

LOWERED = {
    code: ord(lower)
    for code in chain(range(0x41, 0x250), range(0x370, 0x530))
    if len(lower := chr(code).lower()) == 1 and ord(lower) != code
}
"""The code points that have a lower case, and which."""

_BREAKS = dict.fromkeys(SEPARATORS, _SPACE)
_TABLES = {False: _BREAKS, True: {**LOWERED, **_BREAKS}}
_ASCII = {
    lower: bytes(table.get(code, code) for code in range(0x80)) + bytes(0x80)
    for lower, table in _TABLES.items()
}


def words(text: str, lower: bool) -> list[str]:
    """Return the words of a text in order, perhaps with empty strings in between."""
    if text.isascii():  # by the same table, a few times faster; no other ASCII space is left
        return text.encode().translate(_ASCII[lower]).decode().split()
    return text.translate(_TABLES[lower]).split(" ")

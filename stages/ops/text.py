"""The op that brings strings to one spelling: norm_text.

Guarantee: both twins look every code point up in one table, so they agree whatever version of
Unicode Python and Polars follow. (Their own lower-casing does not: it differs between Python 3.11
and Polars 2.1 at 55 code points and in 166 contexts around a final sigma.) The table holds the
characters of Unicode 3.2 and the German capital sharp s, whose folding and decomposition no later
version may change. The limit: newer letters stay as they are, and no other normal form is made.
"""

# ruff: noqa: D102 - the twins are documented at `Op`

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.define import Features, Source, each
from dagrun.stages.ops.kind import TEXT
from dagrun.stages.ops.op import Names, Op

SPACES = "\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What counts as white space, as a class of a regular expression: what `str.split` splits at."""
_MARKS = range(0x300, 0x370)
_LAST = 0x10450
"""Unicode 3.2 has no letter with case or marks from here on."""
_LETTERS = str.maketrans(
    {
        "Æ": "AE",
        "æ": "ae",
        "Œ": "OE",
        "œ": "oe",
        "ẞ": "SS",
        "ß": "ss",
        "Þ": "TH",
        "þ": "th",
        "Ø": "O",
        "ø": "o",
        "Ł": "L",
        "ł": "l",
        "Đ": "D",
        "đ": "d",
        "Ð": "D",
        "ð": "d",
        "Ħ": "H",
        "ħ": "h",
        "Ŧ": "T",
        "ŧ": "t",
        "ı": "i",
    }
)
"""Letters that people take for accented ones, but that Unicode does not decompose."""


@lru_cache(maxsize=4)
def spelling(casefold: bool, strip_accents: bool) -> Mapping[str, str]:
    """Return what each character becomes, without those that stay."""
    table: dict[str, str] = {}
    for character in map(chr, range(_LAST)):
        made = character.casefold() if casefold else character
        if strip_accents:
            made = "".join(map(_bare, made))
        if made != character and (character == "ẞ" or _old(character)):
            table[character] = made
    return table


def _old(character: str) -> bool:
    return unicodedata.ucd_3_2_0.category(character) != "Cn"


def _bare(character: str) -> str:
    """Return a character without marks: a letter's base letter, nothing for a mark itself."""
    letter, *marks = list(unicodedata.normalize("NFD", character))
    if ord(letter) in _MARKS:
        return ""
    if not all(ord(mark) in _MARKS for mark in marks) or not letter.isalpha():
        return character
    return letter.translate(_LETTERS) if marks or ord(letter) < _MARKS.start else character


@dataclass(frozen=True, slots=True, kw_only=True)
class NormText(Op):
    """The string without outer white space, inner runs of it as one space, in one spelling.

    `casefold` removes the distinction of case by full case folding, one code point at a time
    and without regard to language or place: "STRASSE" and "Straße" become "strasse", every
    sigma "σ", "İ" an "i" and a dot above. `strip_accents` replaces a letter that decomposes
    into a base letter and marks of U+0300 to U+036F by the base letter, removes these marks
    where they stand alone, and spells Æ Œ ß Þ as two letters, Ø Ł Đ Ð Ħ Ŧ and dotless i as one.
    Null stays null; a string of white space becomes "". Twin: `tf.strings.lower`, scikit-learn
    `CountVectorizer(lowercase=True, strip_accents="unicode")`.
    """

    op = "norm_text"
    takes = (TEXT,)
    gives = "string"
    casefold: bool
    strip_accents: bool

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        spaced = x[0].str.replace_all(f"[{SPACES}]+", " ").str.strip_chars(" ")
        table = spelling(self.casefold, self.strip_accents)
        return spaced.str.replace_many(list(table), list(table.values())) if table else spaced

    def row(self, x: Names) -> str:
        return f"{x.bind(self.speller(), 'norm_text')}({x[0]})"

    def speller(self) -> Callable[[str | None], str | None]:
        """Return the row twin as a function."""
        table = str.maketrans(dict(spelling(self.casefold, self.strip_accents)))

        def spell(text: str | None) -> str | None:
            return None if text is None else " ".join(text.split()).translate(table)

        return spell


@checked
def norm_text(
    *columns: Source,
    casefold: bool = True,
    strip_accents: bool = False,
    name: str | None = None,
) -> Features:
    """Bring strings to one spelling: white space, case, and accents if wanted."""
    op = NormText(casefold=casefold, strip_accents=strip_accents)
    return each(op, columns, name, "normal")

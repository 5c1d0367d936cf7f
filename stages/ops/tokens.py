"""tokens: how often each word of a vocabulary, or each bucket of words, stands in a text.

What a word is stands in `dagrun.stages.ops.words`. Both twins count by the same function; counts
are whole numbers, and a weight is multiplied once, so no order of words or rows shows in a result.
"""

# ruff: noqa: D102 - the twins are documented at `Op`

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Literal, Self
from zlib import crc32

import numpy as np
import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.category import MOST_COLUMNS
from dagrun.stages.ops.define import Features, Source, each, whole
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.hashing import FACTOR, MASK
from dagrun.stages.ops.kind import TEXT
from dagrun.stages.ops.op import Names, Op
from dagrun.stages.ops.table import Scalar, Table, make_table
from dagrun.stages.ops.training import Training
from dagrun.stages.ops.vector import taken_apart
from dagrun.stages.ops.words import words

Weighing = Literal["count", "flag", "tfidf"]
Places = Callable[[str], list[int]]
"""From a text to the place in the vector of each of its words, past the end for one without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted(Op):
    """A number per word or bucket of words; a null text gives null, one without words zeros."""

    takes = (TEXT,)
    gives = "vector"
    vouched = (("python-function", "each text is counted by itself, whatever chunk it comes in"),)
    lower: bool
    how: Weighing

    def names(self) -> tuple[str, ...]:
        """Return the name of each number."""
        raise NotImplementedError

    def places(self) -> Places:
        """Return the function by which both twins find words."""
        raise NotImplementedError

    def weights(self) -> tuple[float, ...]:
        """Return what each count is multiplied by, where `how` is "tfidf"."""
        return ()

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        names = self.names()
        vector = pl.Struct(dict.fromkeys(names, pl.Float32()))
        find = partial(_count_texts, names, self.places(), self.how, self.weights())
        found = x[0].map_batches(find, vector, is_elementwise=True)
        return pl.when(x[0].is_not_null()).then(found)

    def row(self, x: Names) -> str:
        width = len(self.names())
        count = _row_counter(width, self.places(), self.how, self.weights())
        nulls = x.bind((math.nan,) * width, "nulls")
        return f"{nulls} if {x[0]} is None else {x.bind(count, f'{x[0]}_counts')}({x[0]})"


def _count_texts(
    names: Sequence[str],
    places: Places,
    how: Weighing,
    weights: Sequence[float],
    texts: pl.Series,
) -> pl.Series:
    found = [places(text) if text else [] for text in texts.to_list()]
    flat = np.fromiter(chain.from_iterable(found), np.int64)
    rows = np.repeat(np.arange(len(found)), [len(one) for one in found])
    made = np.zeros((len(names) + 1, len(found)), np.float32)
    if how == "flag":
        made[flat, rows] = 1.0
    else:
        np.add.at(made, (flat, rows), np.float32(1.0))
    columns = {}
    for place, name in enumerate(names):
        column = made[place]
        if how == "tfidf":
            column = (column.astype(np.float64) * weights[place]).astype(np.float32)
        columns[name] = pl.Series(column)
    return pl.DataFrame(columns).to_struct()


def _row_counter(
    width: int, places: Places, how: Weighing, weights: Sequence[float]
) -> Callable[[str], list[float]]:
    zeros = [0.0] * (width + 1)

    def count(text: str) -> list[float]:
        made = zeros.copy()
        for place in places(text):
            made[place] += 1.0
        made.pop()
        return made

    def flag(text: str) -> list[float]:
        made = zeros.copy()
        for place in places(text):
            made[place] = 1.0
        made.pop()
        return made

    def weigh(text: str) -> list[float]:
        made, found = zeros.copy(), places(text)
        for place in found:
            made[place] += 1.0
        made.pop()
        for place in set(found):
            if place < width:
                made[place] *= weights[place]
        return made

    return {"count": count, "flag": flag, "tfidf": weigh}[how]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens(Counted):
    """A number per word of a vocabulary; other words do not count.

    The vocabulary holds the words that stand most often in the training rows, of equally frequent
    ones those that come first in code point order; its numbers come in that order. Count: how
    often the word stands in the text. Flag: 1 when it does. Tfidf: count * idf, where idf =
    ln((1 + n) / (1 + d)) + 1 for a word that d of the n training texts hold.
    Twin: scikit-learn `CountVectorizer(max_features=...)`, `CountVectorizer(binary=True)`,
    `TfidfVectorizer(norm=None)`; `tft.vocabulary(top_k=...)` with `tft.bag_of_words`. These have
    other words: scikit-learn drops those of one letter.
    """

    op = "tokens"
    most: int
    vocabulary: Table | None = None

    def fit(self, train: Training) -> Self:
        texts = train.counts()
        times = _tally(texts, self.lower, once=False)
        if not times:
            raise train.error("its column has no word in the training rows")
        kept = sorted(times, key=lambda word: (-times[word], word))[: self.most]
        weights = dict.fromkeys(kept, 1.0)
        if self.how == "tfidf":
            count, holding = 1 + texts.total(), _tally(texts, self.lower, once=True)
            weights = {word: math.log(count / (1 + holding[word])) + 1.0 for word in kept}
        entries: dict[tuple[Scalar, ...], float] = {(w,): weight for w, weight in weights.items()}
        return replace(self, vocabulary=make_table(entries))

    def names(self) -> tuple[str, ...]:
        assert self.vocabulary is not None
        return tuple(str(word) for word in self.vocabulary.keys[0])

    def places(self) -> Places:
        find = {word: place for place, word in enumerate(self.names())}.get
        lower, none = self.lower, len(self.names())
        return lambda text: [find(word, none) for word in words(text, lower)]

    def weights(self) -> tuple[float, ...]:
        assert self.vocabulary is not None
        return tuple(value for value in self.vocabulary.values if isinstance(value, float))


def _tally(texts: Mapping[Scalar, int], lower: bool, once: bool) -> Counter[str]:
    """Return how often each word stands in the rows, or (`once`) how many rows hold it."""
    alike: dict[int, list[str]] = {}
    for text, rows in texts.items():
        alike.setdefault(rows, []).append(str(text))
    total = Counter[str]()
    for rows, group in alike.items():
        found: Iterable[Iterable[str]] = (words(text, lower) for text in group)
        for word, times in Counter(chain.from_iterable(map(set, found) if once else found)).items():
            total[word] += times * rows
    del total[""]
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedTokens(Counted):
    """A number per bucket of words, a word's bucket being that of `dagrun.stages.ops.hashing`.

    Nothing is learnt from the training rows, and no word is unseen. Count: how many words of the
    bucket stand in the text. Flag: 1 when one does.
    Twin: scikit-learn `HashingVectorizer(alternate_sign=False, norm=None)`, which hashes otherwise.
    """

    op = "hashed_tokens"
    buckets: int
    seed: int

    def names(self) -> tuple[str, ...]:
        return tuple(str(place) for place in range(self.buckets))

    def places(self) -> Places:
        lower, seed, none = self.lower, self.seed, self.buckets
        return lambda text: [
            (crc32(word.encode(), seed) * FACTOR & MASK) * none >> 32 if word else none
            for word in words(text, lower)
        ]


@checked
def tokens(
    *columns: Source,
    vocabulary: int | None = None,
    hashing: int | None = None,
    how: Weighing = "count",
    lower: bool = True,
    seed: int = 0,
    name: str | None = None,
) -> Features:
    """Count the words of texts: features `column_tokens=word`, or `column_tokens=0`, ...

    Either `vocabulary`, how many of the most frequent words of the training rows to keep, or
    `hashing`, into how many buckets to put all words (`seed` shares them out anew). `how` is
    "count", "flag" or, with a vocabulary, "tfidf". `lower` turns Latin, Greek and Cyrillic letters
    to lower case first.
    """
    if (vocabulary is None) == (hashing is None):
        raise FeatureDefinitionError("tokens", "give either vocabulary=... or hashing=...")
    op: Counted
    if vocabulary is not None:
        most = whole("tokens", "vocabulary", vocabulary, 1, MOST_COLUMNS)
        op = Tokens(most=most, lower=lower, how=how)
    elif how == "tfidf":
        raise FeatureDefinitionError("tokens", "tfidf needs a vocabulary, to know its words' rows")
    else:
        buckets = whole("tokens", "hashing", hashing or 0, 1, MOST_COLUMNS)
        chosen = whole("tokens", "seed", seed, 0, MASK)
        op = HashedTokens(buckets=buckets, seed=chosen, lower=lower, how=how)
    return taken_apart(each(op, columns, name, "tokens"), whole_numbers=how != "tfidf")

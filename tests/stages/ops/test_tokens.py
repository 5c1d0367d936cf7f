"""tokens: what a word is, which words are kept, what they weigh, and that both twins agree."""

from __future__ import annotations

import math
import re
import sys

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_parity import RUNS, assert_twins, fitted

from dagrun.engine.canonical import digest
from dagrun.stages import features as f
from dagrun.stages.ops.errors import CannotFit, FeatureDefinitionError
from dagrun.stages.ops.hashing import bucket
from dagrun.stages.ops.words import LOWERED, SEPARATORS, words

TEXTS = pl.DataFrame(
    {"s": ["The cat, the CAT!", "a dog\x00a  dog", "Ünïcode—ÜNÏCODE", "", "?!", None, "The dog"]}
)
texts = st.one_of(
    st.none(),
    st.text(),
    st.text(alphabet="aAbB éÉ,.—\u0301\u00a0\u2028\x1f\x00İßẞ😀日本"),
    st.lists(st.sampled_from(["the", "The", "dog", "Ω", "ω", "e\u0301", "_x1"])).map(" ".join),
)


def frame_of(values: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame({"s": values}, schema={"s": pl.String})


text_frames = st.lists(texts, max_size=10).map(frame_of)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Don't panic_2, OK?", ["don", "t", "panic_2", "ok"]),
        ("a\x00b\tc\u00a0d\u2014e\u3000f\u200bg", ["a", "b", "c", "d", "e", "f", "g"]),
        ("ÀÉ Ω Ж ß İ ẞ", ["àé", "ω", "ж", "ß", "İ", "ẞ"]),
        ("東京、大阪 😀x😀", ["東京", "大阪", "x"]),
        ("e\u0301", ["e\u0301"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert [word for word in words(text, lower=True) if word] == expected


def test_the_tables_are_frozen() -> None:
    """A change of either would be another op: a new version, with both rules kept."""
    tables = [sorted(SEPARATORS), [list(pair) for pair in sorted(LOWERED.items())]]
    assert (len(SEPARATORS), len(LOWERED)) == (6089, 430)
    assert digest("words", tables)[:16] == "a2769a58be2b941e"


def test_no_character_that_unicode_calls_a_space_is_part_of_a_word() -> None:
    spaces = [code for code in range(sys.maxunicode + 1) if chr(code).isspace()]
    assert set(spaces) <= SEPARATORS


def test_ascii_words_are_those_of_a_regular_expression() -> None:
    ascii_text = "".join(map(chr, range(128))) * 2
    assert [word for word in words(ascii_text, False) if word] == re.findall(
        r"\w+", ascii_text, re.ASCII
    )


def counted(**settings: object) -> dict[str, list[object]]:
    spec = f.feature_set(f.tokens("s", name="w", **settings)).fit(TEXTS)  # type: ignore[arg-type]
    assert_twins(spec, TEXTS)
    return spec.transform(TEXTS).to_dict(as_series=False)


def test_counts_of_the_most_frequent_words_in_code_point_order() -> None:
    # "dog" and "the" stand three times, "a", "cat" and "ünïcode" twice: of these "a" comes first
    assert counted(vocabulary=3) == {
        "w=a": [0, 2, 0, 0, 0, None, 0],
        "w=dog": [0, 2, 0, 0, 0, None, 1],
        "w=the": [2, 0, 0, 0, 0, None, 1],
    }
    assert list(counted(vocabulary=99)) == ["w=a", "w=cat", "w=dog", "w=the", "w=ünïcode"]


def test_flags_and_weights() -> None:
    assert counted(vocabulary=1, how="flag") == {"w=dog": [0, 1, 0, 0, 0, None, 1]}
    (weighed,) = counted(vocabulary=1, how="tfidf").values()
    idf = math.log((1 + 6) / (1 + 2)) + 1
    assert weighed == [0, pytest.approx(2 * idf), 0, 0, 0, None, pytest.approx(idf)]


def test_case_may_count() -> None:
    assert set(counted(vocabulary=99, lower=False)) >= {"w=The", "w=the", "w=CAT", "w=cat"}


def test_buckets_are_those_of_hash_bucket() -> None:
    made = counted(hashing=8, seed=3)
    assert list(made) == [f"w={i}" for i in range(8)]
    expected = [0] * 8
    for word in ("the", "cat", "the", "cat"):
        expected[bucket(word.encode(), 8, 3)] += 1
    assert [column[0] for column in made.values()] == expected
    assert [column[3:6] for column in made.values()] == [[0, 0, None]] * 8


@RUNS
@given(train=text_frames, frame=text_frames)
def test_twins(train: pl.DataFrame, frame: pl.DataFrame) -> None:
    features = f.feature_set(
        f.tokens("s", vocabulary=5),
        f.tokens("s", vocabulary=3, how="tfidf", lower=False, name="cased"),
        f.tokens("s", hashing=7, how="flag", seed=9, name="hashed"),
    )
    spec = fitted(features, train)
    assert_twins(spec, pl.concat([train, frame]))
    again = f.FeatureSpec.from_bytes(spec.to_bytes(), spec.tables)
    assert (again, again.digest) == (spec, spec.digest)


def test_a_large_vocabulary_is_a_blob_and_the_order_of_rows_does_not_count() -> None:
    many = frame_of([f"word{i} word{i // 2} Ähnlich" for i in range(600)])
    features = f.feature_set(f.tokens("s", vocabulary=500, how="tfidf"))
    spec = features.fit(many)
    assert len(spec.tables) == 1
    assert features.fit(many.sample(fraction=1.0, shuffle=True, seed=1)).digest == spec.digest
    assert_twins(spec, many[:9])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "either vocabulary=... or hashing=..."),
        ({"vocabulary": 9, "hashing": 9}, "either vocabulary"),
        ({"vocabulary": 0}, "vocabulary is a whole number from 1 to 10000, not 0"),
        ({"hashing": 20_000}, "hashing is a whole number"),
        ({"hashing": 8, "how": "tfidf"}, "tfidf needs a vocabulary"),
        ({"vocabulary": 9, "how": "binary"}, "how must be one of"),
        ({"hashing": 8, "seed": -1}, "seed"),
    ],
)
def test_told_at_definition(settings: dict[str, object], message: str) -> None:
    with pytest.raises(FeatureDefinitionError, match=message):
        f.tokens("s", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [[None, None], ["", "?!"]])
def test_texts_without_words_cannot_be_fitted(values: list[str | None]) -> None:
    with pytest.raises(CannotFit):
        f.feature_set(f.tokens("s", vocabulary=5)).fit(frame_of(values))


def test_vectors_cannot_feed_other_ops() -> None:
    with pytest.raises(FeatureDefinitionError, match="several columns"):
        f.feature_set(f.standardize(f.tokens("s", vocabulary=5))).fit(TEXTS)

"""norm_text: one table for both twins, and why neither library's lower-casing would do."""

from __future__ import annotations

import hashlib
import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_parity import RUNS, assert_twins, fitted, frames

from dagrun.stages import features as f
from dagrun.stages.ops.text import NormText, spelling

OPTIONS = [(fold, strip) for fold in (True, False) for strip in (True, False)]
EVERY = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
tricky = st.text(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from(list("ΣσςßẞıİiIéÉøŁ \t\n\x1c\x1f\x85\xa0\u2003\u200b\u3000\u0301\u0345")),
    ),
    max_size=12,
)


def batch(op: NormText, texts: list[str | None]) -> list[str | None]:
    frame = pl.DataFrame({"s": pl.Series(texts, dtype=pl.String)})
    return frame.select(op.batch([pl.col("s")])).to_series().to_list()


@pytest.mark.parametrize(("fold", "strip"), OPTIONS)
@RUNS
@given(train=frames(least=3), frame=frames())
def test_the_twins_agree(fold: bool, strip: bool, train: pl.DataFrame, frame: pl.DataFrame) -> None:
    features = f.feature_set(f.ordinal(f.norm_text("s", "t", casefold=fold, strip_accents=strip)))
    assert_twins(fitted(features, train), pl.concat([train[:4], frame]))


@pytest.mark.parametrize(("fold", "strip"), OPTIONS)
@RUNS
@given(texts=st.lists(tricky, min_size=1, max_size=20))
def test_the_twins_give_the_same_strings(fold: bool, strip: bool, texts: list[str]) -> None:
    op = NormText(casefold=fold, strip_accents=strip)
    assert batch(op, texts) == [op.speller()(text) for text in texts]


@pytest.mark.parametrize(("fold", "strip"), OPTIONS)
def test_the_twins_agree_on_every_character(fold: bool, strip: bool) -> None:
    op = NormText(casefold=fold, strip_accents=strip)
    spell = op.speller()
    texts = [f"{one}a{one}B" for one in EVERY]
    assert batch(op, texts) == [spell(text) for text in texts]


def test_the_table_is_the_same_under_every_python() -> None:
    digests = [
        hashlib.sha256(ascii(sorted(spelling(*options).items())).encode()).hexdigest()[:12]
        for options in OPTIONS
    ]
    assert digests == PINNED


PINNED = ["35ac45186ae0", "4f296e141aac", "39d88455892e", "4f53cda18c2b"]


def test_folding_is_that_of_unicode() -> None:
    table = spelling(True, False)
    assert all(made == one.casefold() for one, made in table.items())
    unfolded = [one for one in EVERY if one.casefold() != one and one not in table]
    old = unicodedata.ucd_3_2_0
    assert [one for one in unfolded if old.category(one) not in ("Cn", "Co")] == []


def test_spelling_is_brought_to_one_form() -> None:
    op = NormText(casefold=True, strip_accents=True)
    cases = {
        "  New\tYork\r\n": "new york",
        "STRASSE": "strasse",
        "Straße": "strasse",
        "STRAẞE": "strasse",
        "ΟΔΥΣΣΕΥΣ": "οδυσσευσ",
        "οδυσσεύς": "οδυσσευσ",
        "São Paulo": "sao paulo",
        "Sa\u0303o\xa0\u2003Paulo": "sao paulo",
        "Łódź, Ærø, İzmir, ılık": "lodz, aero, izmir, ilik",
        "Й": "и",
        "हिन्दी": "हिन्दी",
        "가 が ≠ Å": "가 が ≠ a",
        "東京": "東京",
        "A\x00B": "a\x00b",
        " \u3000": "",
        "": "",
    }
    assert batch(op, [*cases, None]) == [*cases.values(), None]


def test_options() -> None:
    assert batch(NormText(casefold=False, strip_accents=True), ["Élan  Ø"]) == ["Elan O"]
    assert batch(NormText(casefold=True, strip_accents=False), ["Élan  Ø"]) == ["élan ø"]
    assert batch(NormText(casefold=False, strip_accents=False), [" É  a "]) == ["É a"]


def test_once_is_enough() -> None:
    for fold, strip in OPTIONS:
        op = NormText(casefold=fold, strip_accents=strip)
        once = batch(op, EVERY)
        assert batch(op, once) == once

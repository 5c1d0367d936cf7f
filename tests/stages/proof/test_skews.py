"""Each of forty planted skews is caught, by the golden rows or by the proof; nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from skews_list import SKEWS
from skews_twins import Skew
from tests_skews import look, make

from dagrun.stages.bundle import Bundle
from dagrun.stages.features import standardize

PAGE = Path(__file__).parents[3] / "docs" / "skews.md"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return make()


@pytest.mark.parametrize("skew", SKEWS, ids=lambda skew: f"{skew.where}: {skew.name}")
def test_a_planted_skew_is_caught(bundle: Bundle, skew: Skew) -> None:
    seen = look(bundle, skew)
    assert seen.golden or seen.proof


def test_where_nothing_is_planted_nothing_is_seen(bundle: Bundle) -> None:
    for proved in {skew.proved: None for skew in SKEWS}:
        seen = look(bundle, Skew(name="none", where="nowhere", proved=proved or standardize("x")))
        assert (seen.golden, seen.proof) == ("", "")


def test_the_page_lists_these_forty() -> None:
    page = PAGE.read_text("utf-8")
    assert len(SKEWS) == 40
    assert "**40 of 40**" in page
    rows = [line.split(" | ")[:2] for line in page.splitlines() if line.startswith("| ")][1:]
    assert rows == [[f"| {skew.name}", skew.where] for skew in SKEWS]

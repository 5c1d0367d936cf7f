"""Pages in a real browser: silent, alone, and legible on a phone and on a screen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from tests_browser import Browser, browsing
from tests_judged import ROWS, judged, reported, trained

from dagrun.stages.pages import model_card, profile_page

LOOK = """(() => {
  const shown = [...document.querySelectorAll('body *')].filter(e => !e.closest('.wide table'));
  const out = shown.filter(e => e.getBoundingClientRect().right > innerWidth + 0.5);
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = rgb => rgb.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll('body *')].filter(e =>
    [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()));
  const contrasts = texts.map(e => {
    const style = getComputedStyle(e), svg = e instanceof SVGElement;
    const [a, b] = [light(parse(svg ? style.fill : style.color)), light(ground(e))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
  const sizes = texts.map(e => {
    const svg = e.closest('svg');
    const by = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
    return parseFloat(getComputedStyle(e).fontSize) * by;
  });
  return {
    width: document.documentElement.scrollWidth,
    out: out.map(e => e.outerHTML.slice(0, 80)),
    contrast: Math.min(...contrasts),
    size: Math.min(...sizes),
    texts: texts.length,
    pictures: document.querySelectorAll('svg').length,
  };
})()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    judgement = judged(
        "[auc]\nat_least = 0.5\n[slices.carrier.brier]\nat_most = 0.01\n[missing.auc]\n"
        "worse_by_at_most = 0.5\n[fairness.carrier.equalized_odds]\nat_most = 0.9"
    )
    card = model_card(
        trained(), verdict=judgement, report=reported(trained()), about="For a test.\n\n" * 3
    )
    (folder / "card.html").write_text(card)
    wide = ROWS.with_columns(pl.lit("x" * 300).alias("a_column_with_a_rather_long_name_" * 4))
    (folder / "profile.html").write_text(profile_page(wide, title="a-table-" * 20, findings=[]))
    return folder


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", ["card", "profile"])
def test_a_page_is_legible_silent_and_alone(
    browser: Browser, pages: Path, name: str, width: int
) -> None:
    browser.open(pages / f"{name}.html", width)
    seen = browser.run(LOOK)
    assert browser.said == []
    assert browser.asked == []
    assert seen["width"] <= width
    assert seen["out"] == []
    assert seen["contrast"] >= 4.5, "the least that WCAG 2.2 asks of text"
    assert seen["size"] >= 11.5
    assert seen["texts"] > 50
    assert seen["pictures"] >= 5
    if folder := os.environ.get("DAGRUN_PICTURES"):
        browser.picture(Path(folder) / f"{name}-{width}.png")


def test_what_a_page_may_not_do_is_seen(browser: Browser, pages: Path) -> None:
    page = (pages / "card.html").read_text()
    spoilt = page.replace("<h1>", '<img src="https://example.org/x.png"><h1>', 1)
    (pages / "spoilt.html").write_text(spoilt)
    browser.open(pages / "spoilt.html", 400)
    assert any("Content Security Policy" in text for text in browser.said)

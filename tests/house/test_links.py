"""Every relative link of the documents leads to something, and every how-to page is reachable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]+)")
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def links(text: str) -> Iterator[str]:
    """Yield the targets of a page's links that stay within the repository."""
    for target in LINK.findall(CODE.sub("", text)):
        if not ELSEWHERE.match(target):
            yield target


def anchors(text: str) -> set[str]:
    """Return the names under which a page's headings can be linked to."""
    headings = re.findall(r"^#+ +(.*)$", text, re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.strip().lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in words}


def leads_somewhere(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    found = page.parent / path if path else page
    if anchor and found.suffix == ".md" and found.is_file():
        return anchor in anchors(found.read_text("utf-8"))
    return found.exists()


@pytest.fixture(scope="module")
def pages(root: Path) -> dict[Path, str]:
    """File -> text of every document that a reader of the repository may open."""
    paths = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("examples/*/*.md")]
    return {path: path.read_text("utf-8") for path in sorted(paths)}


def test_every_link_leads_somewhere(root: Path, pages: dict[Path, str]) -> None:
    broken = [
        f"{page.relative_to(root)}: {target}"
        for page, text in pages.items()
        for target in links(text)
        if not leads_somewhere(page, target)
    ]
    assert broken == []


def test_every_how_to_page_is_in_its_index(root: Path, pages: dict[Path, str]) -> None:
    folder = root / "docs" / "howto"
    listed = set(links(pages[folder / "README.md"]))
    assert [page.name for page in sorted(folder.glob("*.md")) if page.name not in listed] == [
        "README.md"
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[a](b.md) and [c](d/e.md#f)", ["b.md", "d/e.md#f"]),
        ("[x](https://example.com) [y](mailto:a@b.c) [z](#here)", ["#here"]),
        ("`[a](b.md)`\n```\n[c](d.md)\n```\n![e](f.svg)", ["f.svg"]),
    ],
)
def test_links_are_found(text: str, found: list[str]) -> None:
    assert list(links(text)) == found


def test_a_heading_can_be_linked_to(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One page\n\n## 2. Its `second` part\n")
    assert leads_somewhere(page, "#one-page")
    assert leads_somewhere(page, "page.md#2-its-second-part")
    assert not leads_somewhere(page, "page.md#third")
    assert not leads_somewhere(page, "other.md")

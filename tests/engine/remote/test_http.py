"""`Http` against a real server that is slow, busy, broken or malicious."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests_project import ProjectFolder, find
from tests_web import Asked, Said, Site, rows, site

from dagrun import Cursor, Http, NextLink, Numbered
from dagrun.engine.remote.http import EndlessPaging
from dagrun.engine.remote.snapshots import Snapshots
from dagrun.engine.remote.web import HttpFailed, read_wait


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as found:
        yield found


def test_a_file_is_read_as_files_are(web: Site, tmp_path: Path) -> None:
    web.say("/t.csv.gz", Said(gzip.compress(b"a,b\n1,x\n")))
    source = Http(f"{web.address}/t.csv.gz").bind(tmp_path)
    assert source.read_csv().rows() == [(1, "x")]
    assert source.scan_csv().collect().rows() == [(1, "x")]
    assert list(source.find()) == ["t.csv.gz"]
    assert len(web.asked) == 1
    assert Http(f"{web.address}/t.csv.gz").read_bytes() == b"a,b\n1,x\n"


@pytest.mark.parametrize(
    "bad",
    [
        Said(b"busy", 503),
        Said(b"slow down", 429, {"Retry-After": "0"}),
        Said(b"gateway", 502),
        Said(b"x" * 1000, cut=True),
    ],
    ids=["503", "429", "502", "cut"],
)
def test_what_passes_is_tried_again(
    web: Site,
    tmp_path: Path,
    bad: Said,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    web.say("/t", bad, bad, Said(b"whole"))
    assert Http(f"{web.address}/t").bind(tmp_path).read_bytes() == b"whole"
    assert len(web.asked) == 3
    assert caplog.text.count("; trying again in ") == 2
    assert capsys.readouterr().out == ""


def test_the_server_says_how_long_to_wait(web: Site, tmp_path: Path) -> None:
    web.say("/t", Said(b"", 429, {"Retry-After": "1"}), Said(b"whole"))
    started = time.monotonic()
    Http(f"{web.address}/t").bind(tmp_path).read_bytes()
    assert time.monotonic() - started >= 1
    assert read_wait("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert read_wait("soon") is None
    web.say("/t", Said(b"", 429, {"Retry-After": "3600"}))
    with pytest.raises(HttpFailed, match="asks to wait 3600 s"):
        Http(f"{web.address}/t").bind(tmp_path / "b").read_bytes()
    assert len(web.asked) == 3


def test_what_does_not_pass_fails_at_once_or_in_the_end(web: Site, tmp_path: Path) -> None:
    web.say("/gone", Said(b"", 500))
    with pytest.raises(HttpFailed, match=r"answers 500 Internal Server Error\. It was tried 2"):
        Http(f"{web.address}/gone", attempts=2).bind(tmp_path).read_bytes()
    assert len(web.asked) == 2
    with pytest.raises(HttpFailed, match="404 Not Found: nothing here"):
        Http(f"{web.address}/none").bind(tmp_path).read_bytes()
    with pytest.raises(HttpFailed, match="no whole answer"):
        Http("http://127.0.0.1:1/t", attempts=1).bind(tmp_path).read_bytes()
    assert not list((tmp_path / ".dagrun/tmp").iterdir())


def test_unchanged_pages_are_not_sent_again(web: Site, tmp_path: Path) -> None:
    bodies = {"1": rows(1, 2), "2": rows(3)}

    def page(asked: Asked) -> Said:
        number = asked.query.get("page", "1")
        tag = f'"{hash(bodies[number])}"'
        if asked.headers.get("if-none-match") == tag:
            return Said(status=304)
        link = {"Link": '</orders?page=2>; rel="next"'} if number == "1" else {}
        return Said(bodies[number], headers={"ETag": tag, **link})

    web.pages["/orders"] = page
    source = Http(f"{web.address}/orders", pages=NextLink())
    first = source.bind(tmp_path).identity()
    assert source.bind(tmp_path).read_json("items")["id"].to_list() == [1, 2, 3]
    assert source.bind(tmp_path).identity() == first
    assert [asked.query.get("page") for asked in web.asked] == [None, "2"] * 3
    bodies["2"] = rows(3, 4)
    again = source.bind(tmp_path)
    assert again.identity() != first
    assert list(again.find()) == ["orders-0001", "orders-0002"]
    assert again.read_json("items")["id"].to_list() == [1, 2, 3, 4]


def test_cursors_and_numbers(web: Site, tmp_path: Path) -> None:
    def by_cursor(asked: Asked) -> Said:
        at = int(asked.query.get("after", "0"))
        more = {"next": str(at + 1)} if at < 2 else {"next": None}
        return Said(json.dumps({"items": [{"id": at}], "meta": more}).encode())

    def by_number(asked: Asked) -> Said:
        start = int(asked.query["offset"])
        return Said(rows(*range(start, min(start + 2, 5))))

    web.pages |= {"/cursor": by_cursor, "/offset": by_number}
    cursor = Http(f"{web.address}/cursor?k=1", pages=Cursor("after", "meta.next"))
    assert cursor.bind(tmp_path).read_json("items")["id"].to_list() == [0, 1, 2]
    assert {asked.query["k"] for asked in web.asked} == {"1"}
    numbered = Http(
        f"{web.address}/offset", pages=Numbered("offset", start=0, step=2, at="items"), rate=200
    )
    assert numbered.bind(tmp_path).read_json("items")["id"].to_list() == [0, 1, 2, 3, 4]


def test_paging_ends(web: Site, tmp_path: Path) -> None:
    def circle(asked: Asked) -> Said:
        after = 1 - int(asked.query.get("p", "0"))
        return Said(json.dumps({"p": asked.query, "next": f"/circle?p={after}"}).encode())

    def endless(asked: Asked) -> Said:
        number = int(asked.query.get("p", "0"))
        return Said(json.dumps({"n": number, "next": f"/endless?p={number + 1}"}).encode())

    web.pages |= {"/circle": circle, "/endless": endless}
    web.say("/deaf", Said(rows(1)))
    web.say("/html", Said(b"<html>"))
    for url, pages, told in (
        ("/circle?p=0", NextLink("next"), "named as the next page again"),
        ("/endless", NextLink("next"), "more pages than most_pages=20"),
        ("/deaf", Numbered(at="items"), "a page that was there before"),
    ):
        with pytest.raises(EndlessPaging, match=told):
            Http(web.address + url, pages=pages, most_pages=20).bind(tmp_path).read_bytes()
    with pytest.raises(HttpFailed, match="sends no JSON"):
        Http(f"{web.address}/html", pages=NextLink("next")).bind(tmp_path).read_bytes()


def test_stages_of_one_run_share_what_was_read(web: Site, project: ProjectFolder) -> None:
    count = iter(range(100))
    web.pages["/n"] = lambda _asked: Said(str(next(count)).encode())
    project.write(
        "pipeline.py",
        f"""
        from dagrun import Http, stage

        @stage
        def one(page: Http = Http("{web.address}/n")) -> int:
            return int(page.read_text())

        @stage(timeout="5m")
        def two(page: Http = Http("{web.address}/n")) -> int:
            return int(page.read_text())

        @stage
        def same(one, two) -> bool:
            return one == two
        """,
    )
    result = project.run()
    assert project.open().store.load(find(result, "same").outputs["same"]) is True
    assert len(web.asked) == 1
    assert project.plan().stages[0].reason == "file n changed"


def test_pages_can_be_mapped_over(web: Site, project: ProjectFolder) -> None:
    web.pages["/o"] = lambda asked: Said(
        rows(int(asked.query["page"])) if int(asked.query["page"]) < 4 else b'{"items": []}'
    )
    project.write(
        "pipeline.py",
        f"""
        from dagrun import Http, Numbered, stage

        @stage(over="pages")
        def ids(pages: Http = Http("{web.address}/o", pages=Numbered(at="items"))) -> list:
            return pages.read_json("items").rows()
        """,
    )
    result = find(project.run(), "ids")
    assert [element.label for element in result.elements or ()] == [
        f"o-000{number}" for number in range(1, 5)
    ]
    assert find(project.run(executor="processes"), "ids").status == "hit"


def test_robots_txt_is_heeded(web: Site, tmp_path: Path) -> None:
    rules = b"User-agent: shop-bot\nDisallow: /private\nCrawl-delay: 1\n"
    web.say("/robots.txt", Said(rules))
    web.say("/open", Said(b"<p>", headers={"Link": "</private/x>; rel=next"}))
    web.say("/private/x", Said(b"<p>"))
    started = time.monotonic()
    page = Http(f"{web.address}/open", robot="shop-bot")
    assert page.bind(tmp_path).read_text() == "<p>"
    assert time.monotonic() - started >= 1
    assert {asked.headers["user-agent"] for asked in web.asked} == {"shop-bot"}
    with pytest.raises(HttpFailed, match=r"private/x is not for 'shop-bot', says .* robots\.txt"):
        Http(f"{web.address}/open", robot="shop-bot", pages=NextLink()).bind(tmp_path).find()
    assert "/private/x" not in {asked.path for asked in web.asked}
    del web.pages["/robots.txt"]
    assert Http(f"{web.address}/private/x", robot="shop-bot").bind(tmp_path).read_text() == "<p>"
    web.say("/robots.txt", Said(b"", 500))
    with pytest.raises(HttpFailed, match=r"robots\.txt answers 500"):
        Http(f"{web.address}/private/x", robot="shop-bot", attempts=2).read_text()


def test_a_snapshot_that_stands_is_not_taken_again(web: Site, tmp_path: Path) -> None:
    web.say("/n", Said(b"1"))
    source = Http(f"{web.address}/n", max_age="1h")
    for _ in range(3):
        assert source.into(Snapshots(tmp_path)).read_text() == "1"
    assert len(web.asked) == 1

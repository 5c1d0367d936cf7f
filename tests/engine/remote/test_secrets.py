"""What a secret of `Http` is in, and what it is not: its server alone ever sees it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests_project import ProjectFolder, find, statuses
from tests_web import Asked, Said, Site, rows, site

from dagrun import Http, NextLink
from dagrun.engine.errors import DefinitionError
from dagrun.engine.remote.placeholders import SecretWritten, fill_uri, hide
from dagrun.engine.remote.web import HttpFailed

TOKEN = "t0ken/with+signs=&more"


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as found:
        yield found


def test_a_secret_goes_to_its_server_and_nowhere_else(
    web: Site,
    project: ProjectFolder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("API_TOKEN", TOKEN)

    def page(asked: Asked) -> Said:
        assert asked.headers["authorization"] == f"Bearer {TOKEN}"
        assert asked.query["key"] == TOKEN
        if "page" in asked.query:
            return Said(rows(2))
        link = "</orders?key=t0ken%2Fwith%2Bsigns%3D%26more&page=2>; rel=next"
        return Said(rows(1), headers={"Link": link})

    web.pages["/orders"] = page
    project.write(
        "pipeline.py",
        f"""
        from dagrun import Http, NextLink, stage

        ORDERS = Http(
            "{web.address}/orders?key={{API_TOKEN}}",
            headers={{"Authorization": "Bearer {{API_TOKEN}}"}},
            pages=NextLink(),
            max_age="1h",
        )

        @stage
        def orders(pages: Http = ORDERS):
            return pages.read_json("items")
        """,
    )
    assert find(project.run(executor="processes"), "orders").rows == 2
    files = [path for path in project.root.rglob("*") if path.is_file()]
    for text in [caplog.text, *(path.read_bytes().decode("latin-1") for path in files)]:
        assert TOKEN not in text
        assert "t0ken%2F" not in text
    asked = len(web.asked)
    monkeypatch.setenv("API_TOKEN", "another-token")
    assert statuses(project.run()) == {"orders": "hit"}
    assert len(web.asked) == asked
    assert "HTTP Request" in caplog.text or not caplog.records


def test_another_server_is_not_followed(
    web: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", TOKEN)
    with site() as thief:
        web.say("/moved", Said(status=302, headers={"Location": f"{thief.address}/x"}))
        web.say("/linked", Said(b"{}", headers={"Link": f"<{thief.address}/x>; rel=next"}))
        for path, pages in (("/moved", None), ("/linked", NextLink())):
            source = Http(web.address + path, {"X-Key": "{API_TOKEN}"}, pages)
            with pytest.raises(HttpFailed, match="leads to another server"):
                source.bind(tmp_path).read_bytes()
        assert thief.asked == []
    web.say("/a", Said(status=301, headers={"Location": "/b"}))
    web.say("/b", Said(b"here"))
    assert Http(f"{web.address}/a").bind(tmp_path).read_bytes() == b"here"
    web.say("/c", Said(status=302, headers={"Location": "/c"}))
    with pytest.raises(HttpFailed, match="redirects without end"):
        Http(f"{web.address}/c").bind(tmp_path).read_bytes()


def test_a_refusal_repeats_no_secret(
    web: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", TOKEN)
    web.say("/no", Said(f"token {TOKEN} is not known".encode(), 401))
    with pytest.raises(HttpFailed, match=r"\{API_TOKEN\} is not known\. Check the headers") as told:
        Http(f"{web.address}/no?k={{API_TOKEN}}").bind(tmp_path).read_bytes()
    assert TOKEN not in str(told.value)
    for headers in ({"Authorization": "Bearer abc"}, {"x-api-key": "abc"}):
        with pytest.raises(SecretWritten):
            Http(web.address, headers)
    with pytest.raises(SecretWritten):
        Http("https://me:sesame@host/")
    with pytest.raises(DefinitionError, match="takes an address"):
        Http("ftp://host/")


@pytest.mark.parametrize(
    ("uri", "filled"),
    [
        ("postgresql://u:{NAME}@host/db", "postgresql://u:a%3A%2F%40b@host/db"),
        ("{NAME}", "a:/@b"),
        ("https://{NAME}/x?to=me@b", "https://a:/@b/x?to=me@b"),
        ("https://host/x?key={NAME}", "https://host/x?key=a%3A%2F%40b"),
    ],
)
def test_a_value_is_quoted_where_it_is_a_part(
    monkeypatch: pytest.MonkeyPatch, uri: str, filled: str
) -> None:
    monkeypatch.setenv("NAME", "a:/@b")
    assert fill_uri(uri) == filled
    assert hide(f"no answer from {filled}", uri) == f"no answer from {uri}"
    Http("https://host:80/x?mail=me:you@b")

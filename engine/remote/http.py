"""`Http`: what a web server sends, one file or many pages, as a source.

Guarantee: with the entity tags and dates that a server gives, it is asked only whether something
changed; pages that did not are not sent again. Paging ends, or is an error: a page that was there
before, and one too many. The limits are those of paging: pages are read one after the other, each
at its own time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Self
from urllib.parse import urlsplit

from dagrun.engine.canonical import Json, digest, encode
from dagrun.engine.codec import FILE_CODEC
from dagrun.engine.errors import DefinitionError
from dagrun.engine.events import Output
from dagrun.engine.reading import Readable
from dagrun.engine.remote.paging import Page, Paging
from dagrun.engine.remote.placeholders import fill, fill_uri, hide, refuse_password, refuse_secrets
from dagrun.engine.remote.remote import Remote
from dagrun.engine.remote.snapshots import Snapshot, Snapshots
from dagrun.engine.remote.web import Answer, HttpFailed, Manners, Web, connected

_VALIDATORS = {"etag": "if-none-match", "last-modified": "if-modified-since"}
"""What a server tells of a page, and what it is asked with the next time."""


class EndlessPaging(HttpFailed):
    """Pages go round in a circle, or there are more than there should be."""


@dataclass(frozen=True, slots=True)
class Http(Remote, Readable):
    """What a GET of `url` answers, read as files are. Needs the extra `http`.

    `{NAME}` in the address and in headers stands for an environment variable:
    `Http("https://api.example.com/orders", headers={"Authorization": "Bearer {API_TOKEN}"})`.
    With `pages` (`NextLink`, `Cursor`, `Numbered`) the pages after it are read too, at most
    `most_pages`, each as a file. Every plan and run asks the server, but for `max_age`.

    `attempts`, `timeout` (seconds) and `rate` (requests per second at most) say how it is asked.
    With `robot`, the name of a program, the server's robots.txt is read first and heeded.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    pages: Paging | None = None
    most_pages: int = 1000
    attempts: int = 5
    timeout: float = 30.0
    rate: float | None = None
    name: str | None = None
    robot: str | None = None

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https") and not self.url.startswith("{"):
            raise DefinitionError(
                f"Http takes an address with http:// or https://, not {self.url!r}"
            )
        refuse_password(self.url)
        refuse_secrets(self.headers)
        _ = self.age

    @property
    def request(self) -> Json:
        """The address, the headers and the paging, with placeholders; the place is filled in."""
        place = fill_uri(self.url.partition("?")[0])
        return {
            "kind": "Http",
            "url": self.url,
            "place": digest("place", place),
            "headers": dict(self.headers),
            "pages": encode(self.pages),
        }

    def find(self, where: str = "source") -> dict[str, Path]:  # noqa: ARG002 - bound with one
        """Return the body, or each page, by name. Raises `HttpFailed`, `MissingExtra`."""
        return self.stored

    def pick(self, name: str) -> Self:
        """Return the one page of that name alone, to be read in the same way."""
        return replace(self, chosen=name)

    def take(self, known: Snapshot | None, at: Snapshots) -> Snapshot:
        """Ask for every page, with what is known of it."""
        taken = time.time()
        files: dict[str, Output] = {}
        seen: dict[str, Json] = {}
        url: str | None = fill_uri(self.url)
        secrets = (self.url, *self.headers.values())
        with connected(str(url), self._manners(secrets)) as web:
            if self.robot:
                self._heed(web, self.robot, at)
            url = self.pages.first(str(url)) if self.pages else url
            while url:
                shown = hide(url, *secrets)
                self._check(shown, seen)
                name = self._name(len(files) + 1)
                page: Any = known.seen.get(name) if known else None
                was = known.files[name] if known and page and page["url"] == shown else None
                files[name], page, url = self._page(web, url, page if was else {}, was, at)
                if url and files[name].blob in [each.blob for each in [*files.values()][:-1]]:
                    problem = "is answered with a page that was there before"
                    raise EndlessPaging(shown, problem, "See whether pages= is what it takes")
                seen[name] = {**page, "url": shown, "next": url and hide(url, *secrets)}
        return Snapshot(files=files, taken=taken, seen=seen)

    def _page(
        self, web: Web, url: str, page: Mapping[str, Any], was: Output | None, at: Snapshots
    ) -> tuple[Output, dict[str, Json], str | None]:
        """Return a page, what tells whether it is still the same, and where the next one is."""
        validators = {name: page[name] for name in _VALIDATORS.values() if page.get(name)}
        path = at.store.blobs.new_file()
        try:
            answer = web.get(url, validators, path)
            if answer.status == 304 and was:
                after = page["next"] and fill_uri(page["next"])
                return was, validators, after
            after = self._after(answer, path)
            size = path.stat().st_size
            blob = at.store.blobs.put_file(path)
        finally:
            path.unlink(missing_ok=True)
        given = {
            asked: answer.headers[told]
            for told, asked in _VALIDATORS.items()
            if told in answer.headers
        }
        return Output(codec=FILE_CODEC, blob=blob, logical=blob, size=size), given, after

    def _heed(self, web: Web, robot: str, at: Snapshots) -> None:
        path = at.store.blobs.new_file()
        try:
            web.heed(robot, path)
        finally:
            path.unlink(missing_ok=True)

    def _after(self, answer: Answer, path: Path) -> str | None:
        """Return the address of the page after one. Raises `HttpFailed`."""
        if not self.pages or answer.status == 204:
            return None
        page = Page(url=answer.url, headers=answer.headers, body=path.read_bytes())
        try:
            return self.pages.after(page)
        except ValueError as error:
            shown = hide(answer.url, self.url, *self.headers.values())
            advice = f"See whether it is paged as pages={self.pages!r} says"
            raise HttpFailed(shown, f"sends no JSON: {error}", advice) from error

    def _check(self, shown: str, seen: Mapping[str, Any]) -> None:
        if len(seen) >= self.most_pages:
            problem = f"has more pages than most_pages={self.most_pages}"
            raise EndlessPaging(shown, problem, "Allow more, or see whether they end")
        if any(page["url"] == shown for page in seen.values()):
            problem = "is named as the next page again"
            raise EndlessPaging(shown, problem, "See whether pages= is what it takes")

    def _manners(self, secrets: tuple[str, ...]) -> Manners:
        named = {"User-Agent": self.robot} if self.robot else {}
        return Manners(
            headers={**named, **{name: fill(value) for name, value in self.headers.items()}},
            secrets=secrets,
            attempts=self.attempts,
            timeout=self.timeout,
            rate=self.rate,
            robot=self.robot,
        )

    def _name(self, number: int) -> str:
        path = PurePosixPath(self.name or urlsplit(self.url).path.rpartition("/")[2] or "body")
        return f"{path.stem}-{number:04}{path.suffix}" if self.pages else path.name

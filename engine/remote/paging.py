"""How a web service is asked for its next page: by a link, a cursor, or a number.

Guarantee: a page's next one depends on that page alone. The limit: when rows come or go while pages
are read, a service that counts rows gives some twice or not at all; ask for a fixed order, or for
what was before a fixed time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from dagrun.engine.jsonfiles import dig

_LINK = re.compile(r"<([^>]*)>([^<]*)")
_NEXT = re.compile(r';\s*rel\s*=\s*"?(?:[^";]*\s)?next(?:\s[^";]*)?"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer: where it is from, its headers (names in lower case), and its bytes."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> Any:
        """Return the body as JSON. Raises `ValueError`."""
        return json.loads(self.body)


class Paging(Protocol):
    """Where pages are found."""

    def first(self, url: str) -> str:
        """Return the address of the first page."""
        ...

    def after(self, page: Page) -> str | None:
        """Return the address of the next page, None after the last. Raises `ValueError`."""
        ...


@dataclass(frozen=True, slots=True)
class NextLink:
    """The next page's address: in the header `Link` (RFC 8288), or `at` a place in the JSON."""

    at: str = ""

    def first(self, url: str) -> str:
        """Return the address as it is."""
        return url

    def after(self, page: Page) -> str | None:
        """Return the address that the page names."""
        if self.at:
            link = dig(page.document(), self.at)
        else:
            links = _LINK.findall(page.headers.get("link", ""))
            link = next((target for target, rest in links if _NEXT.search(rest)), None)
        return urljoin(page.url, str(link)) if link else None


@dataclass(frozen=True, slots=True)
class Cursor:
    """A cursor, found `at` a place in the JSON and sent back as the parameter `param`."""

    param: str
    at: str

    def first(self, url: str) -> str:
        """Return the address as it is."""
        return url

    def after(self, page: Page) -> str | None:
        """Return the address with the page's cursor; none when that is null, empty or absent."""
        cursor = dig(page.document(), self.at)
        return _with(page.url, self.param, str(cursor)) if cursor not in (None, "", False) else None


@dataclass(frozen=True, slots=True)
class Numbered:
    """A number, sent as the parameter `param`; the last page has no rows `at` a place in the JSON.

    For a service that counts rows: `Numbered("offset", start=0, step=100, at="items")`.
    """

    param: str = "page"
    start: int = 1
    step: int = 1
    at: str = ""

    def first(self, url: str) -> str:
        """Return the address with the first number."""
        return _with(url, self.param, str(self.start))

    def after(self, page: Page) -> str | None:
        """Return the address with the next number; none after an empty page."""
        if not dig(page.document(), self.at):
            return None
        number = int(dict(parse_qsl(urlsplit(page.url).query))[self.param])
        return _with(page.url, self.param, str(number + self.step))


def _with(url: str, param: str, value: str) -> str:
    """Return an address with one parameter set."""
    parts = urlsplit(url)
    pairs = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != param]
    return urlunsplit(parts._replace(query=urlencode([*pairs, (param, value)])))

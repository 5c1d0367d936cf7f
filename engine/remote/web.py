"""Fetching from a web server, which may be slow, busy or gone for a moment.

Guarantee: an answer is whole or there is none; what may pass is tried again, after the time that
the server asks for; nothing but GET is sent, and nothing at all to another server than the one that
is named, so that a secret in a header goes nowhere else. The limit: a server that sends neither a
length nor chunks cannot be seen to break off.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser

from dagrun.engine.errors import DagrunError
from dagrun.engine.extras import MissingExtra
from dagrun.engine.openfiles import SourceError
from dagrun.engine.remote.placeholders import hide

_PASSING = {408, 425, 429, 500, 502, 503, 504}
_MOVED = {301, 302, 303, 307, 308}
_MOST_MOVES = 10
_LONGEST_WAIT = 300.0
"""Seconds that a server may ask to wait for; what asks for more fails at once."""
_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy")
_PORTS = {"http": 80, "https": 443}


class HttpFailed(SourceError):
    """A web server gave no answer that could be used."""

    def __init__(self, url: str, problem: str, advice: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(url, problem, advice)


class _Passing(DagrunError):
    """What may be over when it is tried again, after `wait` seconds if that is known."""

    def __init__(self, url: str, problem: str, wait: float | None = None) -> None:
        self.problem, self.wait = problem, wait
        super().__init__(f"{url} {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer: its status (200, 204 or 304), its headers and the address it came from."""

    status: int
    headers: Mapping[str, str]
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How a server is asked.

    Attributes:
        headers: sent with each request, filled.
        secrets: texts with the placeholders that messages must show instead of their values.
        attempts: how often a request is made before it fails.
        timeout: seconds for connecting, and between two pieces of an answer.
        rate: requests per second at most; None for no limit.
        robot: the name by which robots.txt is read and heeded (RFC 9309); None to leave it.
    """

    headers: Mapping[str, str]
    secrets: tuple[str, ...]
    attempts: int
    timeout: float
    rate: float | None
    robot: str | None = None


class Web:
    """A connection to one server, the one of `origin`."""

    def __init__(self, client: Any, origin: str, manners: Manners) -> None:
        self._client, self._origin, self._manners = client, origin, manners
        self._last, self._pause = 0.0, 1 / manners.rate if manners.rate else 0.0
        self._rules: RobotFileParser | None = None

    def heed(self, robot: str, into: Path) -> None:
        """Read the server's robots.txt, and ask for nothing from now on that it forbids."""
        url = urljoin(self._origin, "/robots.txt")
        rules = RobotFileParser()
        try:
            answer = self.get(url, {}, into)
            text = into.read_text("utf-8", "replace") if answer.status == 200 else ""
        except HttpFailed as error:
            # RFC 9309: without the file everything is allowed; nothing is while it cannot be read.
            if error.status is None or error.status >= 500:
                raise
            text = ""
        rules.parse(text.splitlines())
        self._rules = rules
        self._pause = max(self._pause, float(rules.crawl_delay(robot) or 0))

    def get(self, url: str, validators: Mapping[str, str], into: Path) -> Answer:
        """Write the body of `url` into a file. Raises `HttpFailed`."""
        import stamina

        manners = self._manners
        try:
            for attempt in stamina.retry_context(
                on=_backoff,
                attempts=manners.attempts,
                timeout=None,
                wait_initial=0.2,
                wait_max=20.0,
                wait_jitter=0.2,
            ):
                with attempt:
                    return self._follow(url, validators, into)
        except _Passing as error:
            if error.wait is not None and error.wait > _LONGEST_WAIT:
                advice = "Try again then, or ask for less"
            else:
                advice = f"It was tried {manners.attempts} times; see whether the server is well"
            raise HttpFailed(self._shown(url), error.problem, advice) from None
        raise AssertionError("a retry ends with an answer or an error")

    def _shown(self, url: str) -> str:
        return hide(url, *self._manners.secrets)

    def _follow(self, url: str, validators: Mapping[str, str], into: Path) -> Answer:
        for _ in range(_MOST_MOVES):
            if origin(url) != origin(self._origin):
                raise HttpFailed(
                    self._shown(self._origin),
                    f"leads to another server, {urlsplit(url).hostname}",
                    "It is not followed, since the headers may hold a secret: name that server",
                )
            robot = self._manners.robot
            if self._rules and robot and not self._rules.can_fetch(robot, url):
                advice = "Leave that page out, or ask its owner"
                problem = f"is not for {robot!r}, says the server's robots.txt"
                raise HttpFailed(self._shown(url), problem, advice)
            answer = self._once(url, validators, into)
            if answer.status not in _MOVED:
                return answer
            url = urljoin(url, answer.headers.get("location", ""))
        raise HttpFailed(self._shown(url), "redirects without end", "Name where it ends")

    def _once(self, url: str, validators: Mapping[str, str], into: Path) -> Answer:
        import httpx

        manners = self._manners
        time.sleep(max(0.0, self._last + self._pause - time.monotonic()))
        self._last = time.monotonic()
        try:
            with self._client.stream("GET", url, headers=dict(validators)) as response:
                answer = Answer(
                    status=response.status_code,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    url=url,
                )
                if answer.status in (200, 204):
                    with into.open("wb") as file:
                        for chunk in response.iter_bytes():
                            file.write(chunk)
                elif answer.status not in (304, *_MOVED):
                    self._refuse(answer, response)
                return answer
        except (httpx.TransportError, httpx.DecodingError) as error:
            what = hide(str(error) or type(error).__name__, *manners.secrets)
            raise _Passing(self._shown(url), f"gives no whole answer: {what}") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise HttpFailed(self._shown(url), f"is no address: {error}", "Mend it") from None

    def _refuse(self, answer: Answer, response: Any) -> None:
        """Raise what a status means."""
        what = f"answers {answer.status} {response.reason_phrase}".rstrip()
        if answer.status in _PASSING:
            wait = read_wait(answer.headers.get("retry-after"))
            more = f" and asks to wait {wait:g} s" if wait else ""
            raise _Passing(self._shown(answer.url), what + more, wait)
        text = " ".join(response.read()[:200].decode("utf-8", "replace").split())
        text = hide(text, *self._manners.secrets)
        advice = "Check the address and its parameters"
        if answer.status in (401, 403, 407):
            advice = "Check the headers, and the environment variables that they name"
        problem = f"{what}: {text}" if text else what
        raise HttpFailed(self._shown(answer.url), problem, advice, answer.status)


def _backoff(error: Exception) -> bool | float:
    """Tell whether to try again, and after how long if the server says so."""
    if not isinstance(error, _Passing):
        return False
    if error.wait is None:
        return True
    return error.wait if error.wait <= _LONGEST_WAIT else False


def read_wait(text: str | None) -> float | None:
    """Return the seconds that a header `Retry-After` asks for, a number or a date (RFC 9110)."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        until = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (until - dt.datetime.now(dt.UTC)).total_seconds())


def origin(url: str) -> tuple[str, str, int | None]:
    """Return the scheme, host and port of an address."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)


def _tell_retry(details: Any) -> None:
    """Tell of a retry on standard error; the library's own word would go to standard output."""
    what, wait = details.caused_by, details.wait_for
    logging.getLogger("dagrun").warning("%s; trying again in %.1f s", what, wait)


class _Discreet(logging.Filter):
    """Hides secrets in what the HTTP library logs of a request."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record."""
        record.msg, record.args = hide(record.getMessage(), *self._secrets), ()
        return True


@contextmanager
def connected(url: str, manners: Manners) -> Iterator[Web]:
    """Give a connection to the server of `url`. Raises `MissingExtra`."""
    try:
        import httpx
        import stamina  # noqa: F401 - both come with the extra
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "httpx", "http", "the source Http") from error
    from stamina.instrumentation import get_on_retry_hooks, set_on_retry_hooks

    discreet, hooks = _Discreet(manners.secrets), get_on_retry_hooks()
    set_on_retry_hooks([_tell_retry])
    for logger in _LOGGERS:
        logging.getLogger(logger).addFilter(discreet)
    try:
        with httpx.Client(headers=dict(manners.headers), timeout=manners.timeout) as client:
            yield Web(client, url, manners)
    finally:
        set_on_retry_hooks(hooks)
        for logger in _LOGGERS:
            logging.getLogger(logger).removeFilter(discreet)

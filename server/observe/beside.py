"""What the HTTP port tells an examination: readiness, clock, versions, limits, what was refused.

Guarantee: the text of `/metrics` is read as Prometheus reads it. Where it ends: the clock is
compared by the `Date` header, which has whole seconds.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from dagrun.server.observe import metrics
from dagrun.server.observe.finding import Finding
from dagrun.server.observe.pages import versions
from dagrun.server.observe.reaching import split

_SKEW = 2.0
_SHED = "RESOURCE_EXHAUSTED"
_FAILED = "INTERNAL"
Samples = dict[str, list[Sample]]


def beside(target: str, seconds: float, tls: ssl.SSLContext | None = None) -> Iterator[Finding]:
    """Yield what the HTTP port at `HOST:PORT` tells, asked with `tls` if it is given."""
    try:
        status, body, date = _get(target, "/ready", seconds, tls)
        _, text, _ = _get(target, "/metrics", seconds, tls)
    except (OSError, http.client.HTTPException) as error:
        yield Finding(
            check="http",
            state="note",
            text=f"no HTTP port at {target} ({error}): metrics, clock and versions are not known",
            next="name it with --http HOST:PORT",
        )
        return
    ready = status == http.HTTPStatus.OK
    yield Finding(
        check="ready",
        state="good" if ready else "bad",
        text=body.strip(),
        next="" if ready else "wait for its start or its end; its log says which",
    )
    yield _clock(date)
    samples: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append(sample)
    yield from _told(samples)


def _get(
    target: str, path: str, seconds: float, tls: ssl.SSLContext | None
) -> tuple[int, str, str]:
    place = split(target, 8501)
    connection = (
        http.client.HTTPSConnection(*place, timeout=seconds, context=tls)
        if tls
        else http.client.HTTPConnection(*place, timeout=seconds)
    )
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace"), answer.headers["date"]
    finally:
        connection.close()


def _clock(date: str) -> Finding:
    # The header's second has begun: the true difference is up to one less.
    skew = time.time() - parsedate_to_datetime(date).timestamp() - 0.5
    if abs(skew) <= _SKEW:
        return Finding(check="clock", state="good", text=f"within {_SKEW:g} s of this host's")
    text = f"{abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} this host's"
    return Finding(
        check="clock", state="bad", text=text, next="have both hosts take their time by NTP"
    )


def _told(samples: Samples) -> Iterator[Finding]:
    for sample in samples.get(metrics.BUILD_INFO, []):
        yield _versions(sample.labels)
    limits = {each.labels["limit"]: f"{each.value:,.0f}" for each in samples.get(metrics.LIMIT, [])}
    if limits:
        named = ", ".join(f"{name} {value}" for name, value in sorted(limits.items()))
        yield Finding(check="limits", state="good", text=named)
    workers, restarts = _sum(samples, metrics.WORKERS), _sum(samples, metrics.RESTARTS)
    yield Finding(
        check="workers",
        state="note" if restarts else "good",
        text=f"{workers:g} serve, {restarts:g} started again",
        next="look in its log why workers ended" if restarts else "",
    )
    requests = samples.get(metrics.REQUESTS, [])
    total = sum(each.value for each in requests)
    for code, todo in (
        (_FAILED, "look up the request ids in its log"),
        (_SHED, "start more workers or more servers"),
    ):
        count = sum(each.value for each in requests if each.labels["code"] == code)
        if count:
            text = f"{count:,.0f} of {total:,.0f} requests were answered {code}"
            yield Finding(
                check="requests",
                state="bad" if code == _FAILED else "note",
                text=text,
                next=todo,
            )


def _versions(there: dict[str, str]) -> Finding:
    here = dict(zip(metrics.METRICS[metrics.BUILD_INFO].labels, versions(), strict=True))
    different = [
        f"{name} {found} (here {here.get(name) or 'none'})"
        for name, found in sorted(there.items())
        if here.get(name) != found
    ]
    named = ", ".join(f"{name} {found}" for name, found in sorted(there.items()))
    if not different:
        return Finding(check="versions", state="good", text=f"{named}: as here")
    return Finding(
        check="versions",
        state="note",
        text=f"other than here: {', '.join(different)}",
        next="golden rows prove a bundle there; to see here what would change: "
        "dagrun spec rehearse NAME --python OTHER/bin/python",
    )


def _sum(samples: Samples, name: str) -> float:
    return sum(each.value for each in samples.get(name, []))

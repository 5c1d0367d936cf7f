"""The pages of the HTTP port: metrics, probes, an index, and whatever other parts mount beside.

Guarantee: `/live` answers as long as the process can answer anything; `/ready` says 200 exactly
while `Standing.ready` holds, and else 503 with the reason; `/metrics` is what Prometheus reads.
Where it ends: nobody is asked who they are, so what is served here is to stay among machines that
may know the models' names and traffic.
"""

from __future__ import annotations

import contextlib
import functools
import html
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from dagrun.server.observe import metrics
from dagrun.server.observe.exposition import CONTENT_TYPE, exposition
from dagrun.server.observe.metrics import METRICS, MODEL_INFO, Reading
from dagrun.server.serving.settings import ServerSettings

Json = dict[str, Any]
_LIMITS = (
    "max_message_bytes",
    "max_rows",
    "max_table_rows",
    "max_columns",
    "max_streams",
    "waiting",
    "waiting_tables",
)
_PAGES = {
    "/metrics": "for Prometheus",
    "/ready": "200 while requests are to be sent here, else 503 and why not",
    "/live": "200 while this process answers",
}
_INDEX = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>dagrun</title>
<style>body {{ font: 16px/1.5 system-ui; margin: 3rem auto; max-width: 60rem; padding: 0 1rem }}
table {{ border-collapse: collapse }} th, td {{ padding: .2rem 1.5rem .2rem 0; text-align: left }}
code {{ font-size: .9em }}</style></head><body>
<h1>dagrun {version}</h1>
<p>{standing} gRPC on <code>{address}</code>, {workers} worker process{plural}.</p>
<table><tr><th>model</th><th>version</th><th>arm</th><th>bundle</th></tr>{models}</table>
<ul>{pages}</ul></body></html>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a server is at this moment.

    Attributes:
        why_not: why no requests are to be sent here; "" when it is ready.
        address: host and port of gRPC.
        workers: processes that serve.
        restarts: workers that were started in the place of one that had ended.
        settings: what each of them lets in.
    """

    why_not: str
    address: str
    workers: int = 1
    restarts: int = 0
    settings: ServerSettings = field(default_factory=ServerSettings)

    @property
    def ready(self) -> bool:
        """Whether requests are to be sent here."""
        return not self.why_not


def pages(
    totals: Callable[[], Json],
    standing: Callable[[], Standing],
    mounted: Sequence[BaseRoute] = (),
) -> Starlette:
    """Return the application.

    Args:
        totals: the merged snapshot of all workers; called for each scrape, from any thread.
        standing: likewise.
        mounted: routes of other parts, as of the Open Inference Protocol.
    """

    # Plain functions run on threads of their own, so that a scrape never holds up a probe.
    def show_metrics(request: Request) -> Response:  # noqa: ARG001
        text = exposition(totals(), _readings(standing()))
        return Response(text, headers={"content-type": CONTENT_TYPE})

    def show_ready(request: Request) -> Response:  # noqa: ARG001
        now = standing()
        found = {"ready": now.ready} | ({"why": now.why_not} if now.why_not else {})
        return JSONResponse(found, 200 if now.ready else 503)

    async def show_live(request: Request) -> Response:  # noqa: ARG001
        return PlainTextResponse("live\n")

    def show_index(request: Request) -> Response:  # noqa: ARG001
        return HTMLResponse(_index(totals(), standing()))

    shown = {"/": show_index, "/metrics": show_metrics, "/ready": show_ready, "/live": show_live}
    own = [Route(path, page, methods=["GET"]) for path, page in shown.items()]
    return Starlette(routes=[*own, *mounted])


def _readings(standing: Standing) -> Iterator[Reading]:
    yield Reading(metrics.READY, (), float(standing.ready))
    yield Reading(metrics.WORKERS, (), standing.workers)
    yield Reading(metrics.RESTARTS, (), standing.restarts)
    for name in _LIMITS:
        yield Reading(metrics.LIMIT, (name,), getattr(standing.settings, name))
    yield Reading(metrics.BUILD_INFO, versions(), 1)


@functools.cache
def versions() -> tuple[str, ...]:
    """Return the values of the labels of `BUILD_INFO`, here."""
    names = METRICS[metrics.BUILD_INFO].labels
    return tuple(
        platform.python_version() if name == "python" else _version(name) for name in names
    )


def _version(name: str) -> str:
    """Return the version of a library, "" when it is not installed."""
    for distribution in (name, f"{name}-cpu"):
        with contextlib.suppress(PackageNotFoundError):
            return version(distribution)
    return ""


def _index(merged: Json, standing: Standing) -> str:
    served = [labels for name, labels, _ in merged["readings"] if name == MODEL_INFO]
    rows = ("".join(f"<td><code>{html.escape(cell)}</code></td>" for cell in row) for row in served)
    return _INDEX.format(
        version=version("dagrun"),
        standing="Ready." if standing.ready else f"Not ready: {html.escape(standing.why_not)}.",
        address=html.escape(standing.address),
        workers=standing.workers,
        plural="es" * (standing.workers != 1),
        models="".join(f"<tr>{row}</tr>" for row in rows),
        pages="".join(f'<li><a href="{path}">{path}</a>: {what}' for path, what in _PAGES.items()),
    )

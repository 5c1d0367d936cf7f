"""`dagrun traffic staged`: what the version in staging would have answered."""

from __future__ import annotations

import datetime as dt
from typing import Any

from dagrun.cli.documents import show_document
from dagrun.cli.opening import open_store
from dagrun.cli.replay import outcome_lines
from dagrun.server.traffic.replays import STAGING, ReplayBook
from dagrun.stages.catalog import Catalog
from dagrun.stages.monitor import Replayed
from dagrun.ui.quantities import ago, counted
from dagrun.ui.terminal import show


def staged(*, name: str, pipeline: str | None, as_json: bool) -> int:
    """Show the last report about a model's staging. Raises `NotRegistered`."""
    catalog = Catalog(open_store(pipeline))
    version = catalog.alias(name, STAGING)
    book = ReplayBook(catalog.store)
    reports = book.reports(name)[::-1]
    if as_json:
        kept = [{"at": ref.at, "by": ref.by, **report} for report, ref in reports]
        show_document({"staging": version.version, "due": book.due(name), "reports": kept})
        return 0
    if book.due(name):
        show(
            f"{name}@{STAGING} is @{version.version} and has not been replayed yet: a dagrun serve "
            f"{name} that logs predictions does so"
        )
    for report, ref in reports[:1]:
        rows = sum(one["rows"] for one in report["replayed"])
        show(
            f"{name}@{report['version']} (bundle {report['bundle'][:12]}), {ago(ref.at)}: "
            + (report["problem"] or f"{counted(rows, 'row')}{_span(report)} of {report['log']}")
        )
        for document in report["replayed"]:
            for line in outcome_lines(f"@{report['version']}", report["bundle"], _read(document)):
                show(line)
    return 0


def _span(report: Any) -> str:
    first, last = (dt.datetime.fromisoformat(report[end]) for end in ("first", "last"))
    return f" from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC"


def _read(document: dict[str, Any]) -> Replayed:
    sequences = {name: tuple(document[name]) for name in ("moved", "added", "removed")}
    return Replayed(**document | sequences)

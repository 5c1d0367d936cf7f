"""`dagrun replay`: what another bundle would have answered to rows of the prediction log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from dagrun.cli.documents import show_document
from dagrun.cli.models import DIFFERENT, find_source, open_registry
from dagrun.cli.opening import open_store, use_project
from dagrun.server.traffic.replays import ReplayBook
from dagrun.stages.bundle import Bundle, check, read_bundle
from dagrun.stages.catalog import Catalog, alias_ref, served_alias
from dagrun.stages.monitor import QUANTILES, Replayed, read_prediction_log
from dagrun.stages.monitor import replay as replayed
from dagrun.ui.columns import aligned
from dagrun.ui.quantities import counted
from dagrun.ui.terminal import show, tell_error

_MOST_FEATURES = 8
Find = Callable[[str], Bundle | None]


def replay(
    *,
    log: str,
    name: str,
    since: str | None,
    until: str | None,
    digest: str | None,
    last: int | None,
    keep: bool,
    pipeline: str | None,
    as_json: bool,
) -> int:
    """Compare logged answers with those of a bundle. Raises `DagrunError` for wrong input."""
    use_project(pipeline)
    called, model, bundle, find = _opened(name, pipeline)

    def read() -> pl.LazyFrame:
        rows = read_prediction_log(log, model, since=since, until=until, bundle=digest)
        return rows if last is None else rows.top_k(last, by="time").collect().lazy()

    if keep:
        outcomes = _kept(name, log, bundle, find, read, pipeline)
    else:
        check(bundle).require()
        outcomes = replayed(read(), bundle, find)
    if as_json:
        found = [asdict(outcome) for outcome in outcomes]
        show_document({"bundle": bundle.digest, "replayed": found})
    elif not outcomes:
        show("no row was logged in that time")
    for outcome in () if as_json else outcomes:
        for line in outcome_lines(called, bundle.digest, outcome):
            show(line)
    if broken := [outcome for outcome in outcomes if outcome.unfaithful]:
        tell_error(
            f"{counted(sum(one.unfaithful or 0 for one in broken), 'row')} have other bits here "
            "than they were answered with, by the very same bundle: this machine computes "
            "otherwise than the server did (see: dagrun spec rehearse --help)"
        )
        return DIFFERENT
    return 0


def outcome_lines(called: str, digest: str, outcome: Replayed) -> Iterator[str]:
    """Yield what came of replaying with a bundle, and what that is called."""
    yield (
        f"{counted(outcome.rows, 'row')} answered by bundle {outcome.logged[:12]}, replayed "
        f"with {called} (bundle {digest[:12]})"
    )
    for line in aligned(list(map(list, _lines(outcome)))):
        yield f"  {line}"


def _kept(
    name: str,
    log: str,
    bundle: Bundle,
    find: Find,
    read: Callable[[], pl.LazyFrame],
    pipeline: str | None,
) -> tuple[Replayed, ...]:
    """Replay and keep a report, also of what hindered it, which is raised."""
    catalog = Catalog(open_store(pipeline))
    version = catalog.resolve(name)
    alias = served_alias(name)
    ref = catalog.store.refs.read(alias_ref(version.name, alias)) if alias else None
    report: dict[str, Any] = {
        "version": version.version,
        "bundle": version.bundle,
        "moved_at": ref.at if ref and version.bundle == bundle.digest else "",
        "log": log,
        "first": "",
        "last": "",
        "problem": "",
        "replayed": [],
    }
    try:
        check(bundle).require()
        rows = read()
        ends = rows.select(first=pl.col("time").min(), last=pl.col("time").max()).collect()
        report |= {end: str(moment) for end, moment in ends.row(0, named=True).items() if moment}
        outcomes = replayed(rows, bundle, find)
        report["replayed"] = [asdict(outcome) for outcome in outcomes]
    except Exception as error:
        report["problem"] = str(error) or type(error).__name__
        raise
    finally:
        # What was interrupted has neither, and is begun again.
        if report["problem"] or report["last"]:
            ReplayBook(catalog.store).keep(version.name, report)
    return outcomes


def _opened(name: str, pipeline: str | None) -> tuple[str, str, Bundle, Find]:
    """Return what a bundle is called, its model, itself, and what finds others by digest."""
    source = find_source(name)
    if isinstance(source, Path):
        bundle = read_bundle(source)
        return str(source), bundle.name, bundle, lambda _: None
    registry = open_registry(pipeline)
    version = registry.resolve(source)

    def find(digest: str) -> Bundle | None:
        versions = (one for one in registry.versions(version.name) if one.bundle == digest)
        return next(map(registry.load, versions), None)

    return str(version), version.name, registry.load(version), find


def _lines(outcome: Replayed) -> Iterator[tuple[str, str]]:
    rows = outcome.rows
    if outcome.features is not None:
        yield "features", _features(outcome)
    yield "margins", f"{outcome.margins:,} of {rows:,} differ"
    if outcome.labels is not None:
        yield "labels", f"{outcome.labels:,} of {rows:,} differ"
    moved = ", ".join(
        f"{value:.3g} ({'most' if share == 1 else f'{share:.0%}'})"
        for share, value in zip(QUANTILES, outcome.moved, strict=True)
    )
    yield "predictions", f"moved by {moved}; mean {outcome.mean:+.3g}"
    if outcome.unfaithful is None:
        yield "the same bits", "unknown: the bundle that answered is not in the registry"
    else:
        same = rows - outcome.unfaithful
        yield "the same bits", f"{same:,} of {rows:,} here, by the bundle that answered"


def _features(outcome: Replayed) -> str:
    features = outcome.features or {}
    different = sorted(
        ((name, count) for name, count in features.items() if count), key=lambda pair: -pair[1]
    )
    said = f"{len(different)} of {len(features)} differ"
    if different:
        said += ": " + ", ".join(f"{name} in {n:,}" for name, n in different[:_MOST_FEATURES])
        said += ", ..." * (len(different) > _MOST_FEATURES)
    for what, names in (("added", outcome.added), ("removed", outcome.removed)):
        if names:
            said += f"; {what}: {', '.join(names[:_MOST_FEATURES])}"
    return said

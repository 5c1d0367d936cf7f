"""`dagrun lineage`: from a model, or from one answer of the log, back to rows and code."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from dagrun.cli.documents import show_document
from dagrun.cli.lineage import step_document
from dagrun.cli.models import find_source, open_registry
from dagrun.cli.opening import find_home, use_project
from dagrun.engine.checks.recorded import run_behind
from dagrun.engine.errors import DagrunError
from dagrun.engine.history.codelines import CodeLines, code_lines
from dagrun.engine.history.lineage import Step, trace
from dagrun.engine.history.runlog import Run, Runs
from dagrun.engine.store.store import Store
from dagrun.stages.bundle import Bundle, Registry, read_bundle
from dagrun.stages.monitor import read_prediction_log
from dagrun.stages.versions import ModelVersion
from dagrun.ui.origins import answer_lines, code_text_lines, model_lines
from dagrun.ui.terminal import show

LOG = "predictions"


class NoSuchPrediction(DagrunError):
    """The log has no answer under a request id."""

    def __init__(self, request_id: str, place: Path, rows: int, named: int) -> None:
        self.request_id, self.place = request_id, place
        super().__init__(
            f"{place} has no answer to request {request_id!r}; of its {rows:,} rows {named:,} "
            "have a request id, which callers set (PredictRequest.request_id). A row comes up to "
            "half a minute after its answer; another log is named with --log"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a bundle comes from.

    Attributes:
        digest: the bundle's.
        versions: what it is called in the registry; none for a bundle that is not there.
        run: the run that made it, if its log is kept.
        steps: its stages, its own first; empty when its entry is no longer stored.
        code: the project's symbols behind them.
    """

    digest: str
    versions: tuple[ModelVersion, ...]
    run: Run | None
    steps: tuple[Step, ...]
    code: tuple[CodeLines, ...]


def lineage(
    *,
    name: str | None,
    prediction: str | None,
    log: str | None,
    code: bool,
    pipeline: str | None,
    as_json: bool,
) -> int:
    """Tell where a model or a logged answer comes from.

    Raises `NoSuchPrediction`, `LogMissing` or `NotRegistered`.
    """
    if (name is None) == (prediction is None):
        raise click.UsageError("name a model, or one answer with --prediction REQUEST_ID")
    use_project(pipeline)
    registry, root = open_registry(pipeline), find_home(pipeline).root
    answers: list[dict[str, Any]] = []
    if prediction is not None:
        answers = _answers(prediction, Path(log) if log else registry.store.folder / LOG)
        found = [_by_digest(registry, each) for each in dict.fromkeys(a["bundle"] for a in answers)]
    else:
        found = [_named(registry, str(name))]
    origins = [_origin(registry.store, root, *each) for each in found]
    if as_json:
        show_document(
            {"answers": list(map(_plain, answers)), "models": list(map(_document, origins))}
        )
        return 0
    for line in _lines(answers, origins, code):
        show(line)
    return 0


def _lines(
    answers: Sequence[dict[str, Any]], origins: Sequence[Origin], code: bool
) -> Iterator[str]:
    for number, answer in enumerate(answers, 1):
        yield from answer_lines(answer, number, len(answers))
    for origin in origins:
        yield from model_lines(
            origin.digest, origin.versions, origin.run, origin.steps, origin.code
        )
        if code:
            yield from code_text_lines(origin.code)


def _answers(request_id: str, log: Path) -> list[dict[str, Any]]:
    """Return the logged rows of a request, in the order of the log."""
    import polars as pl

    rows = read_prediction_log(log)
    asked = rows.filter(pl.col("request_id") == request_id).collect()
    if asked.is_empty():
        counts = rows.select(pl.len(), named=pl.col("request_id").count()).collect().row(0)
        raise NoSuchPrediction(request_id, log, *counts)
    return [
        {column: value for column, value in row.items() if value is not None}
        for row in asked.iter_rows(named=True)
    ]


def _named(registry: Registry, name: str) -> tuple[str, str, tuple[ModelVersion, ...]]:
    source = find_source(name)
    if isinstance(source, Path):
        bundle = read_bundle(source)
        return bundle.digest, bundle.lineage.key, _versions(registry, bundle.digest)
    version = registry.resolve(source)
    return version.bundle, registry.load(version).lineage.key, (version,)


def _by_digest(registry: Registry, digest: str) -> tuple[str, str, tuple[ModelVersion, ...]]:
    versions = _versions(registry, digest)
    bundle: Bundle | None = registry.load(versions[0]) if versions else None
    return digest, bundle.lineage.key if bundle else "", versions


def _versions(registry: Registry, digest: str) -> tuple[ModelVersion, ...]:
    every = (version for model in registry.models() for version in registry.versions(model))
    return tuple(version for version in every if version.bundle == digest)


def _origin(
    store: Store, root: Path, digest: str, key: str, versions: tuple[ModelVersion, ...]
) -> Origin:
    entry = store.entries.read(key) if key else None
    run = run_behind(Runs(store), key) if key else None
    steps = trace(store, entry) if entry else ()
    entries = filter(None, (store.entries.read(step.key) for step in steps))
    commit = run.header.get("commit") if run else None
    return Origin(
        digest=digest,
        versions=versions,
        run=run,
        steps=steps,
        code=code_lines(store, entries, root, commit),
    )


def _document(origin: Origin) -> dict[str, Any]:
    return {
        "bundle": origin.digest,
        "versions": [asdict(version) for version in origin.versions],
        "run": {**origin.run.header, "run_id": origin.run.run_id} if origin.run else None,
        "stages": [step_document(step) for step in origin.steps],
        "code": [asdict(line) for line in origin.code],
    }


def _plain(answer: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, dt.date | dt.time) else value
        for name, value in answer.items()
    }

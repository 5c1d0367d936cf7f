"""Warming up: every thread has answered before the first caller waits for it.

Guarantee: each thread that scores rows has scored golden rows of every model through the path of a
request, from bytes to bytes, and each that scores tables a golden table; so whatever is compiled,
allocated or imported at first use is there. None of it is counted or logged. Where it ends: what
the operating system takes back later is slow again once. A model that comes later finds all that is
not its own there; its scorers are made before it is served (`ServedModel.prepare`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.serving import answers
from dagrun.server.serving.models import ServedModel
from dagrun.server.serving.pool import Pool
from dagrun.server.serving.rows import wire
from dagrun.server.serving.settings import ServerSettings
from dagrun.server.serving.tables import read_table, write_table
from dagrun.stages.bundle import score

_ROWS = 32
_SECONDS = 60.0
"""How long the threads may take in all; those that are late warm up by their first request."""


def warm_up(
    models: Iterable[ServedModel], rows: Pool, tables: Pool, settings: ServerSettings
) -> None:
    """Have every thread of both pools score golden rows of every model, and wait for it."""
    prepared = [(model, *_golden(model)) for model in models]

    def score_rows() -> None:
        for model, requests, _ in prepared:
            for data in requests:
                read = pb.PredictRequest.FromString(data)
                for row in read.rows:
                    scored = model.scorer.score(model.reader.read(row.values))
                    answers.encode(*scored, model.threshold)

    def score_tables() -> None:
        for model, _, table in prepared:
            scores = score(model.bundle, read_table(table, settings), nthread=1)
            write_table(answers.with_confidence(scores))

    waits = [_on_every_thread(rows, score_rows), _on_every_thread(tables, score_tables)]
    for done in waits:
        done.wait(_SECONDS)


def _golden(model: ServedModel) -> tuple[list[bytes], bytes]:
    """Return some golden rows as requests of one row, and as a table."""
    spec = model.bundle.spec
    frame = model.bundle.golden.rows.head(_ROWS)
    requests = []
    for values in spec.rows_of(frame):
        message = pb.PredictRequest(model=model.name)
        row = message.rows.add()
        for column, value in zip(spec.inputs, values, strict=True):
            cell = row.values[column.name]
            if value is not None:
                setattr(cell, wire(column).field, value)
        requests.append(message.SerializeToString())
    return requests, write_table(frame)


def _on_every_thread(pool: Pool, task: Callable[[], None]) -> threading.Event:
    """Run the task once on each thread; return what is set when all are done."""
    done = threading.Event()
    # A thread that waits here takes no second task.
    together = threading.Barrier(pool.threads, done.set, _SECONDS)

    def run() -> None:
        try:
            task()
        finally:
            together.wait()

    for _ in range(pool.threads):
        pool.submit(run)
    return done

"""`dagrun logs`: what a stage printed and logged, again."""

from __future__ import annotations

from dataclasses import asdict

import click

from dagrun.cli.documents import show_document
from dagrun.cli.opening import open_store
from dagrun.engine.history.runlog import Run, Runs
from dagrun.engine.history.stagelogs import log_path, read_log, speaking_run
from dagrun.engine.store.store import Store
from dagrun.ui.quantities import short_run
from dagrun.ui.terminal import show, tell


def logs(*, words: tuple[str, ...], pipeline: str | None, as_json: bool) -> int:
    """Print a stage's log. Raises `NoStore`, `UnknownRun` or `NotInRun`."""
    if len(words) > 2:
        raise click.UsageError(f"expected [RUN] STAGE, got {' '.join(words)!r}")
    store = open_store(pipeline)
    run = Runs(store).read(words[0] if len(words) == 2 else "last")
    if not words:
        return _list(store, run, as_json)
    stage = words[-1]
    speaking = speaking_run(store, run, stage)
    lines, line = read_log(store, speaking.run_id, stage), run.stages[stage]
    if as_json:
        show_document(
            {
                "run_id": speaking.run_id,
                "stage": stage,
                "status": line["status"],
                "lines": [asdict(each) for each in lines],
                "error": line.get("error"),
                "trace": line.get("trace"),
            }
        )
        return 0
    if speaking is not run:
        where = f"run {short_run(run.run_id)}"
        tell(f"{stage} hit in {where}; this is what it said in run {short_run(speaking.run_id)}")
    for each in lines:
        show(each.text)
    if trouble := line.get("trace") or line.get("error"):
        show(trouble.rstrip())
    elif not lines:
        tell(f"{stage} ({line['status']}) said nothing")
    return 0


def _list(store: Store, run: Run, as_json: bool) -> int:
    speaking = [name for name in run.stages if log_path(store, run.run_id, name).exists()]
    if as_json:
        show_document({"run_id": run.run_id, "stages": speaking})
        return 0
    for name in speaking:
        show(name)
    if not speaking:
        tell(f"no stage said anything in run {short_run(run.run_id)}")
    return 0

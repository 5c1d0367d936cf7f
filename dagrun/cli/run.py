"""`dagrun run`: run a pipeline, tell what happens, and end with the right exit code.

SIGTERM stops a run as Ctrl-C does; a second of either leaves at once, waiting for nobody.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping
from types import FrameType

import click

from dagrun.cli.documents import run_document, show_document
from dagrun.engine.acceptance import tell_accepted
from dagrun.engine.events import EXIT_CODES, Output, RunResult
from dagrun.engine.workspace import RunSettings, Workspace
from dagrun.ui.outcome import failure, refusal, summary
from dagrun.ui.progress import Progress
from dagrun.ui.terminal import tell, tell_error


def run(
    *,
    pipeline: str | None,
    targets: tuple[str, ...],
    params: Mapping[str, str],
    seed: int,
    force: tuple[str, ...],
    jobs: int | None,
    executor: str,
    keep_going: bool,
    accept: tuple[str, ...],
    reason: str | None,
    as_json: bool,
) -> int:
    """Run the pipeline; return the exit code. Raises `DefinitionError` or `StoreError`."""
    settings = RunSettings(jobs=jobs, executor=executor, keep_going=keep_going)
    if bool(accept) != bool(reason and reason.strip()):
        raise click.UsageError("--accept STAGE and --reason TEXT go together: say why it stands")
    again = _command(pipeline, params, seed)
    try:
        with _terminable(), _stdout_kept(as_json):
            workspace = Workspace.open(pipeline)
            selection = workspace.select(targets=targets, params=params, seed=seed, force=force)
            for name in accept:
                entry = workspace.accept(name, selection, reason or "")
                tell(f"{entry.stage}: {tell_accepted(entry)} ({entry.accepted['change']})")
            stages = workspace.pipeline.stages
            effects = [name for name, stage in stages.items() if stage.effect]
            with Progress(effects) as progress:
                result = workspace.run(selection, settings, progress)
            progress.tell_effects()
            _tell_troubles(workspace, result, again)
            tell(summary(result))
    except KeyboardInterrupt:
        # Stages that were not waited for must not keep the process from ending.
        tell_error("interrupted; everything committed so far is kept")
        os._exit(EXIT_CODES["interrupted"])
    if as_json:
        show_document(run_document(result))
    return EXIT_CODES[result.status]


def _command(pipeline: str | None, params: Mapping[str, str], seed: int) -> list[str]:
    """Return the command line that runs the same again, but for its targets."""
    words = ["dagrun", "run", *([pipeline] if pipeline else [])]
    for setting, value in params.items():
        words += ["-p", f"{setting}={value}"]
    return [*words, *(["--seed", str(seed)] if seed else [])]


def _tell_troubles(workspace: Workspace, result: RunResult, again: list[str]) -> None:
    every = (*result.stages, *result.effects)
    outputs: dict[str, Output] = {}
    troubles: list[str] = []
    for stage in every:
        outputs |= stage.outputs
        if stage.status == "failed":
            inputs = workspace.pipeline.stages[stage.name].inputs
            given = {name: outputs[name] for name in inputs if name in outputs}
            command = shlex.join([*again, "-t", stage.name])
            troubles.append(failure(stage, given, command, result.run_id))
        if stage.verdict and not stage.verdict["passed"]:
            halted = [
                other.name
                for other in every
                if other.status == "halted" and repr(stage.name) in other.reason
            ]
            troubles.append(refusal(stage, halted))
    for trouble in troubles:
        tell()
        tell(trouble)
    if troubles:
        tell()


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM interrupt the block as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _stdout_kept(wanted: bool) -> Iterator[None]:
    """Send what stages print to standard error, native code's output included."""
    if not wanted:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 1)
        os.close(kept)

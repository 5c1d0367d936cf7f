"""`dagrun run`: run a pipeline, tell what happens, and end with the right exit code.

SIGTERM stops a run as Ctrl-C does; a second of either leaves at once, waiting for nobody.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

import click

from dagrun.cli.documents import run_document, show_document
from dagrun.cli.leaving import leave_run
from dagrun.engine.checks.verify import BadShare
from dagrun.engine.events import EXIT_CODES, Output, RunResult
from dagrun.engine.explaining.acceptance import tell_accepted
from dagrun.engine.history.bands import find_unusual
from dagrun.engine.history.hooks import Hooks, read_hooks
from dagrun.engine.receipts.evidence import Witness
from dagrun.engine.running import RunSettings
from dagrun.engine.workspace import Workspace
from dagrun.ui.history import unusual_line
from dagrun.ui.outcome import failure, refusal, summary
from dagrun.ui.progress import Progress
from dagrun.ui.terminal import tell, tell_error, tell_warning
from dagrun.ui.verification import check_lines, strict_line, verification_line


def run(
    *,
    pipeline: str | None,
    targets: tuple[str, ...],
    params: Mapping[str, str],
    seed: int,
    force: tuple[str, ...],
    data: str | None,
    jobs: int | None,
    executor: str,
    keep_going: bool,
    limits: Mapping[str, float],
    verify: str | None,
    strict: bool,
    accept: tuple[str, ...],
    reason: str | None,
    as_json: bool,
    words: Sequence[str],
) -> int:
    """Run the pipeline; return the exit code. Raises `DefinitionError` or `StoreError`.

    `words` are the command line, under which a receipt is left.
    """
    going: dict[str, Any] = {"jobs": jobs, "executor": executor, "keep_going": keep_going}
    settings = RunSettings(**going, limits=limits, verify=_share(verify), strict=strict)
    if bool(accept) != bool(reason and reason.strip()):
        raise click.UsageError("--accept STAGE and --reason TEXT go together: say why it stands")
    again = _command(pipeline, params, seed)
    try:
        with _terminable(), _stdout_kept(as_json):
            witness = Witness(words, pipeline)
            workspace = Workspace.open(pipeline)
            chosen: dict[str, Any] = {"targets": targets, "params": params, "data": data}
            selection = workspace.select(seed=seed, force=force, **chosen)
            for name in accept:
                entry = workspace.accept(name, selection, reason or "")
                tell(f"{entry.stage}: {tell_accepted(entry)} ({entry.accepted['change']})")
            stages = workspace.pipeline.stages
            hooks = read_hooks(workspace.project.root)
            with Progress([name for name, stage in stages.items() if stage.effect]) as progress:
                result = workspace.run(
                    selection, settings, progress, witness=witness, above=progress.above
                )
            progress.tell_effects()
            _tell_troubles(workspace, result, again)
            _tell_checks(result)
            if strict:
                tell(strict_line(result))
            tell(summary(result))
            document = _finish(workspace, result, hooks)
            if not (accept or settings.verify or settings.strict):
                # A receipt would answer without executing or accepting anything.
                leave_run(witness, words, workspace, selection, result, as_json=as_json)
    except KeyboardInterrupt:
        # Stages that were not waited for must not keep the process from ending.
        tell_error("interrupted; everything committed so far is kept")
        os._exit(EXIT_CODES["interrupted"])
    if as_json:
        show_document(document)
    return result.exit_code


def _finish(workspace: Workspace, result: RunResult, hooks: Hooks) -> dict[str, Any]:
    """Tell what is unusual, and the project's hooks; return the run as JSON has it."""
    every = (*result.stages, *result.effects)
    unusual = find_unusual(workspace.runs, every, run_id=result.run_id)
    for found in unusual:
        tell_warning(unusual_line(found))
    document = run_document(result, unusual)
    for problem in hooks.tell(result, document):
        tell_warning(problem)
    return document


def _share(verify: str | None) -> float:
    """Read the share of hits to verify. Raises `BadShare`."""
    try:
        share = float(verify) if verify is not None else 0.0
    except ValueError:
        raise BadShare(verify) from None
    if verify is not None and not 0 < share <= 1:
        raise BadShare(verify)
    return share


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


def _tell_checks(result: RunResult) -> None:
    if result.checks is None:
        return
    for check in result.checks:
        if not check.passed:
            tell("\n".join(check_lines(check)))
    hits = sum(stage.status == "hit" for stage in result.stages)
    tell(verification_line(result.checks, hits))


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

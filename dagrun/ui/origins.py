"""Where a model and its answers come from, on the terminal."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dagrun.engine.history.codelines import CodeLines
from dagrun.engine.history.lineage import Step
from dagrun.engine.history.runlog import Run
from dagrun.ui.ancestry import lineage_lines
from dagrun.ui.columns import aligned, indented
from dagrun.ui.quantities import ago, short, short_run
from dagrun.ui.terminal import paint

if TYPE_CHECKING:
    from dagrun.stages.versions import ModelVersion

_RAW = "raw_"
_WIDTH = 96


def answer_lines(answer: Mapping[str, Any], number: int, total: int) -> Iterator[str]:
    """Return one logged answer: what was asked, when, and what was said."""
    head = paint(f"request {answer['request_id']}", "bold")
    of = f", row {number} of {total}" if total > 1 else ""
    key = f", key {answer['key']}" if "key" in answer else ""
    arm = f", arm {answer['arm']}" if "arm" in answer else ""
    at = answer["time"].isoformat(sep=" ", timespec="milliseconds")
    yield f"{head}{of}{key}  {at}, asked for {answer['served']!r}{arm}"
    raw = [
        f"{name.removeprefix(_RAW)} = {_text(value)}"
        for name, value in answer.items()
        if name.startswith(_RAW)
    ]
    yield from textwrap.wrap(", ".join(raw), _WIDTH, initial_indent="  ", subsequent_indent="  ")
    yield f"  answered {answer['prediction']:.9g} (margin {answer['margin']:.9g})"


def _text(value: object) -> str:
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return repr(value)


def model_lines(
    digest: str,
    versions: Sequence[ModelVersion],
    run: Run | None,
    steps: tuple[Step, ...],
    code: Sequence[CodeLines],
) -> Iterator[str]:
    """Return a bundle's versions, run, lineage down to the raw files, and code."""
    yield paint(f"bundle {short(digest)}", "bold")
    for version in versions:
        yield f"  {version}, registered {ago(version.at)} by {version.by}: {version.reason}"
    if not versions:
        yield "  no version of the registry has it; it was served from a file"
    if run is not None:
        commit = str(run.header.get("commit") or "")[:7]
        dirty = " and changes that no commit has" if run.header.get("dirty") else ""
        of = f", commit {commit}{dirty}" if commit else ""
        yield f"  made in run {short_run(run.run_id)}{of}, seed {run.header.get('seed', 0)}"
    if not steps:
        yield "  the entry of the stage that made it is not in this store: no lineage, no code"
        return
    yield from lineage_lines(steps[0].stage, steps)
    yield paint("code", "bold")
    rows = [[_place(line), line.symbol.partition(":")[2], ", ".join(line.stages)] for line in code]
    yield from (f"  {line}" for line in aligned([list(row) for row in rows]))


def _place(line: CodeLines) -> str:
    if not line.file:
        return line.symbol.partition(":")[0]
    lines = f"{line.first}" if line.first == line.last else f"{line.first}-{line.last}"
    return f"{line.file}:{lines}"


def code_text_lines(code: Sequence[CodeLines]) -> Iterator[str]:
    """Return the source of each symbol, as it was."""
    for line in code:
        yield ""
        yield paint(f"{_place(line)}  {line.symbol.partition(':')[2]}", "bold")
        yield indented(line.text if line.text is not None else "(its text is no longer stored)")

"""A run's outcome in words: one line per stage, what failed or was refused, and the sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dagrun.engine.errors import listing
from dagrun.engine.events import Output, RunResult, StageResult
from dagrun.ui.closing import closing
from dagrun.ui.columns import indented
from dagrun.ui.quantities import about, counted, elements, seconds, short_run, size
from dagrun.ui.terminal import paint

if TYPE_CHECKING:
    from dagrun.ui.terminal import Role

ROLES: Mapping[str, Role] = {
    "hit": "dim",
    "ran": "new",
    "failed": "bad",
    "skipped": "dim",
    "halted": "warn",
    "pruned": "dim",
}
_LONGEST_REASON = 160


def stage_line(result: StageResult, width: int) -> str:
    """Return `name  status  seconds  rows  reason`; `width` is that of the longest name."""
    took = seconds(result.seconds) if result.seconds else ""
    head, status = f"{result.name:<{width}}  ", result.status
    rest = f"{'':<{7 - len(status)}} {took:>11}  {_amount(result):>16}  {_reason(result)}"
    return head + paint(status, ROLES[status]) + rest.rstrip()


def _amount(result: StageResult) -> str:
    if len(result.outputs) > 1:
        return counted(len(result.outputs), "output")
    return counted(result.rows, "row") if result.rows is not None else ""


def _reason(result: StageResult) -> str:
    if result.status == "failed":
        reason = brief_error(result)
    elif result.cutoff:
        reason = f"cutoff: {result.reason}"
    elif result.same and result.status == "ran":
        reason = f"{result.reason} (the data came out equal)"
    else:
        reason = result.reason
    if result.elements is not None:
        counts = Counter[str](element.status for element in result.elements)
        told = elements({status: counts[status] for status in ROLES})
        reason = f"{told}; {reason}" if reason else told
    if result.attempts > 1:
        reason += f" (attempt {result.attempts})"
    line = " ".join(reason.split())
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 3] + "..."


def brief_error(result: StageResult) -> str:
    """Return a failure's message without what its line says anyway."""
    message = (result.error or "").removeprefix(f"running stage {result.name!r}: ")
    return message.removeprefix("calling it: ")


def failure(result: StageResult, inputs: Mapping[str, Output], again: str, run_id: str) -> str:
    """Return what to know of a failed stage: the user's traceback first, then where and what next.

    Args:
        result: the failed stage's.
        inputs: what it was given, by name.
        again: the command that runs only it.
        run_id: of the run, which keeps what the stage said.
    """
    at_fault = result.trace if result.trace and '  File "' in result.trace else result.error
    tried = f" after {counted(result.attempts, 'attempt')}" if result.attempts > 1 else ""
    bad = [each.label for each in result.elements or () if each.status == "failed"]
    at = f" for {len(bad)} of {counted(len(result.elements or ()), 'element')}: {listing(bad, 5)}"
    given = [f"{name} ({_size(output)})" for name, output in inputs.items()]
    lines = [
        indented((at_fault or "no message").rstrip()),
        f"{paint('failed:', 'bad')} stage {result.name!r}{tried}{at if bad else ''}",
        f"inputs: {', '.join(given) or 'none'}",
        f"again:  {again}",
        f"log:    dagrun logs {short_run(run_id)} {result.name}",
    ]
    return "\n".join(lines)


def _size(output: Output) -> str:
    rows = f"{counted(output.rows, 'row')}, " if output.rows is not None else ""
    return rows + size(output.size)


def refusal(result: StageResult, halted: list[str]) -> str:
    """Return all reasons of a gate that said no, and what it keeps from running."""
    reasons = (result.verdict or {}).get("reasons") or ["it gave no reason"]
    lines = [f"{paint('refused:', 'warn')} gate {result.name!r}"]
    lines += [f"  - {reason}" for reason in reasons]
    if halted:
        lines.append(f"halted: {', '.join(halted)}")
    return "\n".join(lines)


def summary(result: RunResult) -> str:
    """Return `done in 0.9 s: 2 ran, 9 hit (saved about 38 s)   run 7f3a`."""
    return closing(result.status, result.seconds, tally(result), result.run_id)


def tally(result: RunResult) -> str:
    """Return `2 ran, 9 hit (saved about 38 s)`."""
    counts = Counter[str](stage.status for stage in result.stages)
    parts = [f"{counts[status]} {status}" for status in ROLES if counts[status]]
    order = {"ran": 0, "hit": 1}
    parts.sort(key=lambda part: order.get(part.split()[1], 2))
    saved = sum(stage.saved for stage in result.stages)
    parts = [
        f"{part} (saved about {about(saved)})" if part.endswith(" hit") and saved >= 0.1 else part
        for part in parts
    ]
    if result.effects:
        acted = sum(effect.status == "ran" for effect in result.effects)
        parts.append(f"{acted} of {counted(len(result.effects), 'effect')} ran")
    return ", ".join(parts)

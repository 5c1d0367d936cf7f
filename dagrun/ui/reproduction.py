"""A reproduction in words: what was executed again, what came out, and what was not the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dagrun.engine.checks.reproduce import Fate, Rebuilt, Reproduction
from dagrun.engine.events import Difference
from dagrun.engine.explaining.explain import Cause
from dagrun.ui.causes import cause_lines
from dagrun.ui.columns import Cell, aligned
from dagrun.ui.quantities import counted, seconds, short, short_run
from dagrun.ui.terminal import Role, paint

if TYPE_CHECKING:
    from dagrun.stages.bundle import Bundle

_ROLES: Mapping[Fate, Role] = {
    "identical": "good",
    "differs": "bad",
    "failed": "bad",
    "not run": "warn",
    "taken": "warn",
}
_TOLD = {"taken": "from the store"}
_MOST = 8


def reproduction_lines(found: Reproduction) -> list[str]:
    """Return where the code came from, a line per stage, and what was not as recorded."""
    of = f" of run {short_run(found.run.run_id)}" if found.run else ""
    lines = [f"code: {found.code_from}{of}"]
    rows: list[list[Cell]] = [
        [
            stage.stage,
            (_TOLD.get(stage.fate, stage.fate), _ROLES[stage.fate]),
            seconds(stage.seconds) if stage.seconds else "",
            _note(stage),
        ]
        for stage in found.stages
    ]
    lines += aligned(rows, right={2})
    lines += _unlike_then(found.stages)
    for stage in found.stages:
        if stage.origin:
            lines += _trouble(stage)
    return lines


def _note(stage: Rebuilt) -> str:
    if stage.fate == "taken":
        return "its source is not what it was"
    if stage.fate in ("differs", "failed") and not stage.origin:
        return "its inputs differ"
    return ""


def _unlike_then(stages: Sequence[Rebuilt]) -> list[str]:
    """Return what determines the stages and is not as recorded, each thing once."""
    told: dict[tuple[object, ...], list[str]] = {}
    first: dict[tuple[object, ...], Cause] = {}
    own: dict[str, list[str]] = {}
    for stage in stages:
        for cause in stage.causes:
            if cause.kind == "code" and cause.name.startswith("dagrun."):
                own.setdefault(cause.name, []).append(stage.stage)
                continue
            same = (cause.kind, cause.name, cause.before, cause.after)
            told.setdefault(same, []).append(stage.stage)
            first.setdefault(same, cause)
    lines = [paint("not as it was recorded:", "warn")] if told or own else []
    for key, names in told.items():
        head, *rest = cause_lines(first[key])
        lines += [f"{head}  ({_stages(names)})", *rest]
    if own:
        modules = sorted({name.partition(":")[0] for name in own})
        names = list(dict.fromkeys(name for users in own.values() for name in users))
        lines.append(
            f"  code  dagrun itself is another: {counted(len(own), 'symbol')} of {_some(modules)}  "
            f"({_stages(names)})"
        )
    return lines


def _stages(names: Sequence[str]) -> str:
    return f"{counted(len(names), 'stage')}: {_some(names)}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST]) + (", ..." if len(names) > _MOST else "")


def _trouble(stage: Rebuilt) -> list[str]:
    if stage.error is not None:
        return [f"{paint('failed:', 'bad')} stage {stage.stage!r}: {stage.error}"]
    reason = "" if stage.causes else ", although nothing that determines it does"
    return [
        f"{paint('differs:', 'bad')} stage {stage.stage!r}{reason}",
        *(f"  - {_place(each)}: {each.what}" for each in stage.differences[:_MOST]),
    ]


def _place(found: Difference) -> str:
    return found.output if found.column is None else f"{found.output}, {found.column}"


def verdict_line(called: str, bundle: Bundle, again: Bundle | None, unlike: str) -> str:
    """Return whether the bundle is the same, and else where it differs."""
    if again is None:
        return f"{called} {paint('was not rebuilt', 'bad')}: {short(bundle.digest)}"
    if again.digest != bundle.digest:
        return (
            f"{called} {paint('is not identical', 'bad')}: bundle {short(bundle.digest)}, rebuilt "
            f"{short(again.digest)}: {unlike}"
        )
    same = "the same bytes" if again.to_bytes() == bundle.to_bytes() else "another file"
    return f"{called} {paint('is identical', 'good')}: bundle {short(bundle.digest)}, {same}"

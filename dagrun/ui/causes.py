"""Why a stage would run, on the terminal: each cause to the line, the value or the column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dagrun.engine.explaining.changes import FileChange
from dagrun.engine.explaining.explain import Cause
from dagrun.engine.workspace import Explanation
from dagrun.ui.columns import Cell, aligned
from dagrun.ui.quantities import counted, elements, size
from dagrun.ui.terminal import Role, paint

MOST_DIFF_LINES = 40
MOST_FILES = 12
_FILE_ROLES: Mapping[str, Role] = {"added": "good", "removed": "bad", "changed": "warn"}


def explanation_lines(explanation: Explanation) -> list[str]:
    """Return the explanation of a stage, then of the stages above it that would run first."""
    first, *above = unique(explanation)
    lines = _one(first)
    for upstream in above:
        lines += ["", *_one(upstream)]
    return lines


def unique(explanation: Explanation) -> list[Explanation]:
    """Return an explanation and those above it, each once, nearest first."""
    found = {explanation.stage: explanation}
    waiting = [explanation]
    for current in waiting:
        for upstream in current.upstream:
            if upstream.stage not in found:
                found[upstream.stage] = upstream
                waiting.append(upstream)
    return list(found.values())


def _one(explanation: Explanation) -> list[str]:
    lines = [_headline(explanation)]
    width = max((len(cause.kind) for cause in explanation.causes), default=0)
    if explanation.elements is not None:
        lines.append(f"  {elements(explanation.elements)}")
    for cause in explanation.causes:
        lines += _cause(cause, width)
    if explanation.accepted:
        lines.append(f"its code was {explanation.accepted}")
        for cause in explanation.accepted_changes:
            lines += _cause(cause, len(cause.kind))
    if ending := _ending(explanation):
        lines.append(ending)
    return lines


def _headline(explanation: Explanation) -> str:
    name = paint(explanation.stage, "bold")
    if explanation.action == "hit":
        if explanation.causes:
            return f"{name} would hit what an earlier run made; since its last run there changed"
        return f"{name} would hit: nothing differs."
    if explanation.action == "prune":
        return f"{name} would be pruned: {explanation.reason}"
    if explanation.action == "unknown":
        above = " and ".join(upstream.stage for upstream in explanation.upstream)
        if not above:
            return f"{name} would not run: {explanation.reason}"
        known = "; what differs already:" if explanation.causes else "."
        return f"{name} waits for what {above} will give{known}"
    if explanation.causes:
        return f"{name} would run, because"
    return f"{name} would run: {explanation.reason}"


def _ending(explanation: Explanation) -> str:
    same = explanation.same_inputs
    inputs = f"input{'s' if len(same) > 1 else ''} {', '.join(same)}"
    identical = f"{inputs} {'are' if len(same) > 1 else 'is'} identical."
    if explanation.causes and explanation.action != "unknown":
        return "nothing else differs" + (f": {identical}" if same else ".")
    return ""


def cause_lines(cause: Cause) -> list[str]:
    """Return one cause by itself, and its diff or its files if it has any."""
    return list(_cause(cause, len(cause.kind)))


def _cause(cause: Cause, width: int) -> Iterator[str]:
    start = f"  {cause.kind:<{width}}  "
    if cause.kind == "source" and cause.files:
        yield f"{start}{cause.name}  {counted(len(cause.files), 'file')} differ{_s(cause)}"
        for line in _files(cause.files):
            yield " " * len(start) + line
        return
    if cause.kind != "code":
        yield f"{start}{cause.name}  {_change(cause)}"
        return
    module = cause.name.partition(":")[0]
    via = " -> ".join(_called(symbol, cause) for symbol in cause.path)
    reached = f"     reached by {via}" if len(cause.path) > 1 else ""
    verb = "" if cause.before and cause.after else "  added" if cause.after else "  gone"
    yield f"{start}{module}  {_called(cause.name, cause)}{verb}{reached}"
    for line in diff_lines(cause.diff):
        yield " " * len(start) + line


def _s(cause: Cause) -> str:
    return "s" if len(cause.files) == 1 else ""


def _files(files: tuple[FileChange, ...]) -> list[str]:
    """Return a line per file that differs, with its sizes as far as they are known."""
    rows: list[list[Cell]] = [
        [(each.change, _FILE_ROLES[each.change]), each.name, _sizes(each)]
        for each in files[:MOST_FILES]
    ]
    lines = aligned(rows)
    if len(files) > MOST_FILES:
        lines.append(paint(f"... and {counted(len(files) - MOST_FILES, 'file')} more", "dim"))
    return lines


def _sizes(change: FileChange) -> str:
    known = [size(each) for each in (change.before, change.after) if each is not None]
    if change.before == change.after is not None:
        return f"{known[0]} as before"
    return " -> ".join(known)


def _change(cause: Cause) -> str:
    if cause.kind == "input" or cause.table is not None:
        return cause.after or "is gone"
    if cause.before is None:
        return f"added: {cause.after}"
    if cause.after is None:
        return f"removed: {cause.before}"
    return f"{cause.before} -> {cause.after}"


def _called(symbol: str, cause: Cause) -> str:
    """Return a symbol as people say it: `calm_below()` for the function that changed."""
    name = symbol.partition(":")[2] or symbol
    text = cause.after or cause.before or ""
    is_function = text.startswith(("def ", "async def ", "@"))
    return f"{name}()" if symbol == cause.name and is_function else name


def diff_lines(lines: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a unified diff in colours, the first of very many."""
    roles: dict[str, Role] = {"-": "bad", "+": "good"}
    for line in lines[:MOST_DIFF_LINES]:
        yield paint(f"{line[:1]} {line[1:]}".rstrip(), roles.get(line[:1], "dim"))
    if len(lines) > MOST_DIFF_LINES:
        yield paint(f"... and {len(lines) - MOST_DIFF_LINES} lines more", "dim")

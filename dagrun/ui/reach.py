"""What a stage's code reaches, on the terminal: a tree, or a list by file when there is much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from dagrun.engine.code.dependencies import Dependencies, Reached
from dagrun.ui.columns import aligned, indented
from dagrun.ui.lanes import printable
from dagrun.ui.quantities import counted
from dagrun.ui.terminal import paint

MOST_IN_TREE = 40
"""Symbols up to which the tree is the default."""
_WIDTH = 60
_SHOWN = 2  # symbols of a long way that are named at its beginning, and at its end


def dependency_lines(found: Dependencies, *, tree: bool | None = None) -> list[str]:
    """Return the symbols, distributions and warnings; `tree` None chooses by their number."""
    symbols = found.symbols
    as_tree = len(symbols) <= MOST_IN_TREE if tree is None else tree
    files = len({symbol.file for symbol in symbols})
    head = f"{counted(len(symbols), 'symbol')} in {counted(files, 'file')}"
    dists = f", {counted(len(found.distributions), 'distribution')}" if found.distributions else ""
    lines = [f"{paint(found.stage, 'bold')} reaches {head}{dists}"]
    lines += _tree(symbols) if as_tree else _list(symbols)
    if found.distributions:
        rows = aligned([[name, version] for name, version in found.distributions.items()])
        lines += ["distributions", *(indented(row) for row in rows)]
    if found.warnings:
        lines.append(paint("not visible in the code", "warn"))
        lines += [f"  {text.removeprefix(f'stage {found.stage!r}: ')}" for text in found.warnings]
    return lines


def label(symbol: Reached) -> str:
    """Return a symbol as people say it: `fit()`, `class Settings`, `LIMIT = 3`."""
    module, _, name = symbol.name.partition(":")
    if symbol.kind == "module":
        return f"all of {module}"
    if symbol.kind == "class":
        return f"class {name}"
    if symbol.kind == "function":
        return f"{name.removesuffix('()')}()"
    return " ".join(symbol.text.partition("\n#")[0].split())


def where(symbol: Reached) -> str:
    """Return `file:line`; code of dagrun's own stages by its module."""
    module = symbol.name.partition(":")[0]
    if symbol.file is None or module.startswith("dagrun."):
        return module
    return f"{symbol.file}:{symbol.line}" if symbol.line else str(symbol.file)


def _tree(symbols: Sequence[Reached]) -> list[str]:
    below: dict[str, list[Reached]] = {}
    for symbol in symbols[1:]:
        below.setdefault(symbol.path[-2], []).append(symbol)
    rows = [[label(symbols[0]), where(symbols[0])]]

    def grow(name: str, start: str) -> None:
        inner = below.get(name, [])
        for place, symbol in enumerate(inner):
            last = place == len(inner) - 1
            text = start + ("└─ " if last else "├─ ") + label(symbol)
            rows.append([_cut(text), where(symbol)])
            grow(symbol.name, start + ("   " if last else "│  "))

    grow(symbols[0].name, "")
    return [f"  {printable(row)}" for row in aligned(rows)]


def _list(symbols: Sequence[Reached]) -> Iterator[str]:
    """Yield the symbols of each file under its name, the project's files first."""

    def by_file(symbol: Reached) -> str:
        return where(symbol).partition(":")[0]

    def position(symbol: Reached) -> tuple[bool, str, int, str]:
        ours = symbol.name.startswith("dagrun.")
        return ours, by_file(symbol), symbol.line or 0, symbol.name

    order = sorted(symbols, key=position)
    rows = [[str(symbol.line or ""), _cut(label(symbol)), _way(symbol)] for symbol in order]
    told = iter(aligned(rows, right={0}))
    for file, group in groupby(order, by_file):
        yield file
        yield from (f"  {next(told)}" for _ in group)


def _way(symbol: Reached) -> str:
    """Return the chain of symbols above one, its middle left out when it is long."""
    names = [name.partition(":")[2] for name in symbol.path[1:-1] or symbol.path[:-1]]
    if len(names) > 2 * _SHOWN:
        names[_SHOWN:-_SHOWN] = ["..."]
    return paint(f"by {' -> '.join(names)}", "dim") if names else ""


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."

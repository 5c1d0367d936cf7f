"""`dagrun explain`: what each feature adds to a model's margin, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dagrun.cli.models import DIFFERENT
from dagrun.cli.predict import open_bundle
from dagrun.cli.scored import check_output, read_rows, write_rows
from dagrun.stages.bundle import Bundle, GoldenMismatch, check
from dagrun.stages.bundle import explain as explained
from dagrun.ui.columns import aligned
from dagrun.ui.quantities import counted
from dagrun.ui.terminal import show, tell, tell_error


def explain(
    *,
    name: str,
    rows: str,
    output: str | None,
    first: int,
    top: int,
    nulls: tuple[str, ...],
    pipeline: str | None,
) -> int:
    """Explain a file of rows. Raises `DagrunError` for what was given wrongly."""
    if output is not None:
        check_output(Path(output))
    called, bundle = open_bundle(name, pipeline)
    try:
        check(bundle).require()
    except GoldenMismatch as error:
        tell_error(str(error))
        return DIFFERENT
    frame = read_rows(Path(rows), bundle.spec.inputs, nulls)
    if output is not None:
        found = explained(bundle, frame)
        write_rows(found, Path(output))
        tell(f"{counted(found.height, 'row')} explained with {called} -> {output}")
        return 0
    shown = frame.head(first)
    values = bundle.spec.transform(shown)
    for number, parts in enumerate(explained(bundle, shown).iter_rows(named=True)):
        for line in _lines(bundle, number, parts, values.row(number, named=True), top):
            show(line)
    if frame.height > first:
        tell(f"{counted(first, 'row')} of {frame.height:,} shown; all go to a file with -o")
    return 0


def _lines(
    bundle: Bundle, number: int, parts: dict[str, Any], values: dict[str, Any], top: int
) -> Iterator[str]:
    """Yield a row's margin and the features that add most to it, in either direction."""
    yield f"row {number}: margin {parts['margin']:.4f}, of which the bias is {parts['bias']:.4f}"
    names = sorted(bundle.booster.features, key=lambda name: -abs(parts[name]))
    rows = [[f"{parts[name]:+.4f}", name, _value(values[name])] for name in names[:top]]
    if rest := names[top:]:
        others = sum(parts[name] for name in rest)
        rows.append([f"{others:+.4f}", counted(len(rest), "other feature"), ""])
    for line in aligned(rows):
        yield f"  {line}"


def _value(value: Any) -> str:
    return "null" if value is None or value != value else f"= {value:g}"

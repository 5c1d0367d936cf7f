"""`dagrun spec rehearse`: what would change under other library versions, before they are taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dagrun.cli.documents import show_document
from dagrun.cli.models import DIFFERENT, find_source, open_registry
from dagrun.stages.bundle import Bundle, Difference, read_bundle
from dagrun.stages.proof.rehearsal import Rehearsal, rehearse_with, versions
from dagrun.stages.proof.rehearsal import rehearse as rehearse_here
from dagrun.ui.columns import aligned
from dagrun.ui.quantities import short
from dagrun.ui.terminal import show

_NAMES_SHOWN = 20


def rehearse(*, name: str, python: str | None, pipeline: str | None, as_json: bool) -> int:
    """Replay golden rows. Raises as `find_source` does, and `WorkerFailed`."""
    bundle = _bundle(name, pipeline)
    outcome = rehearse_here(bundle) if python is None else rehearse_with(bundle, python)
    here = versions()
    if as_json:
        show_document({"bundle": bundle.digest, "here": here, **asdict(outcome)})
    else:
        _show(bundle, here, outcome, python)
    return DIFFERENT if outcome.differences else 0


def _bundle(name: str, pipeline: str | None) -> Bundle:
    source = find_source(name)
    if isinstance(source, Path):
        return read_bundle(source)
    registry = open_registry(pipeline)
    return registry.load(registry.resolve(source))


def _show(bundle: Bundle, here: dict[str, str], outcome: Rehearsal, python: str | None) -> None:
    names = list(dict.fromkeys((*here, *outcome.versions)))
    if python is None:
        rows = [[one, here[one]] for one in names]
    else:
        pairs = [(one, here.get(one, "-"), outcome.versions.get(one, "-")) for one in names]
        rows = [["", "here", "there"]]
        rows += [[*pair, "" if pair[1] == pair[2] else "differs"] for pair in pairs]
        rows[0].append("")
    for line in aligned(rows):
        show(line)
    show("")
    count = len(outcome.differences)
    values = 2 * outcome.rows * (len(bundle.spec.names) + 2)
    show(
        f"bundle {short(bundle.digest)}, {outcome.rows} golden rows: {count} of {values} values "
        "(features, margins, predictions; batch and row path) would change"
    )
    for line in aligned(_changes(outcome.differences)):
        show(line)


def _changes(differences: Sequence[Difference]) -> list[list[str]]:
    """Return a row for each feature and path that changes: how often, and the first time."""
    grouped: dict[tuple[str, str], list[Difference]] = {}
    for difference in differences:
        grouped.setdefault((difference.name, difference.twin), []).append(difference)
    made = [
        [f"  {name}", f"{twin} path", f"{len(found)} rows", f"row {found[0].row}: {found[0].bits}"]
        for (name, twin), found in grouped.items()
    ]
    more = len(made) - _NAMES_SHOWN
    return made[:_NAMES_SHOWN] + ([[f"  and {more} more", "", "", ""]] if more > 0 else [])

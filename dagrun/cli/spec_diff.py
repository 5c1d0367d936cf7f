"""`dagrun spec diff`: what differs between two fitted specs, and whether a row could notice."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dagrun.cli.documents import show_document
from dagrun.cli.spec_source import Found, find_spec
from dagrun.engine.errors import DagrunError
from dagrun.stages.bundle.shift import differing_bits
from dagrun.stages.features.difference import compare_specs
from dagrun.ui.artifact import plain
from dagrun.ui.quantities import counted
from dagrun.ui.specdiff import spec_difference_lines
from dagrun.ui.terminal import show

_MOST = 10


def diff(*, before: str, after: str, pipeline: str | None, as_json: bool) -> int:
    """Compare two specs. Raises as `find_spec` does."""
    old, new = find_spec(before, pipeline), find_spec(after, pipeline)
    found = compare_specs(old.spec, new.spec)
    golden, problem = (None, "") if found.identical else _measure(old, new)
    if as_json:
        document = {"before": _side(old), "after": _side(new), **plain(asdict(found))}
        document["same_bits"] = found.same_bits
        rows = old.bundle.golden.rows.height if old.bundle else 0
        document["golden"] = None if golden is None else {"rows": rows, "differing": golden}
        show_document(document)
        return 0
    sides = [(each.label, each.spec) for each in (old, new)]
    for line in spec_difference_lines(found, sides, _evidence(old, golden, problem)):
        show(line)
    return 0


def _side(found: Found) -> dict[str, Any]:
    return {
        "label": found.label,
        "spec": found.spec.digest,
        "bundle": found.bundle.digest if found.bundle else None,
    }


def _measure(old: Found, new: Found) -> tuple[dict[str, int] | None, str]:
    """Return the golden rows with other bits for each column, or why that cannot be said."""
    if old.bundle is None:
        return None, ""
    try:
        return differing_bits(old.bundle.golden, old.spec, new.spec), ""
    except DagrunError as error:
        return None, f"the golden rows of {old.label} cannot be computed by the other: {error}"


def _evidence(old: Found, golden: dict[str, int] | None, problem: str) -> list[str]:
    if golden is None or old.bundle is None:
        return [problem] if problem else []
    rows = counted(old.bundle.golden.rows.height, "golden row")
    if not golden:
        return [f"measured: of {rows} none has other bits in a column that both have"]
    ordered = sorted(golden.items(), key=lambda item: -item[1])
    told = ", ".join(f"{name} {count:,}" for name, count in ordered[:_MOST])
    more = f" and {len(ordered) - _MOST} more columns" if len(ordered) > _MOST else ""
    return [f"measured: of {rows} have other bits: {told}{more}"]

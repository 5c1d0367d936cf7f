"""`dagrun spec show`: a fitted spec as a readable document."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase

from dagrun.cli.documents import show_document
from dagrun.cli.spec_source import find_spec
from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.stages.features import FeatureSpec
from dagrun.stages.features.facts import features_of, restricted
from dagrun.ui.specification import specification_lines
from dagrun.ui.terminal import show as tell_result


class NoSuchFeature(DefinitionError):
    """No feature has a name that a pattern matches."""

    def __init__(self, pattern: str, known: tuple[str, ...]) -> None:
        self.pattern, self.known = pattern, known
        super().__init__(
            f"no feature is called {pattern!r}.{nearest(pattern, known)} Features: {listing(known)}"
        )


def show(
    *,
    name: str,
    patterns: tuple[str, ...],
    everything: bool,
    row: bool,
    pipeline: str | None,
    as_json: bool,
) -> int:
    """Show a spec. Raises `NoSuchFeature`, or as `find_spec` does."""
    found = find_spec(name, pipeline)
    spec = _only(found.spec, patterns) if patterns else found.spec
    if as_json:
        show_document(json.loads(spec.to_bytes()))
        return 0
    if row:
        tell_result(spec.row_source().rstrip())
        return 0
    listed = everything or bool(patterns)
    for line in specification_lines(spec, label=found.label, whole=found.spec, listed=listed):
        tell_result(line)
    return 0


def _only(spec: FeatureSpec, patterns: tuple[str, ...]) -> FeatureSpec:
    features = features_of(spec)
    columns: set[str] = set()
    for pattern in patterns:
        matched = [each for each in features if fnmatchcase(each.name, pattern)]
        if not matched:
            raise NoSuchFeature(pattern, tuple(each.name for each in features))
        columns.update(column for each in matched for column in each.columns)
    return restricted(spec, columns)

"""Features that are made of columns declared to be known only later (`known_after`)."""

from __future__ import annotations

from collections.abc import Iterator

from dagrun.stages.features import Feature, FeatureSet, FeatureSpec, TimeRules


def declared_later(features: FeatureSet | FeatureSpec) -> Iterator[tuple[str, str]]:
    """Yield features that know too much by what is declared, each with what is wrong.

    They read a column that is known after the row's time; or aggregate one, not being the label
    held out, over all training rows, where later ones count. A fitted spec shows the first only.
    """
    rules = features.time
    if rules is None:
        return
    if isinstance(features, FeatureSpec):
        for output in features.outputs:
            yield from _reads(output.name, sorted(_inputs(features, output.value)), rules)
        return
    for feature in features.features:
        columns, aggregated = dict[str, None](), dict[str, None]()
        _collect(feature, columns, aggregated)
        yield from _reads(feature.name, list(columns), rules)
        for name in aggregated:
            if rules.delay([name]):
                after = dict(rules.known_after)[name]
                yield (
                    feature.name,
                    f"aggregates {name!r}, known {after} after {rules.column!r}, over all training "
                    "rows, the row itself and later ones among them; use training='past'",
                )


def _reads(feature: str, columns: list[str], rules: TimeRules) -> Iterator[tuple[str, str]]:
    for name in columns:
        if rules.delay([name]):
            after = dict(rules.known_after)[name]
            yield feature, f"reads {name!r}, which is known {after} after {rules.column!r}"


def _collect(source: Feature, columns: dict[str, None], aggregated: dict[str, None]) -> None:
    if not source.op.label_safe and source.timing.scheme != "past":
        aggregated.update(dict.fromkeys(source.targets))
    for one in source.inputs:
        if isinstance(one, str):
            columns[one] = None
        else:
            _collect(one, columns, aggregated)


def _inputs(spec: FeatureSpec, value: int) -> set[str]:
    if value < len(spec.inputs):
        return {spec.inputs[value].name}
    reads = spec.steps[value - len(spec.inputs)].reads
    return {name for place in reads for name in _inputs(spec, place)}

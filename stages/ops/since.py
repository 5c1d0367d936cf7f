"""Saying since when a feature can be had."""

from __future__ import annotations

from dataclasses import replace

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.define import Feature, Features, Source, flatten
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.timing import Earlier, check_moment


@checked
def available_since(moment: str, *features: Source, earlier: Earlier = "mask") -> Features:
    """Say that features can be had only since a moment (ISO 8601), such as a sensor's first day.

    Training rows before it neither fit the feature nor get a value of it: it is null there, and
    so is what is built on it (`earlier="mask"`); or they are an error (`earlier="refuse"`). The
    feature set needs a `time`. Serving ignores it: live rows come later. A column, rather than
    a feature, says so by `Column(available_since=...)`.
    """
    made: list[Feature] = []
    check_moment("available_since", "the moment", moment)
    for one in flatten(features, "available_since"):
        if isinstance(one, str):
            raise FeatureDefinitionError(
                one, "is a column; declare it as an input Column(available_since=...)"
            )
        timing = replace(one.timing, available_since=moment, earlier=earlier)
        made.append(replace(one, timing=timing))
    return tuple(made)

"""Proving a spec, features or an op on generated frames, down to the smallest frame that differs.

Guarantee: an empty proof means that every generated frame gave equal bits in every way of
`compare`. What is not fitted yet is fitted anew on a generated training frame for each example.
The same arguments generate the same frames. The limit: examples are many, not all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any

import polars as pl

from dagrun.engine.errors import DagrunError
from dagrun.stages.features import Column, FeatureSet, FeatureSpec
from dagrun.stages.ops.define import Source
from dagrun.stages.ops.errors import CannotFit, DtypeMismatch, FeatureDefinitionError
from dagrun.stages.ops.op import Op
from dagrun.stages.ops.table import Table
from dagrun.stages.proof import strategies
from dagrun.stages.proof.compare import compare
from dagrun.stages.proof.errors import NothingProved
from dagrun.stages.proof.extra import errors, hypothesis
from dagrun.stages.proof.extra import strategies as st
from dagrun.stages.proof.outcome import Difference, Proof, combined
from dagrun.stages.proof.subject import Subject, subject_of
from dagrun.stages.proof.ways import FAILURES, WAYS, Way

_LEAST_TRAINING = 3
_ALONE = 4
"""Rows of each frame that are transformed singly: with it half of the time would go there."""
_TARGETS = st.sampled_from([0.0, 1.0, None, 0.1])
_KNOWN = 500
"""Values taken from the state of a spec, for each dtype."""


def prove(
    what: FeatureSpec | FeatureSet | Op | Source,
    columns: Sequence[Column] = (),
    *,
    label: str | None = None,
    frames: st.SearchStrategy[pl.DataFrame] | None = None,
    examples: int = 100,
    rows: int = 12,
    start: int = 0,
    ways: Iterable[Way] = WAYS,
) -> Proof:
    """Compare the twins on generated frames, bit by bit.

    Args:
        what: a fitted spec, or what is fitted on generated training frames: a feature set,
            features as their constructors return them, or an op with its settings.
        columns: input columns whose dtype matters; of others every dtype is tried that their
            readers take. Ignored for a fitted spec, which has its own.
        label: the label column when features are fitted.
        frames: the frames to transform, in place of generated ones; only for a fitted spec.
        examples: how many frames (and fits).
        rows: most rows of a frame.
        start: where the generator starts; another number gives other frames.
        ways: see `compare`.

    Returns:
        The proof over all examples; or, if one differs, over the smallest such frame found.

    Raises:
        NothingProved: not one example could be fitted.
        FeatureDefinitionError, DtypeMismatch: declared columns and features do not go together.
    """
    chosen = tuple(ways)
    if isinstance(what, FeatureSpec):
        name = f"the spec {what.digest[:12]}"
        drawn = frames_of(what, most=rows) if frames is None else frames
        return _search(
            name,
            drawn,
            lambda frame: compare(what, frame, ways=chosen, alone=_ALONE),
            examples,
            start,
        )
    subject = subject_of(what, columns)
    declared = all(len(choice) == 1 for choice in subject.choices)

    def fit_and_compare(example: Example) -> Proof:
        return prove_fit(subject, example, label, chosen)

    made = examples_of(subject, label, rows)
    return _search(subject.name, made, fit_and_compare, examples, start, declared=declared)


Example = tuple[Sequence[Column], pl.DataFrame, pl.DataFrame]
"""Input columns, training rows with their targets, and rows to transform."""


@st.composite
def examples_of(draw: st.DrawFn, subject: Subject, label: str | None, rows: int) -> Example:
    """Draw columns that the subject's readers take, training rows, and rows to transform."""
    columns = [draw(st.sampled_from(choice)) for choice in subject.choices]
    train = draw(strategies.frames(columns, least=_LEAST_TRAINING, most=rows))
    extra = [*subject.targets, *([] if label is None else [label])]
    drawn = st.lists(_TARGETS, min_size=len(train), max_size=len(train))
    fit_only = [pl.Series(n, draw(drawn), dtype=pl.Float64) for n in dict.fromkeys(extra)]
    return columns, train.with_columns(fit_only), draw(strategies.frames(columns, most=rows))


def prove_fit(
    subject: Subject, example: Example, label: str | None, ways: Sequence[Way] = WAYS
) -> Proof:
    """Fit on the training rows of an example, and again on the same rows in another order; then
    compare on them and on the rows to transform. What `fit` raises, `CannotFit` aside, differs.
    """
    columns, train, frame = example
    features = subject.over(columns)
    try:
        spec = features.fit(train, label=label)
        again = features.fit(pl.concat([train[1:], train[:1]], rechunk=False), label=label)
    except DagrunError:
        raise
    except FAILURES as error:
        return _failed("fit", f"{type(error).__name__}: {error}")
    if again != spec:
        names = [a.name for a, b in zip(spec.steps, again.steps, strict=True) if a != b]
        return _failed("fit", f"the same rows in another order give another state of {names}")
    return compare(spec, pl.concat([train.select(frame.columns), frame]), ways=ways, alone=_ALONE)


def _failed(way: str, problem: str) -> Proof:
    difference = Difference(way=way, problem=problem)
    return Proof(frames=1, rows=0, features=0, compared={}, different=1, differences=(difference,))


class _Differs(Exception):
    """Tells Hypothesis to look for a smaller example."""


def _search(
    name: str,
    drawn: st.SearchStrategy[Any],
    proof_of: Callable[[Any], Proof],
    examples: int,
    start: int,
    *,
    declared: bool = True,
) -> Proof:
    proofs: list[Proof] = []
    unfit: list[str] = []

    @hypothesis.seed(start)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(drawn)
    def examine(example: Any) -> None:
        try:
            proof = proof_of(example)
        except (CannotFit, DtypeMismatch, FeatureDefinitionError) as error:
            if declared and not isinstance(error, CannotFit):
                raise
            unfit.append(str(error))
            hypothesis.reject()
        proofs.append(proof)
        if proof.different:
            raise _Differs

    try:
        examine()
    except _Differs:
        return proofs[-1]
    except errors.Unsatisfiable:
        pass
    if not proofs:
        raise NothingProved(name, unfit[-1] if unfit else "no frame could be made")
    return combined(proofs)


def frames_of(
    spec: FeatureSpec, *, least: int = 0, most: int = 12
) -> st.SearchStrategy[pl.DataFrame]:
    """Return frames for a fitted spec, with the categories and thresholds of its state."""
    return strategies.frames(spec.inputs, least=least, most=most, known=known_values(spec))


def known_values(spec: FeatureSpec) -> dict[str, list[object]]:
    """Return values from the state of a spec that its input columns may hold, by column.

    Keys and categories as they are; numbers with their neighbours among the doubles.
    """
    found: dict[type, dict[object, None]] = {}
    for step in spec.steps:
        for field in fields(step.op):
            for value in _scalars(getattr(step.op, field.name)):
                near = strategies.around(value) if isinstance(value, float) else [value]
                found.setdefault(type(value), {}).update(dict.fromkeys(near))
    types = {"double": float, "int64": int, "string": str, "bool": bool, "date": int}
    return {
        column.name: list(found.get(types.get(column.dtype, type(None)), ()))[:_KNOWN]
        for column in spec.inputs
    }


def _scalars(state: object) -> Iterator[object]:
    if isinstance(state, Table):
        for key in state.keys:
            yield from key[:_KNOWN]
    elif isinstance(state, tuple):
        for item in state[:_KNOWN]:
            yield from _scalars(item)
    else:
        yield state

"""Checking features before they are used: each is linted, then proved on generated frames.

Guarantee: a feature is `proved` only if the linter finds nothing in any op of the project that it
is made of, and neither the hard rows of ten fits nor any generated frame gives two results. Where
it ends: as for `lint` and `prove`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable

from dagrun.engine.errors import DagrunError, DefinitionError
from dagrun.stages.features import Feature, FeatureSet, FeatureSpec, hard_rows
from dagrun.stages.features.step import kinds_of
from dagrun.stages.lint import Finding, NotParitySafe, lint
from dagrun.stages.ops.custom import place_of
from dagrun.stages.ops.errors import CannotFit
from dagrun.stages.ops.op import Op
from dagrun.stages.proof.compare import compare
from dagrun.stages.proof.outcome import Proof, combined
from dagrun.stages.proof.proving import Example, examples_of, prove
from dagrun.stages.proof.random_frame import random_frame
from dagrun.stages.proof.subject import Subject, subject_of

_LINTED = 10
"""Examples that are fitted for the linter: a state may choose another form of a twin."""
_SAMPLE, _ALONE = 64, 8
"""Random rows under the hard ones; rows that are transformed singly."""
Verdict = Literal["proved", "refused", "differs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One feature (or spec, or op), linted and proved.

    Attributes:
        name: the feature's.
        ops: the ops it is made of, the project's own as `name version (module:class)`.
        findings: what the linter found; then nothing was proved.
        problem: why it could not be fitted at all, else "".
        proof: what was compared, None if it was refused.
        seconds: how long it took.
    """

    name: str
    ops: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    problem: str = ""
    proof: Proof | None = None
    seconds: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """What came of it."""
        if self.proof is None:
            return "refused"
        return "differs" if self.proof.different else "proved"


def check_feature(
    what: Feature | Op, declared: FeatureSet | None = None, *, examples: int = 50, start: int = 0
) -> Checked:
    """Lint and prove one feature, or an op with its settings.

    Args:
        what: the feature or op.
        declared: the feature set whose declared inputs hold for it.
        examples, start: as for `prove`.
    """
    began = time.perf_counter()
    ops = [what] if isinstance(what, Op) else list(dict.fromkeys(_ops(what)))
    name, called = what.op if isinstance(what, Op) else what.name, tuple(map(tell_op, ops))
    columns = declared.inputs if declared else ()
    findings: tuple[Finding, ...] = ()
    problem, proof = "", None
    try:
        subject = subject_of(what, columns)
        findings, hard = _examine(subject)
        proof = None if findings else prove(what, columns, examples=examples, start=start)
        # The smallest example is the one to show; hard rows see what few examples may miss.
        proof = proof if proof is None or proof.different else combined([*hard, proof])
    except NotParitySafe as error:
        findings = error.findings
    except DagrunError as error:
        problem = str(error)
    seconds = time.perf_counter() - began
    return Checked(
        name=name, ops=called, findings=findings, problem=problem, proof=proof, seconds=seconds
    )


def check_spec(spec: FeatureSpec, name: str, *, examples: int = 50, start: int = 0) -> Checked:
    """Lint and prove a fitted spec as it is."""
    began = time.perf_counter()
    ops = tuple(dict.fromkeys(tell_op(step.op) for step in spec.steps))
    findings = lint_spec(spec)
    proof = None
    if not findings:
        proof = prove(spec, examples=examples, start=start)
        proof = proof if proof.different else combined([_hard(spec), proof])
    seconds = time.perf_counter() - began
    return Checked(name=name, ops=ops, findings=findings, proof=proof, seconds=seconds)


def lint_spec(spec: FeatureSpec) -> tuple[Finding, ...]:
    """Return what the linter finds in the project's own ops of a fitted spec.

    Those of dagrun are linted, vouched for or proved by its tests.
    """
    kinds = kinds_of([column.kind for column in spec.inputs], spec.steps)
    found = [
        finding
        for step in spec.steps
        if place_of(type(step.op)) is not None
        for finding in lint(step.op, [kinds[place] for place in step.reads])
    ]
    return tuple(dict.fromkeys(found))


def tell_op(op: Op) -> str:
    """Return the name of an op, and for a project's own its version and place."""
    place = place_of(type(op))
    return op.op if place is None else f"{op.op} {op.version} ({place})"


def _ops(feature: Feature) -> Sequence[Op]:
    below = [op for one in feature.inputs if isinstance(one, Feature) for op in _ops(one)]
    return [*below, feature.op]


def _hard(spec: FeatureSpec) -> Proof:
    """Compare on every hard value of each column, in rows that are random otherwise."""
    return compare(spec, hard_rows(spec, random_frame(spec.inputs, _SAMPLE)), alone=_ALONE)


def _examine(subject: Subject) -> tuple[tuple[Finding, ...], list[Proof]]:
    """Fit the subject on generated rows; return the linter's findings, one a rule and twin, and
    what its hard rows give.
    """
    found: dict[tuple[str, str, str], Finding] = {}
    hard: list[Proof] = []

    def add(findings: Sequence[Finding]) -> None:
        for finding in findings:
            found.setdefault((finding.op, finding.place, finding.rule), finding)

    @seed(0)
    @settings(
        max_examples=_LINTED,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(examples_of(subject, None, 6))
    def examine(example: Example) -> None:
        columns, train, _ = example
        try:
            spec = subject.over(columns).fit(train)
        except NotParitySafe as error:
            add(error.findings)
        except (CannotFit, DefinitionError):
            return  # `prove` says so when no example fits
        else:
            add(lint_spec(spec))
            if not found:
                hard.append(_hard(spec))

    with contextlib.suppress(Unsatisfiable):
        examine()
    return tuple(found.values()), hard

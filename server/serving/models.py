"""The models a server answers with: each proved against its golden rows before it is one.

Guarantee: a `ServedModel` exists only for a bundle whose golden rows gave the recorded bits in
this process; `Models` hands out complete models and is replaced as a whole, so no request sees
half of a change. Where it ends: golden rows speak for the rows they hold.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dagrun.engine.errors import DefinitionError
from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.observe.recorder import Labels
from dagrun.server.serving import answers
from dagrun.server.serving.describing import described, described_arms
from dagrun.server.serving.live import LiveContract
from dagrun.server.serving.recheck import Rechecked
from dagrun.server.serving.refusals import ModelNotServed
from dagrun.server.serving.rows import RowReader
from dagrun.stages.bundle import (
    Bundle,
    Field,
    GoldenReport,
    ModelVersion,
    Registry,
    RowScorer,
    check,
    read_bundle,
)
from dagrun.stages.catalog import served_name

if TYPE_CHECKING:
    from dagrun.server.traffic.arms import Arm, Arms
    from dagrun.server.traffic.shadow import Shadow

Float32s = npt.NDArray[np.float32]


class NoModels(DefinitionError):
    """A server was asked to serve nothing, or one name twice."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        what = f"{', '.join(self.names)} named twice" if self.names else "no model named"
        super().__init__(f"{what}: a server answers for one or more models by different names")


class ServedModel:
    """One proved bundle, ready to answer. It may be used from any thread.

    Attributes:
        name: the name that requests use.
        bundle: what answers.
        golden: the outcome of the replay, without differences.
        version: its place in the registry, None for a bundle served from a file.
        labels: what its metrics are told apart by: name, version (of a file, the beginning of the
            bundle's digest) and arm.
        reader: reads rows of the model's columns.
        tail: the part of each response that names version, digest and threshold.
        description: what `GetModel` answers, but for the counts of `rechecked`.
        rechecked: what came of the served rows that were computed again.
        live: what holds served rows against the bundle's limits, None without any.
        fields: all fields that typed rows of the model ever had; none for a bundle from a file.
        arms: the arms that share its requests, itself among them; None without any.
        arm: the arm that it is.
        shadow: computes rows along that it answers.
        kept: what protocols keep of the model or the arm, by protocol; it goes when that goes.
    """

    arms: Arms | None = None
    arm: Arm | None = None
    shadow: Shadow | None = None
    kept: dict[str, Any]

    def __init__(
        self,
        name: str,
        bundle: Bundle,
        version: ModelVersion | None = None,
        fields: Sequence[Field] = (),
    ) -> None:
        """Replay the golden rows. Raises `GoldenMismatch`."""
        self.golden: GoldenReport = check(bundle)
        self.golden.require()
        self.name, self.bundle, self.version, self.fields = name, bundle, version, fields
        self.labels = Labels(name, str(version.version) if version else bundle.digest[:12])
        self.reader = RowReader(bundle.spec.inputs)
        self.threshold = bundle.threshold
        number = version.version if version else 0
        self.tail = answers.tail(bundle.threshold, number, bundle.digest)
        self.description = described(name, number, bundle)
        self.rechecked = Rechecked()
        limits = bundle.limits
        self.live = LiveContract(self.labels, limits, bundle.spec.inputs) if limits else None
        self._row = bundle.spec.row_function() if bundle.spec.row_exact else None
        self._first_scorer = RowScorer(bundle)
        self._scorers = threading.local()
        self._spare: list[RowScorer] = []
        self._prepared = False
        self._made_of: ServedModel | None = None
        self.kept = {}

    @property
    def whole(self) -> ServedModel:
        """This model without arms and shadow, the same for all that were made of it."""
        return self._made_of or self

    def with_arms(self, arms: Arms) -> ServedModel:
        """Return this model, sharing its requests with these arms."""
        shared = copy.copy(self)
        shared.arms, shared._made_of = arms, self.whole
        return shared

    def with_shadow(self, shadow: Shadow) -> ServedModel:
        """Return this model, with another one that computes along."""
        shadowed = copy.copy(self)
        shadowed.shadow, shadowed._made_of = shadow, self.whole
        return shadowed

    def as_arm(self, arm: Arm) -> ServedModel:
        """Return this model as an arm; scorers and counts are the same."""
        one = copy.copy(self)
        one.arm, one._made_of, one.kept = arm, self.whole, {}
        one.labels = self.labels._replace(arm=arm.name)
        one.tail = self.tail + pb.PredictResponse(arm=arm.name).SerializeToString()
        return one

    def __str__(self) -> str:
        return f"@{self.version.version}" if self.version else self.bundle.digest[:12]

    @property
    def family(self) -> str:
        """The model's name in the registry, which its versions share."""
        return self.version.name if self.version else self.name

    @property
    def answering(self) -> Sequence[ServedModel]:
        """What answers requests for this model: itself, or its arms."""
        if self.arms is None:
            return (self,)
        return [arm.model for arm in (self.arms.champion, *self.arms.others)]

    @property
    def scorer(self) -> RowScorer:
        """The calling thread's own scorer."""
        try:
            scorer: RowScorer = self._scorers.scorer
        except AttributeError:
            try:
                scorer = self._spare.pop()
            except IndexError:
                scorer = RowScorer(self.bundle, self._first_scorer)
            self._scorers.scorer = scorer
        return scorer

    def prepare(self, threads: int) -> None:
        """Make scorers for so many threads, once, so that none makes its own at its first row."""
        whole = self.whole
        if not whole._prepared:
            whole._prepared = True
            whole._spare += [RowScorer(self.bundle, self._first_scorer) for _ in range(threads)]

    def matrix(self, rows: Sequence[Sequence[object]]) -> Float32s:
        """Return the features of admitted rows, of shape `(rows, features)`."""
        if self._row is None:
            frame = self.bundle.spec.frame_of(rows)
            return self.bundle.matrix(self.bundle.spec.admitted(frame))
        # Beyond the range of float32 lies infinity, for this path as for the others.
        with np.errstate(over="ignore"):
            return np.array([self._row(row) for row in rows], np.float32)

    def described(self) -> pb.Model:
        """Return the description with the counts of this moment."""
        made = pb.Model()
        made.CopyFrom(self.description)
        made.rechecked_rows, made.rechecked_different = (
            self.rechecked.rows,
            self.rechecked.different,
        )
        if self.live is not None:
            made.out_of_contract.update(self.live.outside)
        if self.arms is not None:
            made.arms.extend(described_arms(self.arms))
        return made

    def report(self, now: datetime | None = None) -> list[str]:
        """Return lines for the operator: what is served, the proof, and what makes it slow."""
        bundle = self.bundle
        line = (
            f"bundle {bundle.digest[:4]} (spec {bundle.spec.digest[:4]}, "
            f"model {bundle.booster.digest[:4]})"
        )
        if bundle.trained:
            line += f", trained {bundle.trained.get('from')}..{bundle.trained.get('to')}"
        if self.version:
            line += f", registered {_ago(self.version.at, now or datetime.now(UTC))}"
        rows = self.golden.rows
        predicted = "values" if bundle.task == "regression" else "probabilities"
        proof = f"{rows} of {rows} bit-identical (features, margins, {predicted})"
        lines = [line, f"golden rows: {proof}"]
        if why := self._first_scorer.left_to_xgboost:
            lines.append(f"single rows are left to XGBoost, ten times slower: {why}")
        return lines


class Models:
    """The models served at this moment, by name."""

    def __init__(self, models: Iterable[ServedModel]) -> None:
        self.replace(models)

    def replace(self, models: Iterable[ServedModel]) -> None:
        """Serve these models from now on; requests under way keep the model they have.

        Raises `NoModels` when there is none, or two have one name.
        """
        given = list(models)
        by_name = {model.name: model for model in given}
        if not given or len(by_name) < len(given):
            raise NoModels(name for name in by_name if sum(m.name == name for m in given) > 1)
        self._models: Mapping[str, ServedModel] = MappingProxyType(by_name)

    @property
    def current(self) -> Mapping[str, ServedModel]:
        """The models by name: a picture that later changes leave alone."""
        return self._models

    @property
    def live(self) -> Iterable[ServedModel]:
        """Every version that answers requests, arms among them, each without its arms."""
        for model in self._models.values():
            yield from (one.whole for one in model.answering)

    def elsewhere(self, model: ServedModel) -> frozenset[str]:
        """Return the columns that only other live versions of the model declare.

        Callers that serve several versions at once send them; this one ignores them.
        """
        live = [other for other in self.live if other.family == model.family]
        declared = {column.name for other in live for column in other.bundle.spec.inputs}
        return frozenset(declared.difference(column.name for column in model.bundle.spec.inputs))

    def get(self, name: str) -> ServedModel:
        """Return one model. Raises `ModelNotServed`."""
        try:
            return self._models[name]
        except KeyError:
            raise ModelNotServed(name, sorted(self._models)) from None


def load(source: str | Path, registry: Registry | None = None) -> ServedModel:
    """Load and prove what `source` names: a bundle's file (`Path`), or `name[@alias|@version]`.

    Raises:
        NotRegistered: the registry has no such model, version or alias.
        BundleDamaged, DamagedBlob, UnknownVersion: the bundle cannot be read.
        GoldenMismatch: it does not give the bits it was exported with.
    """
    if isinstance(source, Path):
        bundle = read_bundle(source)
        return ServedModel(bundle.name, bundle)
    if registry is None:
        raise DefinitionError(f"{source!r} is a name in a registry, and no registry was given")
    version = registry.resolve(source)
    return registered(served_name(source), version, registry)


def registered(name: str, version: ModelVersion, registry: Registry) -> ServedModel:
    """Load and prove a version, to be served by this name. Raises what `load` does."""
    bundle = registry.load(version)
    fields = registry.fields(version.name, bundle.spec.inputs)
    return ServedModel(name, bundle, version, fields)


def _ago(at: str, now: datetime) -> str:
    seconds = max(0, int((now - datetime.fromisoformat(at)).total_seconds()))
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return "just now"

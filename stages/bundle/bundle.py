"""The bundle: spec, model and golden rows as one immutable value and one file.

Guarantee: equal content gives equal bytes and an equal digest, on every machine and at every
time. The digest covers the manifest, the manifest lists the digest of every member, and reading
checks them all, so damage is found and named. Where it ends: a bundle whose digests were made
anew after a change is caught by its golden rows (`dagrun.stages.bundle.golden`), not here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from dagrun.engine import canonical
from dagrun.engine.errors import DagrunError, UnknownVersion
from dagrun.stages.bundle import archive
from dagrun.stages.bundle.golden_rows import GoldenRows
from dagrun.stages.bundle.limits import Limits
from dagrun.stages.bundle.model import FeatureMismatch, Float32s, Model, Task
from dagrun.stages.bundle.stored import MODEL_MEMBERS, read_model, written
from dagrun.stages.features import FeatureSpec

BUNDLE_FORMAT = 2
"""Bundles of XGBoost's models keep format 1, and with it their bytes; others have this one."""

_MANIFEST, _SPEC, _GOLDEN = "manifest.json", "spec.json", "golden.parquet"
_TABLES, _TABLE_SUFFIX = "tables/", ".parquet"
CARRIED_VERDICT = "verdict.json"
"""A member that a file may carry beside the bundle: what gates said of it, as it was exported."""


class BundleDamaged(DagrunError):
    """A bundle's file is not what its manifest says."""

    def __init__(self, member: str, problem: str) -> None:
        self.member, self.problem = member, problem
        super().__init__(
            f"the bundle is damaged: {member} {problem}; nothing was loaded from it. "
            "Export it again from the store that made it, or run its pipeline again"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What a bundle was made from.

    Attributes:
        inputs: logical digest of each artifact that the bundle's stage took, by name.
        key: key of that stage, "" when it was called outside a run.
    """

    inputs: Mapping[str, str] = field(default_factory=dict)
    key: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle:
    """What a server loads: everything between a raw row and its prediction.

    Attributes:
        name: name of the model.
        spec: the fitted feature spec.
        booster: the model, of XGBoost or any other kind; its features are the spec's.
        golden: rows with the bits they must give.
        threshold: a probability at or above it is labelled True (compared in double precision);
            None exactly for a regression.
        metrics: figures of the evaluation, by name.
        trained: first and last moment of the training data, as `{"from": ..., "to": ...}`.
        lineage: what it was made from.
        limits: ranges and sets that live rows are held against; None for none.
    """

    name: str
    spec: FeatureSpec
    booster: Model
    golden: GoldenRows
    threshold: float | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    trained: Mapping[str, str] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=Lineage)
    limits: Limits | None = None

    __dagrun_codec__: ClassVar[str] = "dagrun.stages.bundle.codec:BUNDLE"

    @property
    def task(self) -> Task:
        """What the model answers: a probability (`"binary"`) or a number (`"regression"`)."""
        return self.booster.task

    @property
    def digest(self) -> str:
        """Digest of the manifest, and through it of every member."""
        return self._packed[0]

    def matrix(self, columns: Sequence[pl.Series]) -> Float32s:
        """Return what the model takes for columns that `spec.admitted` gives; see `spec.matrix`.

        Raises `FeatureMismatch` when the spec's features are not the model's.
        """
        if self.booster.features != self.spec.names:
            raise FeatureMismatch(self.booster.features, self.spec.names)
        return self.spec.matrix(columns)

    def to_bytes(self) -> bytes:
        """Return the bundle's file."""
        return self._packed[1]

    @cached_property
    def _packed(self) -> tuple[str, bytes]:
        members = {
            _SPEC: self.spec.to_bytes(),
            **self.booster.members,
            _GOLDEN: self.golden.parquet,
            **{f"{_TABLES}{name}{_TABLE_SUFFIX}": data for name, data in self.spec.tables.items()},
        }
        manifest = {
            **written(self.booster),
            "lineage": {"inputs": dict(self.lineage.inputs), "key": self.lineage.key},
            "members": {name: canonical.digest_bytes(data) for name, data in members.items()},
            "metrics": {name: float(value).hex() for name, value in self.metrics.items()},
            "name": self.name,
            "threshold": None if self.threshold is None else self.threshold.hex(),
            "trained": dict(self.trained),
        }
        if self.limits is not None:  # a bundle without has the bytes that it always had
            manifest["limits"] = self.limits.describe()
        members[_MANIFEST] = canonical.to_bytes(manifest)
        return canonical.digest("bundle", manifest), archive.pack(members)

    @classmethod
    def from_bytes(cls, data: bytes) -> Bundle:
        """Read a bundle's file.

        Raises:
            BundleDamaged: a member is missing, unexpected, or has another digest.
            UnknownVersion: another version of dagrun wrote it.
        """
        members = _unpack(data)
        if members.pop(CARRIED_VERDICT, None) is not None:
            data = archive.pack(members)  # what was said of a bundle is no part of it
        manifest = _read_manifest(members)
        tables = {
            name.removeprefix(_TABLES).removesuffix(_TABLE_SUFFIX): content
            for name, content in members.items()
            if name.startswith(_TABLES)
        }
        spec = FeatureSpec.from_bytes(members[_SPEC], tables)
        golden = GoldenRows.read(members[_GOLDEN], spec.names)
        try:
            booster = read_model(manifest, members)
            bundle = cls(
                name=manifest["name"],
                spec=spec,
                booster=booster,
                golden=golden,
                threshold=_threshold(booster.task, manifest["threshold"]),
                metrics={name: float.fromhex(x) for name, x in manifest["metrics"].items()},
                trained=manifest["trained"],
                lineage=Lineage(**manifest["lineage"]),
                limits=_limits(manifest.get("limits"), spec),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BundleDamaged(_MANIFEST, f"cannot be understood ({error!r})") from error
        # Kept as read: other library versions may write equal tables in other bytes.
        vars(bundle)["_packed"] = (canonical.digest("bundle", manifest), data)
        return bundle


def read_bundle(path: Path | str) -> Bundle:
    """Read a bundle's file from disk. Raises as `Bundle.from_bytes` does."""
    return Bundle.from_bytes(Path(path).read_bytes())


def _threshold(task: Task, form: str | None) -> float | None:
    if (form is None) != (task == "regression"):
        raise ValueError(f"threshold {form!r} in a {task} bundle")
    return None if form is None else float.fromhex(form)


def _limits(described: Any, spec: FeatureSpec) -> Limits | None:
    if described is None:
        return None
    limits = Limits.rebuild(described)
    known = {column.name for column in spec.inputs}
    if unknown := [limit.column for limit in limits.columns if limit.column not in known]:
        raise ValueError(f"limits of {unknown}, which the spec does not take")
    return limits


def _unpack(data: bytes) -> dict[str, bytes]:
    try:
        return archive.unpack(data)
    except ValueError as error:
        raise BundleDamaged("the file", f"is no archive that can be read ({error})") from error


def _read_manifest(members: Mapping[str, bytes]) -> Any:
    """Return the parsed manifest after checking every member against it."""
    try:
        manifest = json.loads(members[_MANIFEST])
        version, listed = manifest["format"], dict(manifest["members"])
    except KeyError as error:
        raise BundleDamaged(_MANIFEST, f"lacks {error}") from error
    except (TypeError, ValueError) as error:
        raise BundleDamaged(_MANIFEST, f"cannot be parsed ({error})") from error
    if version not in MODEL_MEMBERS:
        raise UnknownVersion("the bundle", version, BUNDLE_FORMAT)
    for name in sorted({_SPEC, _GOLDEN} | MODEL_MEMBERS[version] | set(listed)):
        if name not in members:
            raise BundleDamaged(name, "is missing")
        found = canonical.digest_bytes(members[name])
        if found != listed.get(name):
            expected = str(listed.get(name, "(not listed)"))
            raise BundleDamaged(name, f"has digest {found[:12]}, its manifest says {expected[:12]}")
    for name in members:
        if name != _MANIFEST and name not in listed:
            raise BundleDamaged(name, "is not listed in its manifest")
    return manifest

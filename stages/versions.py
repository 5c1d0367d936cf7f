"""What the registry tells: model versions, moves of an alias, and what can be wrong with a name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dagrun.engine.errors import DagrunError, GateRefused, listing, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One registered bundle.

    Attributes:
        name: the model's name.
        version: its number, from 1.
        bundle: the bundle's digest.
        blob: blob digest of its file.
        run_id: the run that registered it, "" outside a run.
        at: when, ISO 8601 in UTC.
        by: user name.
        reason: why, in the words of who did it.
    """

    name: str
    version: int
    bundle: str
    blob: str
    run_id: str
    at: str
    by: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMove:
    """One move of an alias: where it points from then on, and why.

    Attributes:
        rollback: it went back to an earlier version.
        published: it came with the registration of a bundle, as in a run.
        override: why the champion was to be one that its gates refused; "" where they did not.
    """

    alias: str
    version: int
    rollback: bool
    published: bool
    at: str
    by: str
    reason: str
    override: str = ""


class NotRegistered(DagrunError):
    """A model, version or alias does not exist."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        self.what, self.name, self.known = what, name, tuple(known)
        super().__init__(
            f"no {what} {name!r} is registered.{nearest(name, self.known)} "
            f"There is: {listing(self.known)} (see: dagrun registry list)"
        )


class NameInvalid(DagrunError):
    """A model or alias cannot be called so."""

    def __init__(self, what: str, name: str) -> None:
        self.what, self.name = what, name
        super().__init__(
            f"{name!r} cannot be the name of {what}: use letters, digits, '_', '-' and '.', "
            "and for an alias not digits alone (they mean a version)"
        )


class NothingToRollBack(DagrunError):
    """An alias has pointed to one version only."""

    def __init__(self, name: str, alias: str) -> None:
        self.name, self.alias = name, alias
        super().__init__(
            f"{name}@{alias} has no earlier version to go back to; "
            f"point it to one of your choice with: dagrun registry promote {name}@VERSION {alias}"
        )


class VersionRefused(GateRefused):
    """A version that its gates refused was to answer for the champion."""

    def __init__(self, version: str, alias: str, reasons: Iterable[str]) -> None:
        self.version, self.alias, self.reasons = version, alias, tuple(reasons)
        told = "".join(f"\n  - {reason}" for reason in self.reasons)
        super().__init__(
            f"the gates refused {version}, so it cannot answer as {alias}:{told}\n"
            "To do it all the same, say why, for the record: --override 'REASON' (in Python, "
            "override='REASON')"
        )


class VerdictOfAnother(DagrunError):
    """A bundle was to be registered with the verdict on another one."""

    def __init__(self, bundle: str, subject: str) -> None:
        self.bundle, self.subject = bundle, subject
        super().__init__(
            f"the verdict is on bundle {subject[:12]}, not on {bundle[:12]}, which is to be "
            "registered; give the verdict of the gate that judged it"
        )

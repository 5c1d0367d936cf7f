"""What a check of the store finds: plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "marker",
    "folder",
    "ignore",
    "entry",
    "old entry",
    "lost entry",
    "other version",
    "blob",
    "lost blob",
    "text",
    "ref",
    "copy",
    "run log",
    "shortcut",
    "temporary",
    "lock",
    "stranger",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something in a store that is not as it should be.

    Attributes:
        kind: what it is.
        path: the file, relative to the store.
        problem: what is wrong with it.
        advice: what `fsck --repair` does about it, or what else to do.
        is_damage: False for what is only left over and does no harm.
        keys: the entries that are no hits because of it.
        refs: the refs that need it.
        stage: the stages it belongs to, where they are known.
    """

    kind: Kind
    path: str
    problem: str
    advice: str
    is_damage: bool = True
    keys: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()
    stage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check found, and how much it looked at (files, bytes)."""

    findings: tuple[Finding, ...]
    files: int
    size: int

    @property
    def damage(self) -> tuple[Finding, ...]:
        """The findings that do harm."""
        return tuple(finding for finding in self.findings if finding.is_damage)

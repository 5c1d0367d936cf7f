"""What all sources that are elsewhere have in common: binding, identity, freshness.

Guarantee: the identity of a bound source is the content of its snapshot, so a key never depends on
where, when or how the data was read, and what a stage reads is what its key says. The limits are
those of the snapshots.
"""

from __future__ import annotations

import dataclasses
import logging
import re
import threading
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from dagrun.engine.canonical import Json
from dagrun.engine.errors import DagrunError, DefinitionError
from dagrun.engine.events import Output
from dagrun.engine.remote.snapshots import Snapshot, Snapshots, private, request_digest
from dagrun.engine.statcache import StatCache

_SLOW = 2.0
"""Seconds of reading after which it is told, on standard error."""
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Unread(DagrunError):
    """A source could not be read; `where` says which one."""

    def __init__(self, where: str, error: DagrunError) -> None:
        self.where, self.error = where, error
        super().__init__(f"{where}: {error}")


def read_age(age: object) -> float | None:
    """Return a time to live in seconds. Raises `DefinitionError`."""
    if age is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|d)", age) if isinstance(age, str) else None
    if not found:
        raise DefinitionError(
            f"max_age={age!r} is not a duration such as '90s', '30m', '2h' or '7d'"
        )
    return float(found[1]) * _SECONDS[found[2]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A source that is elsewhere.

    Attributes:
        max_age: for how long a snapshot stands without asking ("90s", "30m", "2h", "7d").
        snapshots: where it is read into; None until it is bound.
        chosen: the one file it is about; None for all.
    """

    max_age: str | None = None
    snapshots: Snapshots | None = dataclasses.field(default=None, compare=False, repr=False)
    chosen: str | None = dataclasses.field(default=None, repr=False)

    @property
    def age(self) -> float | None:
        """`max_age` in seconds."""
        return read_age(self.max_age)

    @property
    @abstractmethod
    def request(self) -> Json:
        """What decides which data is read, without secrets."""

    @abstractmethod
    def take(self, known: Snapshot | None, at: Snapshots) -> Snapshot:
        """Read the source, or find that `known` still holds. Raises `DagrunError`."""

    def bind(
        self,
        root: Path,
        stats: StatCache | None = None,  # noqa: ARG002 - it is about files that are here
    ) -> Self:
        """Return a copy that is read into the store of the project at `root`."""
        return self.into(Snapshots(root))

    def into(self, snapshots: Snapshots) -> Self:
        """Return a copy that is read into `snapshots`, which a plan or run shares."""
        return dataclasses.replace(self, snapshots=snapshots)

    @property
    def snapshot(self) -> Snapshot:
        """What the source holds, as this plan or run sees it. Raises `DagrunError`."""
        return self._at.of(self)

    @property
    def files(self) -> dict[str, Output]:
        """The stored tables or files by name, sorted. Raises `DagrunError`."""
        found = self.snapshot.files
        return {name: found[name] for name in sorted(found) if self.chosen in (None, name)}

    @property
    def stored(self) -> dict[str, Path]:
        """The stored files by name, their content verified. Raises `DagrunError`."""
        store = self._at.store
        return {name: store.load(output, Path) for name, output in self.files.items()}

    @property
    def _at(self) -> Snapshots:
        return self.snapshots or private()

    def identity(self, where: str = "source") -> Json:
        """Return `{"files": {name: logical digest}}` of the snapshot, sorted by name.

        Raises `Unread`, opened by `where`.
        """
        slow = threading.Timer(_SLOW, logging.getLogger("dagrun").warning, ["reading %s", where])
        slow.daemon = True
        slow.start()
        try:
            files = self.files
        except DagrunError as error:
            raise Unread(where, error) from error
        finally:
            slow.cancel()
        return {"files": {name: output.logical for name, output in files.items()}}

    @property
    def stands(self) -> tuple[Path, float] | None:
        """The file that remembers the snapshot, and until when nothing is asked; or None."""
        if self.age is None:
            return None
        return self._at.path(request_digest(self)), self.snapshot.taken + self.age


def settled_for(params: Iterable[Any]) -> dict[str, Snapshot]:
    """Return the snapshots of the sources among some params, for another process to use."""
    return {request_digest(each): each.snapshot for each in params if isinstance(each, Remote)}


def snapshots_of(params: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what the sources among some params were read into, by param and file name."""
    return {name: value.files for name, value in params.items() if isinstance(value, Remote)}

"""The errors of dagrun: one root, structured arguments, and a message that says what to do next.

Every error a user can cause derives from `DagrunError`; each class builds its own message from
its arguments and keeps them as attributes. Anything else that escapes is a defect of dagrun.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class DagrunError(Exception):
    """Root of all errors that dagrun raises on purpose."""


class DefinitionError(DagrunError):
    """A pipeline, stage or setting is written wrongly (command line: exit code 2)."""


class StoreError(DagrunError):
    """The store cannot be used: unwritable, full, or of another format (exit code 4)."""


class GateRefused(DagrunError):
    """What a gate refused was to be used (exit code 3)."""


class DamagedBlob(StoreError):
    """Stored bytes no longer have the digest that names them, or are gone."""

    def __init__(self, digest: str, found: str) -> None:
        self.digest, self.found = digest, found
        super().__init__(
            f"blob {digest[:12]} is damaged ({found}); nothing was loaded from it. "
            "Run again with: dagrun run (it is recomputed), or mend all: dagrun fsck --repair"
        )


class UnknownVersion(StoreError):
    """A stored document was written by another version of dagrun."""

    def __init__(self, what: str, found: object, known: object) -> None:
        self.what, self.found, self.known = what, found, known
        super().__init__(
            f"{what} has format version {found!r}, this dagrun reads {known!r}; "
            "use the dagrun that wrote it, or another store"
        )


class Unhashable(DefinitionError):
    """A value has no canonical encoding, so it cannot be part of a key."""

    def __init__(self, value: object, where: str) -> None:
        self.value, self.where = value, where
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        super().__init__(
            f"{where} is a {kind}, whose content dagrun cannot identify. Use None, bool, int, "
            "float, str, bytes, date, time, Decimal, Path, Enum, a frozen dataclass, or lists, "
            "tuples, sets and dicts of these"
        )


class StageFailed(DagrunError):
    """A stage raised; `__cause__` is the user's exception (exit code 1)."""

    def __init__(self, stage: str, doing: str, cause: BaseException | str) -> None:
        self.stage, self.doing = stage, doing
        what = cause if isinstance(cause, str) else f"{type(cause).__name__}: {cause}"
        super().__init__(f"running stage {stage!r}: {doing}: {what}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `" Did you mean 'x'?"` for the closest known name, or an empty string."""
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {match[0]!r}?" if match else ""


def listing(names: Sequence[str], most: int = 20) -> str:
    """Join names for a message, the first `most` of them."""
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "(none)"

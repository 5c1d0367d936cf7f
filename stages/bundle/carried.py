"""The verdict that travels with a bundle's file, so that a refusal is known where it is imported.

Guarantee: it is no part of the bundle: with and without it the digest is the same. Where it ends:
who takes it out of the file on purpose has a bundle that nobody has judged.
"""

from __future__ import annotations

import json
from pathlib import Path

from dagrun.engine import canonical
from dagrun.engine.canonical import Json
from dagrun.engine.verdicts import Said
from dagrun.stages.bundle import archive
from dagrun.stages.bundle.bundle import CARRIED_VERDICT, Bundle, BundleDamaged


def exported(bundle: Bundle, said: Said | None) -> bytes:
    """Return a bundle's file with what was said of it."""
    data = bundle.to_bytes()
    if said is None:
        return data
    form = canonical.to_bytes({"by": said.by, "said_in": said.said_in, "verdict": said.form})
    return archive.pack({**archive.unpack(data), CARRIED_VERDICT: form})


def read_exported(path: Path | str) -> tuple[Bundle, tuple[Json, str] | None]:
    """Return a file's bundle, and the verdict it carries with where that was said.

    Raises as `Bundle.from_bytes` does, and `BundleDamaged` for a verdict that cannot be read.
    """
    data = Path(path).read_bytes()
    bundle = Bundle.from_bytes(data)
    carried = archive.unpack(data).get(CARRIED_VERDICT)
    if carried is None:
        return bundle, None
    try:
        found = json.loads(carried)
        form, said_in = found["verdict"], f"{found['said_in']} by {found['by']}"
        subject = form["$dataclass"][1]["subject"]
    except (KeyError, TypeError, ValueError) as error:
        raise BundleDamaged(CARRIED_VERDICT, f"cannot be read ({error!r})") from error
    if subject != bundle.digest:
        raise BundleDamaged(CARRIED_VERDICT, f"is on {str(subject)[:12]}, another bundle")
    return bundle, (form, said_in)

"""A rehearsal: a bundle's golden rows under other library versions, before anything is upgraded.

Guarantee: every golden row is replayed through both twins and the model, here or by another
interpreter with its own libraries, and each value whose bits are not the recorded ones is listed.
The limit: golden rows speak for the rows they hold, and for the machine they are replayed on.

Run as `python -m dagrun.stages.proof.rehearsal BUNDLE OUTCOME`, it is the other interpreter's part.
"""

from __future__ import annotations

import json
import platform
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from dagrun.engine.errors import DagrunError
from dagrun.stages.bundle import Bundle, Difference, check, read_bundle
from dagrun.stages.proof.elsewhere import run_module
from dagrun.stages.proof.errors import WorkerFailed

_DISTRIBUTIONS = ("dagrun", "polars", "xgboost", "xgboost-cpu", "numpy", "pyarrow", "tzdata")
_TIMEOUT = 600.0
_MODULE = "dagrun.stages.proof.rehearsal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What came of a replay.

    Attributes:
        rows: golden rows replayed.
        versions: of the interpreter, the libraries that compute, and the C library, by name.
        differences: every value that is not as recorded.
    """

    rows: int
    versions: Mapping[str, str]
    differences: tuple[Difference, ...]


def rehearse(bundle: Bundle) -> Rehearsal:
    """Replay a bundle's golden rows in this process."""
    report = check(bundle, kept=sys.maxsize)
    return Rehearsal(rows=report.rows, versions=versions(), differences=report.differences)


def rehearse_with(bundle: Bundle, python: str) -> Rehearsal:
    """Replay a bundle's golden rows by another interpreter, whose environment has dagrun.

    Raises `WorkerFailed` when there is none, or it cannot load the bundle.
    """
    with tempfile.TemporaryDirectory(prefix="dagrun-rehearsal-") as name:
        file, outcome = Path(name) / "bundle", Path(name) / "outcome.json"
        file.write_bytes(bundle.to_bytes())
        run_module(_MODULE, [str(file), str(outcome)], python, python, timeout=_TIMEOUT)
        form = json.loads(outcome.read_text("utf-8"))
    if "problem" in form:
        raise WorkerFailed(python, form["problem"])
    differences = tuple(Difference(**difference) for difference in form.pop("differences"))
    return Rehearsal(differences=differences, **form)


def versions() -> dict[str, str]:
    """Return the versions that can move bits, of this process."""
    libc = " ".join(platform.libc_ver())
    found = {"python": platform.python_version(), "libc": libc, "machine": platform.machine()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def main(file: Path, outcome: Path) -> None:
    """Replay the bundle in `file` and write the outcome as JSON."""
    try:
        form = asdict(rehearse(read_bundle(file)))
    except DagrunError as error:
        form = {"problem": str(error)}
    outcome.write_text(json.dumps(form), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

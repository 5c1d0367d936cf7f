"""Golden documents: for each version of each op a spec as it was written, rows, and their bits.

`make golden` adds the files that are missing and lists their digests in DIGESTS; it never writes
over one. What an op of some version once meant stays readable, or is refused by name.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from tests_every_op import EVERY_OP, spec_of, training

from dagrun.stages.features import FeatureSpec, hard_rows
from dagrun.stages.features.document import VERSION
from dagrun.stages.ops.catalog import OPS
from dagrun.stages.proof.bits import batch_bits

FOLDER = Path(__file__).parents[1] / "stages" / "features" / "golden"
DIGESTS = FOLDER / "DIGESTS"
ROWS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """One file: the document and its tables as they were written, rows, and recorded bits."""

    document: bytes
    tables: dict[str, bytes]
    rows: list[list[Any]]
    bits: dict[str, list[int]]


def place(op: str) -> Path:
    """Return where the document of an op's present version stands."""
    return FOLDER / f"format{VERSION}" / f"{op}-{OPS[op].version}.json"


def write(op: str, path: Path) -> None:
    """Write a new golden document."""
    spec = spec_of(op)
    rows = hard_rows(spec, training(200), ROWS)
    bits = batch_bits(spec.transform(rows).select(spec.names))
    form = {
        "document": spec.to_bytes().decode(),
        "tables": {name: base64.b64encode(data).decode() for name, data in spec.tables.items()},
        "rows": [[_form(value) for value in row] for row in spec.rows_of(rows)],
        "bits": {name: bits[:, i].tolist() for i, name in enumerate(spec.names)},
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(form, ensure_ascii=True, indent=1) + "\n", "utf-8")


def read(path: Path) -> Golden:
    """Read a golden document."""
    form = json.loads(path.read_text("utf-8"))
    return Golden(
        document=form["document"].encode(),
        tables={name: base64.b64decode(data) for name, data in form["tables"].items()},
        rows=[[_value(value) for value in row] for row in form["rows"]],
        bits=form["bits"],
    )


def frame(spec: FeatureSpec, golden: Golden) -> pl.DataFrame:
    """Return the rows of a golden document as a frame."""
    return spec.frame_of(golden.rows)


def _form(value: object) -> object:
    return {"hex": value.hex()} if isinstance(value, float) else value


def _value(form: Any) -> Any:
    return float.fromhex(form["hex"]) if isinstance(form, dict) else form


def listed() -> dict[str, str]:
    """Return the digests by path in the folder."""
    lines = DIGESTS.read_text("utf-8").splitlines() if DIGESTS.exists() else []
    return {path: digest for digest, path in (line.split("  ") for line in lines)}


def present() -> dict[str, str]:
    """Return the digests of the files that are there, by path in the folder."""
    return {
        path.relative_to(FOLDER).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(FOLDER.glob("*/*.json"))
    }


def add() -> list[Path]:
    """Write what is missing, and list it. Never touches what is there."""
    made = [place(op) for op in EVERY_OP if not place(op).exists()]
    for op in EVERY_OP:
        if place(op) in made:
            write(op, place(op))
    digests = {**present(), **listed()}
    lines = [f"{digest}  {path}\n" for path, digest in sorted(digests.items())]
    DIGESTS.write_text("".join(lines), "utf-8")
    return made


if __name__ == "__main__":
    for written in add():
        print(f"wrote {written.relative_to(FOLDER)}")

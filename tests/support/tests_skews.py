"""Skews are planted by really replacing code or state; what the golden rows and the proof see.

A twin's skew replaces the method of an op's class while it is looked for. A document's skew edits
the fitted document, a bundle's another member, and all digests are made anew. Run as a script,
this prints the table that stands in docs/skews.md.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl
from hypothesis import HealthCheck, Phase, given, seed, settings
from skews_list import FEATURES, SKEWS, Skew
from tests_bundles import flights, redigested

from dagrun.engine.errors import DagrunError, DefinitionError
from dagrun.stages.bundle import Bundle, check, make_bundle
from dagrun.stages.ops.errors import CannotFit
from dagrun.stages.proof.proving import Example, examples_of, prove_fit
from dagrun.stages.proof.subject import subject_of
from dagrun.stages.train import fit_xgboost

EXAMPLES = 30
PROOF = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


@contextlib.contextmanager
def planted(skew: Skew) -> Iterator[None]:
    """Replace the method of an op's class for the block; nothing for a skew of a file."""
    if skew.kind is None:
        yield
        return
    own = vars(skew.kind).get(skew.method)
    true = getattr(skew.kind, skew.method)
    setattr(skew.kind, skew.method, lambda op, given: skew.change(op, given, true(op, given)))
    try:
        yield
    finally:
        setattr(skew.kind, skew.method, own) if own else delattr(skew.kind, skew.method)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the golden rows and the proof said, "" where they saw nothing."""

    golden: str
    proof: str


def make() -> Bundle:
    """Return the unskewed bundle, proved."""
    sample = flights(2_000).with_columns(arrived=pl.col("distance") * 0.1)
    spec, matrix = FEATURES.fit_transform(sample, label="late")
    booster = fit_xgboost(matrix, matrix, seed=1, rounds=40, max_depth=6, nthread=1)
    return make_bundle(None, name="flights", spec=spec, booster=booster, sample=sample)


def look(bundle: Bundle, skew: Skew) -> Seen:
    """Plant a skew and return what is seen of it; the control is a skew that changes nothing."""
    data = redigested(bundle, skew.member, skew.change) if skew.member else bundle.to_bytes()
    with planted(skew):
        golden, proof = _golden(data), _proof(skew) if skew.proved else ""
    return Seen(golden=golden, proof=proof)


def _golden(data: bytes) -> str:
    try:
        report = check(Bundle.from_bytes(data))
    except DagrunError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a twin that fails on a golden row is caught too
        return f"{type(error).__name__}: {error}"
    return str(report.differences[0]) if report.different else ""


def _proof(skew: Skew) -> str:
    """Return what the proof finds first; `prove` would go on to look for the smallest frame."""
    subject, found = subject_of(skew.proved, ()), []

    @seed(0)
    @settings(PROOF, max_examples=EXAMPLES, phases=(Phase.generate,))
    @given(examples_of(subject, None, 12))
    def examine(example: Example) -> None:
        if found:
            return
        with contextlib.suppress(CannotFit, DefinitionError):
            proof = prove_fit(subject, example, None, ("row twin", "one row"))
            found.extend(map(str, proof.differences[:1]))

    examine()
    return found[0] if found else ""


PAGE = """# Skews that are caught

Each of these errors was planted, alone, by replacing the code of one twin, or by editing a bundle
and making all of its digests anew. Then the golden rows of the bundle as it was were replayed
(`dagrun serve` and `dagrun predict` do that before the first answer), and the property proof was
run on the op (`dagrun spec check`). An error in the document or the bundle is the same in both
twins, so that only golden rows can see it. Where nothing is planted, neither says anything.

Caught: **{caught} of {all}**. `tests/stages/proof/test_skews.py` plants them all again.

| skew | planted in | golden rows | proof | first evidence |
|---|---|---|---|---|
"""


def table(seen: Sequence[tuple[Skew, Seen]]) -> str:
    """Return docs/skews.md."""
    caught = sum(bool(one.golden or one.proof) for _, one in seen)
    lines = [PAGE.replace("{caught}", str(caught)).replace("{all}", str(len(seen)))]
    for skew, one in seen:
        golden = "caught" if one.golden else "unseen"
        proof = ("caught" if one.proof else "unseen") if skew.proved else ""
        evidence = " ".join((one.golden or one.proof).split())[:140].replace("|", "\\|")
        lines.append(f"| {skew.name} | {skew.where} | {golden} | {proof} | {evidence} |\n")
    return "".join(lines)


if __name__ == "__main__":
    made = make()
    print(table([(skew, look(made, skew)) for skew in SKEWS]), end="")

"""The big proof: random rows with hard values through a spec that uses every op there is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests_every_op import EVERY_OP, features_of, rows, spec_of
from tests_parity import SOAK

from dagrun.stages.features import feature_set
from dagrun.stages.ops.catalog import OPS
from dagrun.stages.proof import OTHER_LIBM, PROCESSES, WorkerFailed, compare, compare_processes
from dagrun.stages.proof.bits import unrounded

SUPPORT = Path(__file__).parents[2] / "support"
ROWS = 2_000_000 if SOAK else 20_000


def test_no_op_of_the_catalog_is_left_out() -> None:
    assert set(EVERY_OP) == set(OPS)


def test_every_op_has_a_row_twin_with_the_same_bits() -> None:
    assert [op for op in EVERY_OP if not OPS[op].row_exact] == []


@pytest.mark.parametrize("op", EVERY_OP)
def test_features_use_the_op_they_stand_for(op: str) -> None:
    def used(feature: object) -> set[str]:
        inner = [used(one) for one in getattr(feature, "inputs", ())]
        return set().union({feature.op.op}, *inner) if hasattr(feature, "op") else set()

    assert op in set().union(*(used(feature) for feature in features_of(op)))


def test_random_rows_through_every_op_have_the_same_bits_in_every_way() -> None:
    spec = spec_of()
    assert spec.row_exact
    frame = rows(ROWS)
    proof = compare(spec, frame, alone=2_000 if SOAK else 20).require()
    print(f"\n{len(spec.steps)} steps of {len(EVERY_OP)} ops\n{proof}")
    doubles = len(unrounded(spec, frame).names)
    assert 0.7 * len(spec.names) < doubles < len(spec.names)
    assert proof.compared["row twin"] == ROWS * (len(spec.names) + doubles)


def test_other_processes_give_the_same_bits() -> None:
    spec = spec_of()
    proof = compare_processes(spec, rows(ROWS), {**PROCESSES, **OTHER_LIBM}).require()
    print(f"\n{proof}")
    assert set(proof.compared.values()) == {ROWS * len(spec.names)}


def test_a_fit_is_the_same_under_any_hash_seed_and_thread_count() -> None:
    code = "from tests_every_op import spec_of; print(spec_of().digest)"
    digests = set()
    for number in ("1", "2"):
        surroundings = {"PYTHONHASHSEED": number, "POLARS_MAX_THREADS": number}
        environment = {**os.environ, **surroundings, "PYTHONPATH": str(SUPPORT)}
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout)
    assert digests == {f"{spec_of().digest}\n"}


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    spec = feature_set("x").fit(rows(3))
    with pytest.raises(WorkerFailed, match="No such file"):
        compare_processes(spec, rows(3), python=str(tmp_path / "python"))
    with pytest.raises(WorkerFailed, match="'odd'"):
        compare_processes(spec, rows(3), {"odd": {"PYTHONHASHSEED": "many"}})

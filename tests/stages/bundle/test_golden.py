"""The parity proof: silent about an honest bundle, precise about one that was tampered with."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from tests_bundles import redigested, with_other_leaf

from dagrun.engine import canonical
from dagrun.stages.bundle import Bundle, GoldenMismatch, check
from dagrun.stages.bundle.golden_rows import GOLDEN_ROWS, bits


def float_of(pattern: int) -> float:
    return struct.unpack("<f", struct.pack("<I", pattern))[0]


def test_an_honest_bundle_replays_without_a_difference(bundle: Bundle) -> None:
    report = check(Bundle.from_bytes(bundle.to_bytes()))
    assert (report.rows, report.different, report.differences) == (GOLDEN_ROWS, 0, ())
    report.require()


def test_golden_rows_hold_hard_cases(bundle: Bundle) -> None:
    rows = bundle.golden.rows
    assert rows.columns == [column.name for column in bundle.spec.inputs]
    assert "never seen" in rows["carrier"].to_list()
    assert rows["distance"].is_infinite().any()
    assert rows["sched_dep"].null_count()
    assert rows["seats"].max() == 2**63 - 1


def test_a_fitted_number_changed_with_all_digests_is_caught(bundle: Bundle) -> None:
    def nudge(document: bytes) -> bytes:
        spec = json.loads(document)
        (step,) = (step for step in spec["steps"] if step["name"] == "distance_standardized")
        mean = float(step["state"]["offset"]["dec"]) * (1 + 2**-20)
        step["state"]["offset"] = {"dec": repr(mean), "hex": mean.hex()}
        return canonical.to_bytes(spec)

    tampered = Bundle.from_bytes(redigested(bundle, "spec.json", nudge))
    report = check(tampered)
    first, second = report.differences[:2]
    assert {first.name, second.name} == {"distance_standardized"}
    assert (first.row, first.twin, second.twin) == (second.row, "batch", "row")
    assert first.found == second.found != first.expected
    place = bundle.spec.names.index("distance_standardized")
    assert first.expected == bundle.golden.features[first.row, place]
    assert float_of(first.expected) == pytest.approx(float_of(first.found), abs=1e-2)
    with pytest.raises(GoldenMismatch) as caught:
        report.require()
    assert f"golden row {first.row}, distance_standardized (batch path): expected 0x" in str(
        caught.value
    )


def test_a_leaf_changed_with_all_digests_is_caught(bundle: Bundle) -> None:
    report = check(Bundle.from_bytes(redigested(bundle, "model.ubj", with_other_leaf)))
    assert report.different >= 4
    assert {difference.name for difference in report.differences} == {"margin", "probability"}
    assert {difference.twin for difference in report.differences} == {"batch", "row"}


def test_differences_are_counted_and_the_first_are_listed_in_order(bundle: Bundle) -> None:
    margins = bundle.golden.margins + np.float32(1)
    changed = replace(bundle, golden=replace(bundle.golden, margins=margins))
    report = check(changed)
    assert report.different == 2 * GOLDEN_ROWS
    assert [(d.row, d.name, d.twin) for d in report.differences[:3]] == [
        (0, "margin", "batch"),
        (0, "margin", "row"),
        (1, "margin", "batch"),
    ]
    assert len(report.differences) == 20
    assert str(GoldenMismatch(report)).count("\n  golden row") == 20


def test_signed_zeros_differ_and_nans_do_not() -> None:
    values = np.array([0.0, -0.0, np.nan, -np.nan], np.float32)
    assert bits(values).tolist() == [0, 0x80000000, 0x7FC00000, 0x7FC00000]

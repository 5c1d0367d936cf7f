"""What `dagrun.stages` offers: every public name of its rooms, and nothing heavy until then."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import dagrun.stages

ROOMS = ("bundle", "clean", "evaluate", "features", "ingest", "split", "train", "validate")


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_of_a_room_can_be_imported_from_here(room: str) -> None:
    module = importlib.import_module(f"dagrun.stages.{room}")
    names = set(module.__all__) - set(ROOMS)  # `dagrun.stages.evaluate` is the room
    assert names <= set(dir(dagrun.stages))
    for name in names:
        assert getattr(dagrun.stages, name) is getattr(module, name)


def test_no_name_stands_for_two_things() -> None:
    homes: dict[str, object] = {}
    for room in ROOMS:
        module = importlib.import_module(f"dagrun.stages.{room}")
        for name in module.__all__:
            assert homes.setdefault(name, getattr(module, name)) is getattr(module, name)


def test_nothing_heavy_is_imported_before_a_name_is_asked_for() -> None:
    code = (
        "import sys, dagrun.stages\n"
        "assert not {'polars', 'xgboost', 'numpy'} & set(sys.modules)\n"
        "from dagrun.stages import Booster, FeatureSpec, judge, make_bundle, register\n"
        "assert 'xgboost' not in sys.modules"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fit_xgbost'"):
        _ = dagrun.stages.fit_xgbost

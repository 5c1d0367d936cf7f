"""How a model stands in a bundle's manifest, and which kind it is read back as.

XGBoost's models stand there as they always did, in bundles of format 1: `booster` in the manifest
beside `model.ubj`. Any other is `model` in the manifest, in bundles of format 2, with its files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagrun.stages.bundle import estimator
from dagrun.stages.bundle.booster import Booster
from dagrun.stages.bundle.calibration import Calibrated, read_curve
from dagrun.stages.bundle.estimator import Estimator
from dagrun.stages.bundle.model import Model

MODEL_MEMBERS: Mapping[int, frozenset[str]] = {1: frozenset({"model.ubj"}), 2: frozenset()}
"""Formats of a bundle, and the files that each needs for its model, of whatever kind it is."""
_XGBOOST, _CALIBRATED = "xgboost", "calibrated"


def written(model: Model) -> dict[str, Any]:
    """Return what the manifest says of a model, the format included."""
    if isinstance(model, Booster):
        return {"booster": model.describe(), "format": 1}
    return {"model": model.describe(), "format": 2}


def read_model(manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> Model:
    """Return the model of a bundle.

    Raises `AttributeError`, `KeyError`, `TypeError` or `ValueError` for one of another shape.
    """
    if manifest["format"] == 1:
        return Booster.rebuild(manifest["booster"], members["model.ubj"])
    return rebuilt(manifest["model"], members)


def rebuilt(described: Mapping[str, Any], members: Mapping[str, bytes]) -> Model:
    """Return the model whose `describe` and files these are. Raises as `read_model` does."""
    kind = described["kind"]
    if kind == estimator.KIND:
        return Estimator.rebuild(described, members)
    if kind == _XGBOOST:
        return Booster.rebuild(described["model"], members["model.ubj"])
    if kind == _CALIBRATED:
        return Calibrated(
            model=rebuilt(described["model"], members),
            curve=read_curve(described["curve"]),
        )
    raise ValueError(f"a model of kind {kind!r}")

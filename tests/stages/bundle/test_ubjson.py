"""What XGBoost writes as UBJSON is read as what it writes as JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xgboost

from dagrun.stages.bundle.ubjson import read_ubjson


def plain(value: Any) -> Any:
    """Return a value with lists for arrays and float32 for numbers, which JSON text rounds to."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | np.ndarray):
        return [plain(inner) for inner in list(value)]
    return np.float32(value) if isinstance(value, float | np.floating) else value


@pytest.mark.parametrize("booster", ["gbtree", "dart", "gblinear"])
def test_a_model_read_from_either_form_is_the_same(booster: str) -> None:
    chance = np.random.default_rng(3)
    values = chance.normal(0, 1, (300, 4))
    values[chance.random(values.shape) < 0.1] = np.nan
    data = xgboost.DMatrix(values, values[:, 0] > 0, feature_names=list("abcd"))
    params = {"booster": booster, "objective": "binary:logistic", "nthread": 1}
    model = xgboost.train(params, data, 5)
    model.set_attr(note="grüße")
    found = read_ubjson(bytes(model.save_raw("ubj")))
    assert plain(found) == plain(json.loads(bytes(model.save_raw("json"))))
    assert found["learner"]["attributes"]["note"] == "grüße"


def test_a_form_that_xgboost_does_not_write_is_an_error() -> None:
    with pytest.raises(ValueError, match="begins no value"):
        read_ubjson(b"?")

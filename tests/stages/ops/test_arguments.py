"""Arguments of another type are told by every constructor, at definition."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from dagrun.engine.errors import DagrunError
from dagrun.stages import features as f
from dagrun.stages.ops.errors import FeatureDefinitionError, SpecDamaged

TABLE = pl.DataFrame({"s": ["a", "b"], "v": [1.0, 2.0]})
FRAME = pl.DataFrame(
    {
        "x": [1.0, None, 3.5],
        "y": [2.0, 0.0, 1.0],
        "s": ["2020-01-01", "a", "7"],
        "i": [1, 2, 3],
        "t": [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 2), dt.datetime(2021, 1, 1)],
        "late": [0.0, 1.0, 1.0],
    }
)
BAD: tuple[object, ...] = (
    *(None, "", "zzz", 0, -1, 2**70, 1.5, float("nan"), True, b"x", object(), dt.date(2020, 1, 1)),
    *([], {}, [1, 2], [None], [object()], {1: 2}, {"a": None}, {"a": object()}, {"a", "b"}, TABLE),
)
MADE: dict[Callable[..., object], tuple[tuple[Any, ...], dict[str, Any]]] = {
    f.affine: (("x",), {}),
    f.available_since: (("2020-01-01", f.affine("x")), {}),
    f.bucket_fixed: (("x",), {"edges": [1.0]}),
    f.bucket_quantile: (("x",), {}),
    f.cast: (("x",), {}),
    f.clip: (("x",), {"low": 0.0}),
    f.clip_iqr: (("x",), {}),
    f.clip_z: (("x",), {}),
    f.cross: (("s", "i"), {}),
    f.cyclical: (("x",), {"period": 24}),
    f.date_parts: (("t",), {}),
    f.embed_lookup: (("s",), {"table": TABLE, "key": "s", "vector": ["v"], "dimensions": 1}),
    f.feature_set: (("x",), {"time": "t"}),
    f.frequency: (("s",), {}),
    f.group_agg: (("late",), {"by": "s"}),
    f.hash_bucket: (("s",), {"buckets": 4}),
    f.impute_const: (("x",), {"value": 0}),
    f.impute_stat: (("x",), {}),
    f.interact: (("x", "y"), {}),
    f.log1p: (("x",), {}),
    f.lookup: (("s",), {"table": TABLE, "key": "s", "value": "v"}),
    f.map_values: (("s",), {"values": {"a": 1.0}}),
    f.minmax: (("x",), {}),
    f.missing_flag: (("x",), {}),
    f.norm_text: (("s",), {}),
    f.null_if: (("x",), {"values": 1.0}),
    f.one_hot: (("s",), {}),
    f.ordinal: (("s",), {}),
    f.parse_date: (("s",), {"format": "%Y-%m-%d"}),
    f.parse_datetime: (("s",), {"format": "%Y-%m-%d"}),
    f.parse_number: (("s",), {}),
    f.rare_group: (("s",), {}),
    f.ratio: (("x", "y"), {}),
    f.robust_scale: (("x",), {}),
    f.signed_log: (("x",), {}),
    f.standardize: (("x",), {}),
    f.target_mean: (("late",), {"by": "s"}),
    f.time_since: (("t", dt.datetime(2020, 1, 1)), {}),
    f.tokens: (("s",), {"vocabulary": 3}),
    f.yeo_johnson: (("x",), {}),
}


def test_every_constructor_is_here() -> None:
    public = {getattr(f, name) for name in f.__all__}
    made = {one for one in public if inspect.isfunction(one)}
    assert made - MADE.keys() == {f.each, f.hard_rows, f.make_table, f.number, f.only}


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_bad_arguments_are_told(make: Callable[..., Any]) -> None:
    args, settings = MADE[make]
    keywords = [
        one.name
        for one in inspect.signature(make).parameters.values()
        if one.kind is one.KEYWORD_ONLY
    ]
    tried = [(args, {**settings, name: bad}) for name in keywords for bad in BAD]
    for place in range(len(args)):
        tried += [((*args[:place], bad, *args[place + 1 :]), settings) for bad in BAD]
    for given, named in tried:
        try:
            made = make(*given, **named)
            whole = made if isinstance(made, f.FeatureSet) else f.feature_set(made, time="t")
            spec = whole.fit(FRAME)
        except DagrunError:
            continue
        assert f.FeatureSpec.from_bytes(spec.to_bytes(), spec.tables) == spec


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("field", ["name", "dtype", "nullable", "aware", "available_since"])
def test_bad_columns_are_told(field: str, bad: Any) -> None:
    try:
        column = f.Column(**{"name": "x", "dtype": "double", field: bad})
        f.feature_set("x", inputs=[column], time="t").fit(FRAME)
    except DagrunError:
        pass


def test_bad_frames_and_labels_are_told() -> None:
    features = f.feature_set("x")
    for bad in (None, 1, {"x": [1.0]}, [1]):
        with pytest.raises(FeatureDefinitionError, match="train must be DataFrame or LazyFrame"):
            features.fit(bad)  # type: ignore[arg-type]
    with pytest.raises(FeatureDefinitionError, match="label must be a string or None, not 3"):
        features.fit_transform(FRAME, label=3)  # type: ignore[arg-type]


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(FeatureDefinitionError, match=r"'bucket_fixed': edges must be a list"):
        f.bucket_fixed("x", edges=None)  # type: ignore[arg-type]
    with pytest.raises(FeatureDefinitionError, match="name must be a string or None, not 3"):
        f.log1p("x", name=3)  # type: ignore[arg-type]
    with pytest.raises(FeatureDefinitionError, match="vector names no column"):
        f.embed_lookup("s", table=TABLE, key="s", vector=[], dimensions=1)


def test_a_document_with_a_column_of_no_dtype_is_damaged() -> None:
    spec = f.feature_set("x").fit(FRAME)
    broken = spec.to_bytes().replace(b'"dtype":"double"', b'"dtype":"dribble"')
    assert broken != spec.to_bytes()
    with pytest.raises(SpecDamaged, match="dtype must be one of"):
        f.FeatureSpec.from_bytes(broken, {})

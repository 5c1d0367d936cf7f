"""Scoring tables: order, dtypes and the meaning of the threshold."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from dagrun.stages.bundle import Bundle, score


def test_there_is_one_answer_for_each_row_in_order(bundle: Bundle, sample: pl.DataFrame) -> None:
    scores = score(bundle, sample)
    assert scores.schema == {
        "probability": pl.Float32,
        "margin": pl.Float32,
        "label": pl.Boolean,
    }
    assert score(bundle, sample.reverse()).equals(scores.reverse())
    assert score(bundle, sample.lazy(), nthread=1).equals(scores)
    inputs = [column.name for column in bundle.spec.inputs]
    assert score(bundle, sample.select(reversed(inputs))).equals(scores)
    assert score(bundle, sample.head(0)).schema == scores.schema


def test_a_probability_at_the_threshold_is_labelled_true(bundle: Bundle, sample) -> None:
    probability = score(bundle, sample.head(1))["probability"][0]
    at = replace(bundle, threshold=probability)
    above = replace(bundle, threshold=probability + 1e-12)  # nothing in float32, but above
    assert score(at, sample.head(1))["label"].to_list() == [True]
    assert score(above, sample.head(1))["label"].to_list() == [False]

"""The hand-written encoding of answers, read back by protobuf."""

from __future__ import annotations

import math
import struct

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.serving import answers

FLOAT32 = st.floats(width=32)


def bits(value: float) -> bytes:
    return struct.pack("<f", value)


@settings(max_examples=200, deadline=None)
@given(
    scores=st.lists(st.tuples(FLOAT32, st.floats(0, 1, width=32)), max_size=4),
    threshold=st.floats(0, 1),
)
def test_protobuf_reads_what_was_written(
    scores: list[tuple[float, float]], threshold: float
) -> None:
    parts = [answers.encode(margin, probability, threshold) for margin, probability in scores]
    tail = answers.tail(threshold, 3, "9c41")
    response = pb.PredictResponse.FromString(b"".join((*parts, tail)))
    assert (response.threshold, response.model_version) == (threshold, 3)
    assert response.bundle_digest == "9c41"
    assert len(response.answers) == len(scores)
    for answer, (margin, probability) in zip(response.answers, scores, strict=True):
        assert bits(answer.margin) == bits(margin)
        assert bits(answer.probability) == bits(probability)
        assert answer.label == (probability >= threshold)
        expected = probability if answer.label else 1.0 - probability
        assert bits(answer.confidence) == bits(expected)
        assert not answer.features


@given(st.lists(FLOAT32, max_size=40))
def test_features_are_added_to_an_answer(features: list[float]) -> None:
    encoded = answers.with_features(answers.encode(0.5, 0.625, 0.5), features)
    (answer,) = pb.PredictResponse.FromString(encoded).answers
    assert [bits(value) for value in answer.features] == [bits(value) for value in features]
    assert (answer.margin, answer.probability, answer.label) == (0.5, 0.625, True)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1, width=32), st.floats(0, 1))
def test_tables_have_the_same_confidence(probability: float, threshold: float) -> None:
    (answer,) = pb.PredictResponse.FromString(answers.encode(0.0, probability, threshold)).answers
    scores = pl.DataFrame(
        {"probability": [probability], "margin": [0.0], "label": [probability >= threshold]},
        schema_overrides={"probability": pl.Float32, "margin": pl.Float32},
    )
    table = answers.with_confidence(scores)
    assert table.columns == ["probability", "margin", "label", "confidence"]
    assert table.schema["confidence"] == pl.Float32
    assert bits(table["confidence"].item()) == bits(answer.confidence)
    assert not math.isnan(answer.confidence)

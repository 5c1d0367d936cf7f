"""A regression behind a server: `value` and nothing else, with the bits of the offline scorer."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator

import grpc
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_regression import delayed, delays

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client import AsyncClient, Client
from dagrun.server.client.values import request
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings, answers
from dagrun.stages.bundle import score


@pytest.fixture(scope="module")
def connected(served: ServedModel) -> Iterator[Client]:
    """A server of a classifier and a regression."""
    models = Models([served, ServedModel("delays", delays())])
    settings = ServerSettings(port=0, recheck=1.0)
    with Server(models, settings) as server, Client(server.address, timeout=20) as client:
        yield client


def test_rows_and_tables_have_the_bits_of_the_offline_scorer(connected: Client) -> None:
    rows = delayed(200, seed=5).select(column.name for column in delays().spec.inputs)
    expected = score(delays(), rows)
    assert connected.predict_table("delays", rows).equals(expected)
    for part in (rows.head(1), rows):
        answers = connected.predict("delays", part.to_dicts(), features=True)
        found = pl.Series("value", [answer.value for answer in answers], pl.Float32)
        assert found.equals(expected["value"].head(len(part)))
    (answer,) = connected.predict("delays", rows.head(1).to_dicts())
    assert answer.bundle_digest == delays().digest
    nothing = (answer.probability, answer.margin, answer.label, answer.confidence)
    assert (*nothing, answer.threshold) == (None,) * 5


def test_streams_explanations_and_waiting_callers_get_the_same_values(connected: Client) -> None:
    rows = delayed(60, seed=6).select(column.name for column in delays().spec.inputs)
    expected = score(delays(), rows)["value"].to_list()
    sent = request("delays", rows.to_dicts(), features=False)
    with grpc.insecure_channel(connected.target) as channel:
        stream = channel.stream_stream(
            "/dagrun.v1.Prediction/PredictStream",
            pb.PredictRequest.SerializeToString,
            pb.PredictResponse.FromString,
        )
        (response,) = stream(iter([sent]), timeout=20)
        call = channel.unary_unary(
            "/dagrun.v1.Prediction/Explain",
            pb.ExplainRequest.SerializeToString,
            pb.ExplainResponse.FromString,
        )
        told = call(pb.ExplainRequest(model="delays", rows=sent.rows), timeout=20)
    assert [answer.value for answer in response.answers] == expected
    assert [one.margin for one in told.explanations] == expected
    for one in told.explanations:
        assert sum(one.contributions) + one.bias == pytest.approx(one.margin, abs=1e-3)

    async def ask() -> list[float | None]:
        async with AsyncClient(connected.target, timeout=20) as client:
            return [answer.value for answer in await client.predict("delays", rows.to_dicts())]

    assert asyncio.run(ask()) == expected
    assert connected.score_table("delays", rows).frame["value"].to_list() == expected


def test_models_say_what_they_answer(connected: Client) -> None:
    told = {model.name: (model.task, model.threshold) for model in connected.models()}
    assert told == {"delays": ("regression", None), "flights": ("binary", 0.4)}


def test_a_classifier_has_no_value(connected: Client, make_row) -> None:
    (answer,) = connected.predict("flights", [make_row()])
    assert answer.value is None
    assert answer.label is not None


@given(st.lists(st.floats(width=32), max_size=5), st.lists(st.floats(width=32), max_size=3))
def test_protobuf_reads_the_values_that_were_written(
    values: list[float], features: list[float]
) -> None:
    parts = [answers.with_features(answers.encode(0.5, x, None), features) for x in values]
    response = pb.PredictResponse.FromString(b"".join((*parts, answers.tail(None, 3, "9c41"))))
    assert (response.threshold, response.model_version) == (0.0, 3)
    for answer, value in zip(response.answers, values, strict=True):
        assert {field.name for field, _ in answer.ListFields()} == {
            "value",
            *(["features"] if features else []),
        }
        assert struct.pack("<d", answer.value) == struct.pack("<d", value)


def test_the_operator_is_told_of_values() -> None:
    rows = delays().golden.rows.height
    (proof,) = [line for line in ServedModel("x", delays()).report() if "golden" in line]
    assert proof == f"golden rows: {rows} of {rows} bit-identical (features, margins, values)"

"""Explain: contributions that sum to the margin, with the same bits alone and among others."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import numpy as np
import polars as pl
import pytest

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client import Client
from dagrun.server.client.values import request
from dagrun.server.serving import Server
from dagrun.stages.bundle import Bundle, explain

Row = Callable[..., dict[str, object]]


def explained(server: Server, rows: list[dict[str, object]]) -> pb.ExplainResponse:
    sent = request("flights", rows, features=False)
    with grpc.insecure_channel(server.address) as channel:
        call = channel.unary_unary(
            "/dagrun.v1.Prediction/Explain",
            pb.ExplainRequest.SerializeToString,
            pb.ExplainResponse.FromString,
        )
        return call(  # type: ignore[no-any-return]
            pb.ExplainRequest(model=sent.model, rows=sent.rows), timeout=20
        )


def test_rows_are_explained_as_offline(
    server: Server, client: Client, bundle: Bundle, make_rows: Callable[[int, int], pl.DataFrame]
) -> None:
    frame = make_rows(40, 3)
    rows = frame.to_dicts()
    response = explained(server, rows)
    assert tuple(response.features) == bundle.spec.names
    assert response.bundle_digest == bundle.digest
    offline = explain(bundle, frame)
    for number, (one, answer) in enumerate(
        zip(response.explanations, client.predict("flights", rows, features=True), strict=True)
    ):
        assert (*one.contributions, one.bias, one.margin) == offline.row(number)
        assert one.margin == answer.margin
        assert np.array_equal(one.values, answer.features, equal_nan=True)
        alone = explained(server, [rows[number]]).explanations[0]
        assert alone.SerializeToString() == one.SerializeToString()


def test_no_rows_no_explanations(server: Server) -> None:
    response = explained(server, [])
    assert not response.explanations
    assert response.features


def test_refusals_are_those_of_predict(server: Server, make_row: Row) -> None:
    with pytest.raises(grpc.RpcError, match=r"rows\[0\].distance: is a string") as caught:
        explained(server, [make_row(distance="far")])
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError, match=r"at most 1000\. Explain them in parts"):
        explained(server, [make_row()] * 1001)


def test_a_feature_beyond_float32_is_named(server: Server, client: Client, make_row: Row) -> None:
    """`Predict` answers for it; XGBoost's contributions do not."""
    row = make_row(distance=1e300)
    assert len(client.predict("flights", [row])) == 1
    with pytest.raises(grpc.RpcError, match=r"rows\[1\]: the feature .* is infinite") as caught:
        explained(server, [make_row(), row])
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT

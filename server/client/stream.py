"""`PredictStream` from the client's side: batches go out while answers come in.

Guarantee: answers come in the order of the batches, one list for each. Batches are taken from
their iterable only as fast as the server reads them, on a thread of gRPC's. What the iterable
raises is raised after the answers to what came before it. Where it ends: a stream keeps to one
connection and is not repeated; when it fails, the batches answered so far are answered for good,
and the caller may send the others on a new one.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence

import grpc

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client import values
from dagrun.server.client.answer import Answer, answers
from dagrun.server.client.channels import Metadata
from dagrun.server.client.errors import failure
from dagrun.server.client.lanes import Lane

PATH = "/dagrun.v1.Prediction/PredictStream"

Batch = Sequence[Mapping[str, object]]


def predict_stream(
    lane: Lane,
    model: str,
    batches: Iterable[Batch],
    *,
    features: bool,
    timeout: float | None,
    metadata: Metadata,
    request_id: str,
) -> Iterator[list[Answer]]:
    """Yield the answers to each batch. Raises `CallFailed`, `ValueUnsupported`, or what
    `batches` raises.
    """
    problems: list[Exception] = []

    def messages() -> Iterator[bytes]:
        try:
            for rows in batches:
                yield values.request(model, rows, features=features).SerializeToString()
        except Exception as error:  # noqa: BLE001 - raised where the answers are read
            problems.append(error)

    lane.under_way.append(None)
    stream = lane.stream(PATH)(messages(), timeout, metadata)
    try:
        for data in stream:
            yield answers(pb.PredictResponse.FromString(data), features=features)
    except grpc.RpcError as error:
        raise failure(lane.target, error, request_id) from error
    finally:
        stream.cancel()
        lane.under_way.pop()
    if problems:
        raise problems[0]


async def predict_stream_in_loop(
    lane: Lane,
    model: str,
    batches: AsyncIterable[Batch] | Iterable[Batch],
    *,
    features: bool,
    timeout: float | None,
    metadata: Metadata,
    request_id: str,
) -> AsyncIterator[list[Answer]]:
    """Yield what `predict_stream` does, in an event loop."""
    problems: list[Exception] = []

    async def messages() -> AsyncIterator[bytes]:
        try:
            async for rows in _in_loop(batches):
                yield values.request(model, rows, features=features).SerializeToString()
        except Exception as error:  # noqa: BLE001 - raised where the answers are read
            problems.append(error)

    lane.under_way.append(None)
    stream = lane.stream(PATH)(messages(), timeout=timeout, metadata=metadata)
    try:
        async for data in stream:
            yield answers(pb.PredictResponse.FromString(data), features=features)
    except grpc.RpcError as error:
        raise failure(lane.target, error, request_id) from error
    finally:
        stream.cancel()
        lane.under_way.pop()
    if problems:
        raise problems[0]


async def _in_loop(batches: AsyncIterable[Batch] | Iterable[Batch]) -> AsyncIterator[Batch]:
    if isinstance(batches, AsyncIterable):
        async for rows in batches:
            yield rows
    else:
        for rows in batches:
            yield rows

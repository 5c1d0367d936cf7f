"""`Client.predict_stream` and `Client.explain`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from dagrun.server.client import (
    AsyncClient,
    Client,
    ModelUnknown,
    RequestInvalid,
    ServerUnreachable,
    ValueUnsupported,
    Violation,
)
from dagrun.server.serving import Server

Row = Callable[..., dict[str, object]]


def test_batches_are_answered_in_order(client: Client, make_row: Row) -> None:
    batches = [[make_row(seats=10 * n + k) for k in range(n % 3)] for n in range(30)]
    streamed = list(client.predict_stream("flights", batches, features=True))
    alone = [client.predict("flights", rows, features=True) for rows in batches]
    assert repr(streamed) == repr(alone)  # NaN is not equal to itself


def test_an_answer_comes_before_the_next_batch_is_needed(client: Client, make_row: Row) -> None:
    answered = 0

    def batches() -> Iterator[list[dict[str, object]]]:
        for number in range(5):
            while answered < number:
                time.sleep(0.001)
            yield [make_row()]

    for answers in client.predict_stream("flights", batches()):
        answered += len(answers)
    assert answered == 5


def test_a_refused_batch_is_named(client: Client, make_row: Row) -> None:
    stream = client.predict_stream(
        "flights", [[make_row()], [make_row(), make_row(distance="far")], [make_row()]]
    )
    assert len(next(stream)) == 1
    with pytest.raises(RequestInvalid, match=r"what was sent as messages\[1\]:") as caught:
        next(stream)
    problem = "is a string; the model needs a double"
    assert caught.value.violations == (Violation(1, "distance", problem),)


def test_what_goes_wrong_is_raised_after_the_answers(client: Client, make_row: Row) -> None:
    def failing() -> Iterator[list[dict[str, object]]]:
        yield [make_row()]
        raise KeyError("gone")

    stream = client.predict_stream("flights", failing())
    assert len(next(stream)) == 1
    with pytest.raises(KeyError, match="gone"):
        next(stream)
    stream = client.predict_stream("flights", [[make_row()], [make_row(seats=object())]])
    assert len(next(stream)) == 1
    with pytest.raises(ValueUnsupported):
        next(stream)
    with pytest.raises(ModelUnknown, match=r"messages\[0\]: no model 'nil'"):
        list(client.predict_stream("nil", [[make_row()]]))
    with Client("localhost:1") as nowhere, pytest.raises(ServerUnreachable):
        list(nowhere.predict_stream("flights", [[make_row()]]))


def test_batches_are_answered_in_order_in_an_event_loop(
    server: Server, client: Client, make_row: Row
) -> None:
    batches = [[make_row(seats=10 * n + k) for k in range(n % 3)] for n in range(10)]

    async def later() -> AsyncIterator[list[dict[str, object]]]:
        for rows in batches:
            await asyncio.sleep(0)
            yield rows

    async def streamed(given: object) -> list[object]:
        async with AsyncClient(server.address) as asynchronous:
            return [answers async for answers in asynchronous.predict_stream("flights", given)]

    alone = [client.predict("flights", rows) for rows in batches]
    assert asyncio.run(streamed(batches)) == asyncio.run(streamed(later())) == alone
    with pytest.raises(RequestInvalid, match=r"messages\[1\]"):
        asyncio.run(streamed([[make_row()], [make_row(distance="far")]]))
    with pytest.raises(ValueUnsupported):
        asyncio.run(streamed([[make_row(seats=object())]]))


def test_a_stream_may_be_left(client: Client, make_row: Row) -> None:
    def endless() -> Iterator[list[dict[str, object]]]:
        while True:
            yield [make_row()]

    for _, answers in zip(range(3), client.predict_stream("flights", endless()), strict=False):
        assert len(answers) == 1
    assert client.healthy()


def test_explanations_sum_to_the_margin(server: Server, client: Client, make_row: Row) -> None:
    rows = [make_row(distance=float(100 * n)) for n in range(5)]
    found = client.explain("flights", rows)
    for one, answer in zip(found, client.predict("flights", rows, features=True), strict=True):
        assert one.margin == answer.margin
        assert one.bundle_digest == answer.bundle_digest
        assert list(one.contributions) == list(server.models.get("flights").bundle.spec.names)
        assert repr(tuple(one.values.values())) == repr(answer.features)
        assert sum(one.contributions.values(), one.bias) == pytest.approx(one.margin, abs=1e-5)
    with pytest.raises(RequestInvalid, match="row 0, distance: is a string"):
        client.explain("flights", [make_row(distance="far")])

    async def explained() -> object:
        async with AsyncClient(server.address) as asynchronous:
            return await asynchronous.explain("flights", rows)

    # NaN is not equal to itself.
    assert repr(asyncio.run(explained())) == repr(found)

"""The typed client for code that runs in an event loop.

Guarantee: it calls as `Client` does, by the same steps, and blocks nothing but for the time it
takes to encode and decode. Whoever is cancelled cancels the call.
Where it ends: one client belongs to one event loop, that of its first call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Generator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from dagrun.server.client import exchange, explanation, stream
from dagrun.server.client.answer import Answer, ModelInfo
from dagrun.server.client.caller import Caller
from dagrun.server.client.conduct import Ask, Await, Begin, Outcome, Outgoing, Pause, Step
from dagrun.server.client.errors import ModelUnknown, ServerUnreachable
from dagrun.server.client.exchange import Exchange, Result, ScoredTable
from dagrun.server.client.explanation import Explanation
from dagrun.server.client.lanes import Lane
from dagrun.server.client.settings import ClientSettings
from dagrun.server.client.stream import Batch

if TYPE_CHECKING:
    import polars as pl


class AsyncClient(Caller):
    """Connections to one or more servers. An async context manager, for one event loop."""

    def __init__(
        self,
        target: str | Sequence[str],
        settings: ClientSettings | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Prepare the connections; takes and raises what `Client` does."""
        super().__init__(
            target,
            settings,
            timeout,
            insecure=grpc.aio.insecure_channel,
            secure=grpc.aio.secure_channel,
        )

    async def predict(
        self,
        model: str,
        rows: Sequence[Mapping[str, object]],
        *,
        features: bool = False,
        keys: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> list[Answer]:
        """Score rows; see `Client.predict`."""
        return await self._call(
            exchange.predict(model, rows, features=features, keys=keys), timeout
        )

    async def predict_table(
        self, model: str, frame: pl.DataFrame, *, timeout: float | None = None
    ) -> pl.DataFrame:
        """Score a frame; see `Client.predict_table`."""
        return (await self.score_table(model, frame, timeout=timeout)).frame

    async def score_table(
        self, model: str, frame: pl.DataFrame, *, timeout: float | None = None
    ) -> ScoredTable:
        """Score a frame and say what answered; see `Client.score_table`."""
        return await self._call(exchange.score_table(model, frame), timeout)

    async def predict_stream(
        self,
        model: str,
        batches: AsyncIterable[Batch] | Iterable[Batch],
        *,
        features: bool = False,
        timeout: float | None = None,
    ) -> AsyncIterator[list[Answer]]:
        """Yield the answers to batches of rows; see `Client.predict_stream`."""
        call = self._outgoing(Exchange(stream.PATH, b"", bytes), None, None)
        streamed = stream.predict_stream_in_loop(
            self._lanes.pick(),
            model,
            batches,
            features=features,
            timeout=timeout,
            metadata=call.metadata,
            request_id=call.request_id,
        )
        async for answered in streamed:
            yield answered

    async def explain(
        self, model: str, rows: Sequence[Mapping[str, object]], *, timeout: float | None = None
    ) -> list[Explanation]:
        """Tell what each feature adds to the margins; see `Client.explain`."""
        return await self._call(explanation.explain(model, rows), timeout)

    async def model(self, name: str) -> ModelInfo:
        """Describe one served model. Raises `ModelUnknown`."""
        return await self._call(exchange.model(name))

    async def models(self) -> list[ModelInfo]:
        """Describe every served model, by name."""
        return await self._call(exchange.models())

    async def healthy(self, model: str = "") -> bool:
        """Whether a server, or one of its models, answers now and says SERVING."""
        try:
            return await self._call(exchange.health(model), patience=0.0)
        except (ModelUnknown, ServerUnreachable):
            return False

    async def close(self) -> None:
        """End the connections."""
        self._closed = True
        for lane in self._lanes:
            if lane.channel is not None:
                await lane.channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _call(
        self,
        made: Exchange[Result],
        timeout: float | None = None,
        patience: float | None = None,
    ) -> Result:
        call = self._outgoing(made, timeout, patience)
        return made.read(await _carry_out(call, self._steps(call)))


async def _carry_out(call: Outgoing, steps: Generator[Step, Any, bytes]) -> bytes:
    """Carry out the steps of a call, and return what they come to."""
    result: Any = None
    try:
        while True:
            match steps.send(result):
                case Ask(lane, timeout):
                    result = await _ask(call, lane, timeout)
                case Begin(lane, timeout):
                    result = asyncio.ensure_future(_ask(call, lane, timeout))
                case Await(begun, seconds):
                    finished, _ = await asyncio.wait(
                        begun, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
                    )
                    first = next(iter(finished), None)
                    result = first and (first, first.result())
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                    result = None
    except StopIteration as end:
        response: bytes = end.value
        return response
    finally:
        steps.close()


async def _ask(call: Outgoing, lane: Lane, timeout: float) -> Outcome:
    method = lane.method(call.path)
    try:
        response: bytes = await method(call.data, timeout=timeout, metadata=call.metadata)
    except grpc.RpcError as error:
        return error
    return response

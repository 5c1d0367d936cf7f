"""The typed client of a model server, for code that waits for its answers.

Guarantee: values are sent exactly, errors are `CallFailed` with what to do, and a call ends
within `timeout`, its repetitions included (see `conduct`). One client serves many threads.
Where it ends: a client does not survive a fork once it has called; it says so.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any

import grpc

from dagrun.server.client import exchange, explanation, stream
from dagrun.server.client.answer import Answer, ModelInfo
from dagrun.server.client.caller import Caller
from dagrun.server.client.conduct import Ask, Await, Begin, Outcome, Outgoing, Step
from dagrun.server.client.errors import ModelUnknown, ServerUnreachable
from dagrun.server.client.exchange import Exchange, Result, ScoredTable
from dagrun.server.client.explanation import Explanation
from dagrun.server.client.settings import ClientSettings
from dagrun.server.client.stream import Batch

if TYPE_CHECKING:
    import polars as pl


class Client(Caller):
    """Connections to one or more servers. A context manager; it may be used from many threads."""

    def __init__(
        self,
        target: str | Sequence[str],
        settings: ClientSettings | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Prepare the connections, which are made by the first calls.

        Args:
            target: `host:port`; several, with commas between or as a sequence, are servers of the
                same models: calls are spread over those that answer.
            settings: how to call; the defaults otherwise.
            timeout: seconds that each call may take, in place of the settings'.

        Raises:
            ClientSettingInvalid, TokenUnprotected, CredentialsUnreadable: as named.
        """
        super().__init__(
            target,
            settings,
            timeout,
            insecure=grpc.insecure_channel,
            secure=grpc.secure_channel,
        )

    def predict(
        self,
        model: str,
        rows: Sequence[Mapping[str, object]],
        *,
        features: bool = False,
        keys: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> list[Answer]:
        """Score rows: `{column: None, float, int, str, bool, datetime or date}`.

        Args:
            model: the model's name.
            rows: each with every column of the model.
            features: give the feature vectors back too.
            keys: what each row is about (an order, a customer), for the prediction log, in which
                labels that come later find their rows by it; predictions do not depend on it.
            timeout: seconds for this call, in place of the client's.

        Raises:
            ValueUnsupported: a value cannot be sent.
            KeysUnmatched: there is not one key for each row.
            RequestInvalid: the model does not admit some value; says which.
            CallFailed: `ModelUnknown`, `ServerBusy`, `ServerUnreachable`, `NotAllowed`,
                `DeadlinePassed`, `MessageTooLarge`, `ServerFailed`: as named.
        """
        made = exchange.predict(model, rows, features=features, keys=keys)
        return self._call(made, timeout)

    def predict_table(
        self, model: str, frame: pl.DataFrame, *, timeout: float | None = None
    ) -> pl.DataFrame:
        """Score a frame with the model's columns, row by row in order.

        Returns `probability`, `margin` and `confidence` (Float32) and `label` (Boolean); of a
        regression, `value` (Float32). Raises what `predict` does.
        """
        return self.score_table(model, frame, timeout=timeout).frame

    def score_table(
        self, model: str, frame: pl.DataFrame, *, timeout: float | None = None
    ) -> ScoredTable:
        """Return what `predict_table` does, with the version and the bundle that answered."""
        return self._call(exchange.score_table(model, frame), timeout)

    def predict_stream(
        self,
        model: str,
        batches: Iterable[Batch],
        *,
        features: bool = False,
        timeout: float | None = None,
    ) -> Iterator[list[Answer]]:
        """Score batches of rows as they come, and yield the answers to each, in order.

        Batches are taken on another thread, as fast as the server reads them. The stream keeps to
        one server and is not repeated when it fails. `timeout` is for all of it, None for no end.
        Raises what `predict` does; `RequestInvalid` names the batch as `messages[2]`, from 0.
        """
        call = self._outgoing(Exchange(stream.PATH, b"", bytes), None, None)
        yield from stream.predict_stream(
            self._lanes.pick(),
            model,
            batches,
            features=features,
            timeout=timeout,
            metadata=call.metadata,
            request_id=call.request_id,
        )

    def explain(
        self, model: str, rows: Sequence[Mapping[str, object]], *, timeout: float | None = None
    ) -> list[Explanation]:
        """Tell what each feature of each row adds to its margin. Raises what `predict` does.

        It takes about a hundred times as long as `predict`.
        """
        return self._call(explanation.explain(model, rows), timeout)

    def model(self, name: str) -> ModelInfo:
        """Describe one served model. Raises `ModelUnknown`."""
        return self._call(exchange.model(name))

    def models(self) -> list[ModelInfo]:
        """Describe every served model, by name."""
        return self._call(exchange.models())

    def healthy(self, model: str = "") -> bool:
        """Whether a server, or one of its models, answers now and says SERVING."""
        try:
            return self._call(exchange.health(model), patience=0.0)
        except (ModelUnknown, ServerUnreachable):
            return False

    def close(self) -> None:
        """End the connections."""
        self._closed = True
        for lane in self._lanes:
            if lane.channel is not None:
                lane.channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _call(
        self,
        made: Exchange[Result],
        timeout: float | None = None,
        patience: float | None = None,
    ) -> Result:
        call = self._outgoing(made, timeout, patience)
        return made.read(_carry_out(call, self._steps(call)))


def _carry_out(call: Outgoing, steps: Generator[Step, Any, bytes]) -> bytes:
    """Carry out the steps of a call, and return what they come to."""
    done: SimpleQueue[Any] = SimpleQueue()
    result: Any = None
    try:
        while True:
            step = steps.send(result)
            if isinstance(step, Ask):
                method = step.lane.method(call.path)
                try:
                    result = method(call.data, step.timeout, call.metadata)
                except grpc.RpcError as error:
                    result = error
            elif isinstance(step, Begin):
                method = step.lane.method(call.path)
                result = method.future(call.data, step.timeout, call.metadata)
                result.add_done_callback(done.put)
            elif isinstance(step, Await):
                result = _first(done, step.seconds)
            else:
                time.sleep(step.seconds)
                result = None
    except StopIteration as end:
        response: bytes = end.value
        return response
    finally:
        steps.close()


def _first(done: SimpleQueue[Any], seconds: float | None) -> tuple[Any, Outcome] | None:
    try:
        future = done.get(timeout=seconds)
    except Empty:
        return None
    error = future.exception()
    return future, future.result() if error is None else error

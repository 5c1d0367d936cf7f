"""Requests of the Open Inference Protocol V2, made from frames, and their answers as columns."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
import polars as pl
import uvicorn
from starlette.applications import Starlette

from dagrun.server.protocols import v2_messages as v2
from dagrun.server.protocols.v2_routes import over, routes
from dagrun.server.protocols.v2_tensor import DATATYPES

OWN = {
    pl.Float64: "FP64",
    pl.Int64: "INT64",
    pl.String: "BYTES",
    pl.Boolean: "BOOL",
    pl.Datetime: "INT64",
    pl.Date: "INT32",
}
FILLERS = {"BYTES": b"\xff", "BOOL": True, "INT32": -1, "INT64": -1}
NULLS = {"BYTES": b"", "BOOL": False, "INT32": 0, "INT64": 0}
"""What stands where a mask says null: anything, or what JSON's null becomes."""


def pack(datatype: str, values: Sequence[Any]) -> bytes:
    """Return values as raw contents."""
    code = DATATYPES[datatype].code
    if code:
        return struct.pack(f"<{len(values)}{code}", *values)
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


class Request:
    """Builds one request; every tensor has the same form."""

    def __init__(self, model: str = "flights", *, raw: bool, flat: bool = True) -> None:
        self.message = v2.ModelInferRequest(model_name=model)
        self._raw, self._flat = raw, flat

    def add(
        self, name: str, datatype: str, values: Sequence[Any], content_type: str = ""
    ) -> Request:
        """Add a tensor of these elements."""
        shape = [len(values)] if self._flat else [len(values), 1]
        tensor = self.message.inputs.add(name=name, datatype=datatype, shape=shape)
        if content_type:
            tensor.parameters["content_type"].string_param = content_type
        if self._raw:
            self.message.raw_input_contents.append(pack(datatype, values))
        else:
            getattr(tensor.contents, DATATYPES[datatype].contents).extend(values)
        return self

    def frame(self, frame: pl.DataFrame, fillers: Mapping[str, Any] = FILLERS) -> Request:
        """Add each column in its own datatype: NaN for nulls of floats, else a mask."""
        for column in frame:
            datatype = OWN[column.dtype.base_type()]
            if datatype == "FP64":
                self.add(column.name, datatype, column.fill_null(float("nan")).to_list())
                continue
            physical = column.to_physical().to_list()
            if column.null_count():
                valid = [value is not None for value in physical]
                self.add(f"{column.name}__valid", "BOOL", valid)
            wire = [value.encode() if isinstance(value, str) else value for value in physical]
            filled = [fillers[datatype] if one is None else one for one in wire]
            self.add(column.name, datatype, filled)
        return self


def columns(response: Any) -> dict[str, list[Any]]:
    """Return the outputs of a response, raw or typed, as lists."""
    raws: Sequence[bytes] = response.raw_output_contents
    found = {}
    for number, output in enumerate(response.outputs):
        assert output.datatype in ("FP32", "BOOL")
        (rows,) = output.shape
        if raws:
            code = DATATYPES[output.datatype].code
            found[output.name] = list(struct.unpack(f"<{rows}{code}", raws[number]))
        else:
            found[output.name] = list(getattr(output.contents, DATATYPES[output.datatype].contents))
        assert len(found[output.name]) == rows
    return found


def method(channel: grpc.Channel, name: str, answer: Any) -> Callable[..., Any]:
    """Return a method of the service."""
    return channel.unary_unary(
        f"/{v2.SERVICE}/{name}",
        lambda message: message.SerializeToString(),
        answer.FromString,
    )


def parameters(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as plain values."""
    return {
        name: getattr(value, str(value.WhichOneof("parameter_choice")))
        for name, value in message.items()
    }


class HttpPort:
    """A V2 REST port over a gRPC server, on a thread of its own; a context manager."""

    def __init__(self, target: str, **limits: int) -> None:
        self._target, self._limits = target, limits
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._server: uvicorn.Server | None = None
        self._listening = threading.Event()

    def __enter__(self) -> HttpPort:
        self._thread.start()
        assert self._listening.wait(30)
        return self

    def __exit__(self, *ignored: object) -> None:
        assert self._server is not None
        self._server.should_exit = True
        self._thread.join(30)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        app = Starlette(routes=routes(over(lambda: [self._target]), **self._limits))
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        self._listening.set()
        await self._server.serve(sockets=[self._socket])

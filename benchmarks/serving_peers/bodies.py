"""Every request as bytes, made before any clock starts; and where each contender takes them."""

from __future__ import annotations

import datetime as dt
import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client.values import request
from dagrun.server.protocols import v2_messages as v2
from dagrun.server.protocols.typed_file import TypedFile
from dagrun.server.serving.tables import write_table
from serving_peers import flights

PREDICT, PREDICT_TABLE = "/dagrun.v1.Prediction/Predict", "/dagrun.v1.Prediction/PredictTable"
MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"
_EPOCH, _MICROSECOND = dt.datetime(1970, 1, 1), dt.timedelta(microseconds=1)
Row = Mapping[str, Any]
_SCHEMA = flights.rows(100, 7).schema


class Bodies:
    """The same rows in every form.

    Attributes:
        single: by kind of contender (`dagrun`, `typed`, `v2`, `json`), one row each; those for gRPC
            are framed.
        arrow, rows, json_table: the table of 1,000 rows, unframed.
    """

    def __init__(self, typed: TypedFile) -> None:
        plain = flights.live().to_dicts()
        pool = DescriptorPool()
        pool.Add(_copy(typed.proto))
        typed_request = GetMessageClass(pool.FindMessageTypeByName(typed.request))
        self.single: dict[str, Sequence[bytes]] = {
            "dagrun": own_requests(flights.live()),
            "typed": _framed([typed_request(rows=[_typed(row)]) for row in plain]),
            "v2": _framed([_v2(row) for row in plain]),
            "json": [_json(row) for row in plain],
        }
        table = flights.table()
        arrow = pb.PredictTableRequest(model="flights", table=write_table(table))
        self.arrow = arrow.SerializeToString()
        self.rows = request("flights", table.to_dicts(), features=False).SerializeToString()
        self.json_table = _json(table.to_dicts())


def own_requests(rows: pl.DataFrame) -> list[bytes]:
    """Return framed requests of `Predict`, one row each."""
    return _framed([request("flights", [row], features=False) for row in rows.to_dicts()])


def _copy(proto: FileDescriptorProto) -> FileDescriptorProto:
    return FileDescriptorProto.FromString(proto.SerializeToString())


def _framed(messages: Sequence[Any]) -> list[bytes]:
    bodies = [message.SerializeToString() for message in messages]
    return [struct.pack(">BI", 0, len(body)) + body for body in bodies]


def _json(value: object) -> bytes:
    return json.dumps(value, default=dt.datetime.isoformat).encode()


def _micros(value: Any) -> Any:
    return (value - _EPOCH) // _MICROSECOND if isinstance(value, dt.datetime) else value


def _typed(row: Row) -> Row:
    return {name: _micros(value) for name, value in row.items() if value is not None}


def _v2(row: Row) -> Any:
    """Return a row as tensors with typed contents, the form that MLServer's own clients send."""
    made: Any = v2.ModelInferRequest(model_name="flights")
    for name, dtype in _SCHEMA.items():
        value = _micros(row[name])
        if dtype == pl.Float64:
            tensor = made.inputs.add(name=name, datatype="FP64", shape=[1])
            tensor.contents.fp64_contents.append(math.nan if value is None else value)
        elif dtype == pl.String:
            tensor = made.inputs.add(name=name, datatype="BYTES", shape=[1])
            tensor.contents.bytes_contents.append(value.encode())
        elif dtype == pl.Boolean:
            tensor = made.inputs.add(name=name, datatype="BOOL", shape=[1])
            tensor.contents.bool_contents.append(value)
        else:
            tensor = made.inputs.add(name=name, datatype="INT64", shape=[1])
            tensor.contents.int64_contents.append(value or 0)
            if value is None:  # dagrun's extension, which the MLServer model reads too
                valid = made.inputs.add(name=f"{name}__valid", datatype="BOOL", shape=[1])
                valid.contents.bool_contents.append(False)
    return made

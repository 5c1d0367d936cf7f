"""Calls a V2 server with the codecs and messages of MLServer; prints its answers as JSON.

Run by the tests, in an environment of its own: ADDRESS REST_URL COLUMNS_FILE. Its codecs write
nulls as None, which its own gRPC messages then refuse, so rows with nulls go over REST alone.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import urllib.request
from pathlib import Path

import grpc
import pandas as pd
from mlserver.codecs import DatetimeCodec, NumpyCodec, PandasCodec, StringCodec
from mlserver.grpc import converters, dataplane_pb2_grpc
from mlserver.types import InferenceRequest, InferenceResponse

TIMES = ("sched_dep", "booked", "bought")


def pandas_request(columns: dict, use_bytes: bool) -> InferenceRequest:
    """Return rows as a frame, in which ints with nulls are floats; texts and times beside it."""
    made = pd.DataFrame({name: columns[name] for name in ("distance", "wind_speed", "holiday")})
    made["seats"] = pd.Series(columns["seats"], dtype="float64")
    request = PandasCodec.encode_request(made, use_bytes=use_bytes)
    for name in ("carrier", *TIMES):
        request.inputs.append(StringCodec.encode_input(name, columns[name], use_bytes))
    return request


def codecs_request(columns: dict, use_bytes: bool) -> InferenceRequest:
    """Return rows without nulls, each column by its own codec."""
    times = {
        name: [dt.datetime.fromisoformat(value) for value in columns[name]]
        for name in ("sched_dep", "booked")
    }
    plain = pd.DataFrame({name: columns[name] for name in ("distance", "wind_speed", "seats")})
    inputs = [NumpyCodec.encode_input(name, plain[[name]].to_numpy()) for name in plain]
    inputs += [
        StringCodec.encode_input("carrier", columns["carrier"], use_bytes),
        *[DatetimeCodec.encode_input(name, times[name], use_bytes) for name in times],
        DatetimeCodec.encode_input("bought", columns["bought"], use_bytes),
    ]
    inputs += PandasCodec.encode_request(pd.DataFrame({"holiday": columns["holiday"]})).inputs
    return InferenceRequest(inputs=inputs)


def answers(response: InferenceResponse) -> dict:
    decoded = PandasCodec.decode_response(response)
    return {name: decoded[name].tolist() for name in decoded}


def main(address: str, url: str, path: str) -> None:
    columns = json.loads(Path(path).read_text("utf-8"))
    whole = [all(value is not None for value in row) for row in zip(*columns.values(), strict=True)]
    without_nulls = {
        name: [value for value, keep in zip(values, whole, strict=True) if keep]
        for name, values in columns.items()
    }
    found: dict = {"whole": whole}
    with grpc.insecure_channel(address) as channel:
        stub = dataplane_pb2_grpc.GRPCInferenceServiceStub(channel)

        def infer(request: InferenceRequest, use_raw: bool) -> dict:
            convert = converters.ModelInferRequestConverter.from_types
            sent = convert(request, "flights", use_raw=use_raw)
            response = stub.ModelInfer(sent, timeout=30)
            return answers(converters.ModelInferResponseConverter.to_types(response))

        for raw in (False, True):
            found[f"codecs raw={raw}"] = infer(codecs_request(without_nulls, True), raw)
            found[f"pandas raw={raw}"] = infer(pandas_request(without_nulls, True), raw)

    def post(request: InferenceRequest) -> dict:
        body = request.model_dump_json(exclude_none=False).encode()
        with urllib.request.urlopen(f"{url}/v2/models/flights/infer", body, timeout=30) as answer:
            return answers(InferenceResponse.model_validate_json(answer.read()))

    found["codecs REST"] = post(codecs_request(without_nulls, False))
    found["pandas REST"] = post(pandas_request(columns, False))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])

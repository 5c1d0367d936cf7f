"""Calls a V2 server with the codecs and messages of MLServer; prints its answers as JSON.

Run by the tests, in an environment of its own: ADDRESS REST_URL COLUMNS_FILE. Its pandas codec
writes null floats as None, which its gRPC messages then refuse, so those go over REST alone.
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


def frame(columns: dict) -> pd.DataFrame:
    made = pd.DataFrame({name: columns[name] for name in ("distance", "wind_speed", "holiday")})
    # Objects, and so JSON documents in a BYTES tensor: pandas has no ints or texts with nulls.
    for name in ("carrier", "seats", "sched_dep", "booked", "bought"):
        made[name] = pd.Series(columns[name], dtype=object)
    return made


def pandas_request(columns: dict, use_bytes: bool) -> InferenceRequest:
    return PandasCodec.encode_request(frame(columns), use_bytes=use_bytes)


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
    windy = [value is not None for value in columns["wind_speed"]]

    def those(kept: list[bool]) -> dict:
        return {
            name: [value for value, keep in zip(values, kept, strict=True) if keep]
            for name, values in columns.items()
        }

    found: dict = {"whole": whole, "windy": windy}
    with grpc.insecure_channel(address) as channel:
        stub = dataplane_pb2_grpc.GRPCInferenceServiceStub(channel)

        def infer(request: InferenceRequest, use_raw: bool) -> dict:
            convert = converters.ModelInferRequestConverter.from_types
            sent = convert(request, "flights", use_raw=use_raw)
            response = stub.ModelInfer(sent, timeout=30)
            return answers(converters.ModelInferResponseConverter.to_types(response))

        for raw in (False, True):
            found[f"codecs raw={raw}"] = infer(codecs_request(those(whole), True), raw)
            found[f"pandas raw={raw}"] = infer(pandas_request(those(windy), True), raw)

    def post(request: InferenceRequest) -> dict:
        body = request.model_dump_json(exclude_none=False).encode()
        with urllib.request.urlopen(f"{url}/v2/models/flights/infer", body, timeout=30) as answer:
            return answers(InferenceResponse.model_validate_json(answer.read()))

    found["codecs REST"] = post(codecs_request(those(whole), False))
    found["pandas REST"] = post(pandas_request(columns, False))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])

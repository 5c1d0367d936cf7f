"""Calls a V2 server as users of tritonclient do; prints its answers as JSON.

Run by the tests, in an environment of its own: ADDRESS COLUMNS_FILE.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

OUTPUTS = ("probability", "margin", "label", "confidence")


def tensor(name: str, values: np.ndarray) -> triton.InferInput:
    made = triton.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
    made.set_data_from_numpy(values)
    return made


def texts(values: list[str | None]) -> np.ndarray:
    return np.array([(value or "").encode() for value in values], dtype=object)


def inputs(columns: dict, distance: str, times: str, column_shaped: bool) -> list:
    floats = [float("nan") if value is None else value for value in columns["wind_speed"]]
    seats = [value or 0 for value in columns["seats"]]
    arrays = {
        "distance": np.array(columns["distance"], distance),
        "wind_speed": np.array(floats, np.float64),
        "carrier": texts(columns["carrier"]),
        "seats": np.array(seats, np.int64),
        "holiday": np.array(columns["holiday"], bool),
    }
    for name in ("sched_dep", "booked", "bought"):
        if times == "texts":
            arrays[name] = texts(columns[name])
        else:
            plain = [(value or "1970-01-01").removesuffix("+00:00") for value in columns[name]]
            unit = "D" if name == "bought" else "us"
            numbers = np.array(plain, f"datetime64[{unit}]").astype(np.int64)
            arrays[name] = numbers.astype(np.int32) if name == "bought" else numbers
    for name in ("carrier", "seats", "sched_dep", "booked", "bought"):
        arrays[f"{name}__valid"] = np.array([value is not None for value in columns[name]])
    shaped = {name: array[:, None] if column_shaped else array for name, array in arrays.items()}
    return [tensor(name, array) for name, array in shaped.items()]


def answers(result: triton.InferResult) -> dict:
    return {name: result.as_numpy(name).tolist() for name in OUTPUTS}


def main(address: str, path: str) -> None:
    columns = json.loads(Path(path).read_text("utf-8"))
    client = triton.InferenceServerClient(address)
    metadata = client.get_model_metadata("flights", as_json=True)
    found = {
        "ready": [client.is_server_live(), client.is_server_ready()]
        + [client.is_model_ready(name) for name in ("flights", "trains")],
        "server": client.get_server_metadata(as_json=True)["name"],
        "inputs": {one["name"]: one["datatype"] for one in metadata["inputs"]},
        "outputs": {one["name"]: one["datatype"] for one in metadata["outputs"]},
        "answers": [],
    }
    for distance in ("f8", "f4", "f2", "i2", "i4", "i8", "u2", "u4", "u8"):
        for times in ("texts", "numbers"):
            for shaped in (False, True):
                sent = inputs(columns, distance, times, shaped)
                result = client.infer("flights", sent, request_id="7", priority=2, timeout=10**6)
                assert result.get_response().id == "7"
                found["answers"].append(answers(result))
    one = {name: values[:1] for name, values in columns.items()}
    found["one"] = answers(client.infer("flights", inputs(one, "f8", "numbers", False)))
    wanted = [triton.InferRequestedOutput("label")]
    result = client.infer("flights", inputs(one, "f8", "numbers", False), outputs=wanted)
    found["wanted"] = [output.name for output in result.get_response().outputs]
    try:
        client.infer("flights", inputs(one, "f8", "numbers", False)[1:])
    except InferenceServerException as error:
        found["error"] = [error.status(), error.message()]

    async def later() -> dict:
        async with triton_aio.InferenceServerClient(address) as asynchronous:
            return answers(await asynchronous.infer("flights", inputs(one, "f8", "texts", True)))

    found["later"] = asyncio.run(later())
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])

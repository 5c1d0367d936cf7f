"""Calls a V2 server with nothing but its reflection, by grpc-requests; prints answers as JSON.

Run by the tests, in an environment of its own: ADDRESS COLUMNS_FILE.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

from grpc_requests import Client

SERVICE = "inference.GRPCInferenceService"


def tensor(name: str, datatype: str, field: str, values: list) -> dict:
    return {
        "name": name,
        "datatype": datatype,
        "shape": [str(len(values))],
        "contents": {field: values},
    }


def main(address: str, path: str) -> None:
    columns = json.loads(Path(path).read_text("utf-8"))
    client = Client.get_by_endpoint(address)
    inputs = [
        tensor("distance", "FP64", "fp64_contents", columns["distance"]),
        tensor(
            "wind_speed",
            "FP64",
            "fp64_contents",
            ["NaN" if value is None else value for value in columns["wind_speed"]],
        ),
        tensor("seats", "INT64", "int64_contents", [value or 0 for value in columns["seats"]]),
        tensor("holiday", "BOOL", "bool_contents", columns["holiday"]),
    ]
    for name in ("carrier", "sched_dep", "booked", "bought"):
        texts = [base64.b64encode((value or "").encode()).decode() for value in columns[name]]
        inputs.append(tensor(name, "BYTES", "bytes_contents", texts))
    for name in ("seats", "carrier", "sched_dep", "booked", "bought"):
        valid = [value is not None for value in columns[name]]
        inputs.append(tensor(f"{name}__valid", "BOOL", "bool_contents", valid))
    response = client.request(SERVICE, "ModelInfer", {"model_name": "flights", "inputs": inputs})
    answers = {
        output["name"]: next(iter(output["contents"].values())) for output in response["outputs"]
    }
    ready = client.request(SERVICE, "ModelReady", {"name": "flights"})
    print(json.dumps({"services": list(client.service_names), "ready": ready, "answers": answers}))


if __name__ == "__main__":
    main(*sys.argv[1:])

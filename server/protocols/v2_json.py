"""The JSON of the Open Inference Protocol V2, to and from its messages: pure functions.

Guarantee: what goes from JSON to a message and back, or the other way, is the same (tensors come
back typed and flat). JSON lacks three things, and this is what stands for them: null is NaN in a
float tensor and false in a `<column>__valid` tensor beside any other; an infinity is the string
"Infinity" or "-Infinity"; an integer beyond 2**53 may be a string, so that readers who know
only doubles lose nothing. Where it ends: FP16, which the messages have in raw requests only.
Nothing heavy is imported here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from dagrun.server.protocols import v2_messages as v2
from dagrun.server.protocols.v2_json_tensors import (
    Json,
    NotV2,
    read_parameters,
    read_tensor,
    text_of,
    write_parameters,
    write_tensors,
)

Message = Any
"""A message, whose class is made at run time."""


def request_from_json(data: bytes, model: str, version: str = "") -> Message:
    """Return the `ModelInferRequest` of a JSON request; its tensors are typed. Raises `NotV2`."""
    document = _loaded(data)
    request = v2.ModelInferRequest(
        model_name=model, model_version=version, id=text_of(document, "id", "", needed=False)
    )
    read_parameters(request.parameters, document, "")
    for number, entry in enumerate(_objects(document, "inputs", needed=True)):
        read_tensor(request.inputs, entry, f"inputs[{number}]")
    for number, entry in enumerate(_objects(document, "outputs", needed=False)):
        where = f"outputs[{number}]"
        output = request.outputs.add(name=text_of(entry, "name", where))
        read_parameters(output.parameters, entry, where)
    return request


def request_to_json(request: Message) -> bytes:
    """Return the JSON of a `ModelInferRequest`; model and version are in the path, not in it."""
    document: dict[str, Json] = {"id": request.id} if request.id else {}
    document |= write_parameters(request.parameters)
    document["inputs"] = write_tensors(request.inputs, request.raw_input_contents)
    if request.outputs:
        document["outputs"] = [
            {"name": output.name, **write_parameters(output.parameters)}
            for output in request.outputs
        ]
    return dumped(document)


def response_from_json(data: bytes) -> Message:
    """Return the `ModelInferResponse` of a JSON response; it is typed. Raises `NotV2`."""
    document = _loaded(data)
    response = v2.ModelInferResponse(
        model_name=text_of(document, "model_name", ""),
        model_version=text_of(document, "model_version", "", needed=False),
        id=text_of(document, "id", "", needed=False),
    )
    read_parameters(response.parameters, document, "")
    for number, entry in enumerate(_objects(document, "outputs", needed=True)):
        read_tensor(response.outputs, entry, f"outputs[{number}]")
    return response


def response_to_json(response: Message) -> bytes:
    """Return the JSON of a `ModelInferResponse`."""
    document: dict[str, Json] = {"model_name": response.model_name}
    for name in ("model_version", "id"):
        if value := getattr(response, name):
            document[name] = value
    document |= write_parameters(response.parameters)
    document["outputs"] = write_tensors(response.outputs, response.raw_output_contents)
    return dumped(document)


def server_to_json(response: Message) -> bytes:
    """Return the JSON of a `ServerMetadataResponse`."""
    return dumped(
        {
            "name": response.name,
            "version": response.version,
            "extensions": list(response.extensions),
        }
    )


def model_to_json(response: Message) -> bytes:
    """Return the JSON of a `ModelMetadataResponse`."""

    def tensors(described: Iterable[Message]) -> list[Json]:
        return [
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": list(tensor.shape),
                **write_parameters(tensor.parameters),
            }
            for tensor in described
        ]

    return dumped(
        {
            "name": response.name,
            "versions": list(response.versions),
            "platform": response.platform,
            "inputs": tensors(response.inputs),
            "outputs": tensors(response.outputs),
        }
    )


def _loaded(data: bytes) -> dict[str, Json]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NotV2("", f"the body is no JSON: {str(error)[:200]}") from error
    if not isinstance(document, dict):
        raise NotV2("", "the body is to be a JSON object")
    return document


def dumped(document: Json) -> bytes:
    """Return a document as bytes, without spaces."""
    return json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()


def _objects(document: Json, name: str, *, needed: bool) -> Sequence[Json]:
    entries = document.get(name)
    if entries is None and not needed:
        return ()
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise NotV2("", f"{name!r} is to be a list of objects")
    return entries

"""The messages of the Open Inference Protocol V2, in a descriptor pool of their own.

Guarantee: a process that has other messages named `inference.*` (as tritonclient and MLServer
bring) is not disturbed by these, nor these by them. They are read from the committed descriptor
set `proto/open_inference_v2.binpb`, which `make proto` writes. Nothing heavy is imported here.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

SERVICE = "inference.GRPCInferenceService"

POOL = descriptor_pool.DescriptorPool()
"""Knows the service and its messages."""

_SET = descriptor_pb2.FileDescriptorSet.FromString(
    resources.files("dagrun.proto").joinpath("open_inference_v2.binpb").read_bytes()
)
for _file in _SET.file:
    POOL.AddSerializedFile(_file.SerializeToString())


def _message(name: str) -> Any:
    """Return the class of a message: its fields are known at run time only."""
    found: type[Message] = message_factory.GetMessageClass(
        POOL.FindMessageTypeByName(f"inference.{name}")
    )
    return found


ServerLiveResponse = _message("ServerLiveResponse")
ServerReadyResponse = _message("ServerReadyResponse")
ModelReadyRequest = _message("ModelReadyRequest")
ModelReadyResponse = _message("ModelReadyResponse")
ServerMetadataResponse = _message("ServerMetadataResponse")
ModelMetadataRequest = _message("ModelMetadataRequest")
ModelMetadataResponse = _message("ModelMetadataResponse")
TensorMetadata = _message("ModelMetadataResponse.TensorMetadata")
InferTensorContents = _message("InferTensorContents")
ModelInferRequest = _message("ModelInferRequest")
ModelInferResponse = _message("ModelInferResponse")
InferOutputTensor = _message("ModelInferResponse.InferOutputTensor")

"""What the protocol tells about server and models, beside other messages of the same names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import grpc
import pytest
from tests_regression import delayed, delays
from tests_v2 import Request, columns, method, parameters

from dagrun.server.protocols import v2_messages as v2
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.stages.bundle import Bundle, score


def test_live_ready_and_metadata(server: Server, bundle: Bundle) -> None:
    with grpc.insecure_channel(server.address) as channel:
        live = method(channel, "ServerLive", v2.ServerLiveResponse)
        assert live(v2.ModelReadyRequest()).live
        assert method(channel, "ServerReady", v2.ServerReadyResponse)(v2.ModelReadyRequest()).ready
        about = method(channel, "ServerMetadata", v2.ServerMetadataResponse)(v2.ModelReadyRequest())
        assert (about.name, list(about.extensions)) == ("dagrun", ["null_by_valid_tensors"])
        ready = method(channel, "ModelReady", v2.ModelReadyResponse)
        answers = [ready(v2.ModelReadyRequest(name=name)).ready for name in ("flights", "trains")]
        assert answers == [True, False]
        assert not ready(v2.ModelReadyRequest(name="flights", version="4")).ready
        describe = method(channel, "ModelMetadata", v2.ModelMetadataResponse)
        model = describe(v2.ModelMetadataRequest(name="flights"))
        with pytest.raises(grpc.RpcError) as caught:
            describe(v2.ModelMetadataRequest(name="trains"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert (model.name, model.platform, list(model.versions)) == ("flights", "dagrun_xgboost", [])
    assert [column.name for column in bundle.spec.inputs] == [t.name for t in model.inputs]
    told = {tensor.name: (tensor.datatype, list(tensor.shape)) for tensor in model.inputs}
    assert told == {
        "distance": ("FP64", [-1]),
        "wind_speed": ("FP64", [-1]),
        "carrier": ("BYTES", [-1]),
        "sched_dep": ("INT64", [-1]),
        "booked": ("INT64", [-1]),
        "bought": ("INT32", [-1]),
        "seats": ("INT64", [-1]),
        "holiday": ("BOOL", [-1]),
    }
    more = {tensor.name: parameters(tensor.parameters) for tensor in model.inputs}
    assert more["distance"] == {"nullable": False}
    assert more["booked"] == {
        "nullable": True,
        "unit": "microseconds since 1970-01-01T00:00:00Z",
    }
    assert {tensor.name: tensor.datatype for tensor in model.outputs} == {
        "probability": "FP32",
        "margin": "FP32",
        "label": "BOOL",
        "confidence": "FP32",
    }


def test_a_draining_server_lives_and_is_not_ready(start: Callable[..., Server]) -> None:
    server = start()
    with grpc.insecure_channel(server.address) as channel:
        server.health.close()
        asked = v2.ModelReadyRequest(name="flights")
        assert method(channel, "ServerLive", v2.ServerLiveResponse)(asked).live
        assert not method(channel, "ServerReady", v2.ServerReadyResponse)(asked).ready
        assert not method(channel, "ModelReady", v2.ModelReadyResponse)(asked).ready


@pytest.mark.parametrize("rows", [1, 3, 200])
def test_a_regression_answers_value_alone_and_a_version_has_a_name_of_its_own(rows: int) -> None:
    frame = delayed(200, seed=5).select(column.name for column in delays().spec.inputs).head(rows)
    models = Models([ServedModel("delays", delays()), ServedModel("delays@challenger", delays())])
    with (
        Server(models, ServerSettings(port=0)) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        request = Request("delays", raw=False).frame(frame).message
        request.model_version = "challenger"
        response = method(channel, "ModelInfer", v2.ModelInferResponse)(request)
    assert response.model_name == "delays@challenger"
    assert columns(response) == {"value": score(delays(), frame)["value"].to_list()}
    assert parameters(response.parameters) == {"bundle_digest": delays().digest}


OTHER_MESSAGES = """
from google.protobuf import descriptor_pb2, descriptor_pool
file = descriptor_pb2.FileDescriptorProto(name="grpc_service.proto", package="inference")
file.syntax = "proto3"
message = file.message_type.add(name="ModelInferRequest")
message.field.add(name="other", number=1, type=5, label=1)
service = file.service.add(name="GRPCInferenceService")
service.method.add(name="Other", input_type=".inference.ModelInferRequest",
                   output_type=".inference.ModelInferRequest")
"""
LOAD_OTHERS = "descriptor_pool.Default().Add(file)\n"
USE_OURS = """
from dagrun.server.protocols import v2_messages as v2
from dagrun.server.protocols.pools import Pools
assert v2.ModelInferRequest.FromString(v2.ModelInferRequest(id="a").SerializeToString()).id == "a"
"""
COMPARE = """
default = descriptor_pool.Default()
name = "inference.GRPCInferenceService"
seen = Pools(v2.POOL, default).FindFileContainingSymbol(name)
assert seen.name == "dagrun/proto/open_inference_v2.proto", seen.name
assert default.FindFileContainingSymbol(name).name == "grpc_service.proto"
assert Pools(v2.POOL, default).FindFileByName("grpc_service.proto").package == "inference"
"""


@pytest.mark.parametrize("order", ["others first", "ours first"])
def test_other_messages_of_the_same_names_do_no_harm(order: str) -> None:
    halves = [OTHER_MESSAGES + LOAD_OTHERS, USE_OURS]
    code = "".join(halves if order == "others first" else reversed(halves)) + COMPARE
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


@pytest.mark.parametrize("module", ["v2_outputs", "v2_violations", "v2_service"])
def test_any_module_may_be_imported_first(module: str) -> None:
    code = f"import dagrun.server.protocols.{module}"
    subprocess.run([sys.executable, "-P", "-c", code], check=True)

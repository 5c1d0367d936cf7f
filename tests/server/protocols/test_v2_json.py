"""JSON to messages and back: the same, whatever the values; what is no request says where."""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_v2 import pack

from dagrun.server.protocols import v2_json
from dagrun.server.protocols import v2_messages as v2
from dagrun.server.protocols.v2_json_tensors import NotV2
from dagrun.server.protocols.v2_tensor import DATATYPES

EXAMPLES = 3_000 if os.environ.get("DAGRUN_SOAK") else 150
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def values(datatype: str) -> st.SearchStrategy[Any]:
    if datatype == "BYTES":
        return TEXT.map(str.encode)
    if datatype == "BOOL":
        return st.booleans()
    if datatype.startswith("FP"):
        return st.floats(width=int(datatype[2:])).map(
            lambda value: value if value == value else math.nan
        )  # type: ignore[arg-type]
    bits = int(datatype.strip("UINT"))
    low, high = (
        (0, 2**bits - 1) if datatype[0] == "U" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )
    return st.integers(low, high)


PARAMETERS = st.dictionaries(
    TEXT,
    st.one_of(
        st.booleans().map(lambda value: ("bool_param", value)),
        st.integers(-(2**63), 2**63 - 1).map(lambda value: ("int64_param", value)),
        TEXT.map(lambda value: ("string_param", value)),
        st.floats(allow_nan=False, allow_infinity=False).map(lambda v: ("double_param", v)),
        st.integers(2**63, 2**64 - 1).map(lambda value: ("uint64_param", value)),
    ),
    max_size=2,
)


def set_parameters(message: Any, parameters: dict[str, tuple[str, Any]]) -> None:
    for name, (field, value) in parameters.items():
        setattr(message.parameters[name], field, value)


@st.composite
def tensors(draw: st.DrawFn, into: Any) -> None:
    names = draw(st.lists(TEXT, unique=True, max_size=4))
    for name in names:
        datatype = draw(st.sampled_from(sorted(DATATYPES.keys() - {"FP16"})))
        rows = draw(st.integers(0, 3))
        shape = draw(st.sampled_from([[rows], [rows, 1]]))
        for made, kind in ((name, datatype), (f"{name}__valid", "BOOL")):
            if kind == "BOOL" and made.endswith("__valid") and not draw(st.booleans()):
                continue
            if made in [tensor.name for tensor in into]:
                continue
            tensor = into.add(name=made, datatype=kind, shape=shape)
            elements = draw(st.lists(values(kind), min_size=rows, max_size=rows))
            getattr(tensor.contents, DATATYPES[kind].contents).extend(elements)
            if made == name:
                set_parameters(tensor, draw(PARAMETERS))


@st.composite
def requests(draw: st.DrawFn) -> Any:
    request = v2.ModelInferRequest(model_name=draw(TEXT), model_version=draw(TEXT), id=draw(TEXT))
    set_parameters(request, draw(PARAMETERS))
    draw(tensors(request.inputs))
    for name in draw(st.lists(TEXT, max_size=2)):
        set_parameters(request.outputs.add(name=name), draw(PARAMETERS))
    return request


@st.composite
def responses(draw: st.DrawFn) -> Any:
    response = v2.ModelInferResponse(model_name=draw(TEXT), model_version=draw(TEXT), id=draw(TEXT))
    set_parameters(response, draw(PARAMETERS))
    draw(tensors(response.outputs))
    return response


def plain(tensors: Any) -> dict[str, bytes]:
    """Return tensors by name: a mask may come back in another place."""
    found = {}
    for tensor in tensors:
        tensor.contents.SetInParent()
        found[tensor.name] = tensor.SerializeToString(deterministic=True)
    return found


def rest(message: Any, field: str) -> bytes:
    other = type(message)()
    other.CopyFrom(message)
    other.ClearField(field)
    return bytes(other.SerializeToString(deterministic=True))


@settings(max_examples=EXAMPLES)
@given(request=requests())
def test_a_request_comes_back_from_json(request: Any) -> None:
    document = v2_json.request_to_json(request)
    found = v2_json.request_from_json(document, request.model_name, request.model_version)
    assert plain(found.inputs) == plain(request.inputs)
    assert rest(found, "inputs") == rest(request, "inputs")
    again = v2_json.request_to_json(found)
    assert json.loads(again) == json.loads(document)


@settings(max_examples=EXAMPLES)
@given(response=responses())
def test_a_response_comes_back_from_json(response: Any) -> None:
    found = v2_json.response_from_json(v2_json.response_to_json(response))
    assert plain(found.outputs) == plain(response.outputs)
    assert rest(found, "outputs") == rest(response, "outputs")


@settings(max_examples=EXAMPLES)
@given(data=st.data(), datatype=st.sampled_from(sorted(DATATYPES.keys() - {"FP16"})))
def test_raw_and_typed_contents_have_the_same_json(data: st.DataObject, datatype: str) -> None:
    elements = data.draw(st.lists(values(datatype), min_size=1, max_size=4))
    typed, raw = v2.ModelInferRequest(), v2.ModelInferRequest()
    for request in (typed, raw):
        request.inputs.add(name="a", datatype=datatype, shape=[len(elements)])
    getattr(typed.inputs[0].contents, DATATYPES[datatype].contents).extend(elements)
    raw.raw_input_contents.append(pack(datatype, elements))
    assert v2_json.request_to_json(raw) == v2_json.request_to_json(typed)


def read(data: object, datatype: str = "FP64", shape: object = None, **more: object) -> Any:
    tensor = {"name": "a", "datatype": datatype, "shape": shape or [2], "data": data, **more}
    return v2_json.request_from_json(json.dumps({"inputs": [tensor]}).encode(), "m")


def test_what_json_lacks_has_forms_of_its_own() -> None:
    (floats,) = read([None, "-Infinity", "Infinity", 1], shape=[4]).inputs
    nan, *others = floats.contents.fp64_contents
    assert (nan != nan, others) == (True, [-math.inf, math.inf, 1.0])
    whole, mask = read([None, "9007199254740993", 3.0, -1], "INT64", [4]).inputs
    assert list(whole.contents.int64_contents) == [0, 2**53 + 1, 3, -1]
    assert (mask.name, list(mask.contents.bool_contents)) == ("a__valid", [False, True, True, True])
    texts, mask = read([["é"], [None]], "BYTES", [2, 1]).inputs
    assert list(texts.contents.bytes_contents) == ["é".encode(), b""]
    assert (list(mask.shape), list(mask.contents.bool_contents)) == ([2, 1], [True, False])
    response = v2.ModelInferResponse(model_name="m")
    output = response.outputs.add(name="value", datatype="FP32", shape=[3])
    output.contents.fp32_contents.extend([math.nan, -math.inf, 0.1])
    (told,) = json.loads(v2_json.response_to_json(response))["outputs"]
    assert told["data"] == [None, "-Infinity", 0.10000000149011612]


@pytest.mark.parametrize(
    ("data", "datatype", "problem"),
    [
        ([2**53 + 1, 0], "FP64", "a: 9007199254740993 is beyond 2**53 and does not fit FP64"),
        ([1e39, 0], "FP32", "a: 1e+39 does not fit FP32"),
        (["1", 0], "FP64", 'a: "1" is no number'),
        ([True, 0], "FP64", "a: true is no number"),
        ([1.5, 0], "INT32", "a: 1.5 is no whole number"),
        ([2**31, 0], "INT32", "a: 2147483648 does not fit INT32"),
        (["1" * 30, 0], "INT64", f'a: "{"1" * 30}" is no whole number'),
        ([-1, 0], "UINT8", "a: -1 does not fit UINT8"),
        ([1, 0], "BOOL", "a: 1 is no bool"),
        ([1, 0], "BYTES", "a: 1 is no string"),
        (["\ud800", ""], "BYTES", 'a: "\\ud800" is no text: it has half a character'),
        ([1, 0], "FP16", "a: the datatype is 'FP16'; it may be BOOL, BYTES"),
        (1, "FP64", "a: the data is to be a list"),
        ([[1], 2], "FP64", "a: the data is to be a list"),
    ],
)
def test_a_value_that_does_not_fit_is_named(data: object, datatype: str, problem: str) -> None:
    with pytest.raises(NotV2) as caught:
        read(data, datatype)
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "the body is no JSON"),
        (b"[" * 100_000, "the body is no JSON"),
        (b"[]", "the body is to be a JSON object"),
        (b"{}", "'inputs' is to be a list of objects"),
        (b'{"inputs": [1]}', "'inputs' is to be a list of objects"),
        (b'{"inputs": [{}]}', "inputs[0]: 'name' is to be a string"),
        (b'{"inputs": [], "id": 1}', "'id' is to be a string"),
        (b'{"inputs": [], "parameters": {"a": []}}', "the parameter 'a' is no bool"),
        (b'{"inputs": [], "parameters": 1}', "the parameters are to be an object"),
        (
            b'{"inputs": [{"name": "a", "datatype": "BOOL", "shape": [-1]}]}',
            "a: the shape is to be a list of sizes",
        ),
        (
            b'{"inputs": [{"name": "a", "datatype": "BOOL", "shape": [1]}]}',
            "a: there is no data; the binary extension is not offered",
        ),
    ],
)
def test_what_is_no_request_says_why(body: bytes, problem: str) -> None:
    with pytest.raises(NotV2) as caught:
        v2_json.request_from_json(body, "m")
    assert str(caught.value).startswith(problem)


@settings(max_examples=EXAMPLES)
@given(
    document=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["inputs", "outputs", "parameters", "name", "shape", "data", "id"])
                | st.text(max_size=3),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_a_request_or_refused(document: object) -> None:
    body = json.dumps(document).encode()
    with contextlib.suppress(NotV2):
        v2_json.request_from_json(body, "m")


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, dagrun.server.protocols.v2_routes\n"
        "assert not {'polars', 'numpy', 'xgboost', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)

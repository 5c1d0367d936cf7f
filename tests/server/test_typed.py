"""The typed service: real fields, the same bits, numbers that outlive versions, reflection."""

from __future__ import annotations

import datetime as dt
import importlib.resources
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import polars as pl
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_tools import protoc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests_typed import bundle_of, typed_row

from dagrun.engine.store.store import Store
from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client import Client, RequestInvalid
from dagrun.server.protocols.typed_file import typed_file, typed_text
from dagrun.server.serving import Models, Server, ServerSettings, load
from dagrun.stages.bundle import Bundle, Registry
from dagrun.stages.features import Column

Row = Callable[..., dict[str, object]]
SERVICE = "dagrun.models.flights.Flights"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Registry:
    """flights@1 has every dtype; flights@2 lacks `seats`, has `gate`, and `distance` is text."""
    registry = Registry(Store.open(tmp_path_factory.mktemp("store")))
    registry.register("flights", bundle, alias="champion")
    registry.register("flights", bundle_of("gate", "distance", "wind_speed"))
    return registry


@pytest.fixture(scope="module")
def both(registry: Registry) -> Iterator[Server]:
    """A server of flights and of flights@2 under that name."""
    first, second = load("flights", registry), load("flights@2", registry)
    with Server(Models([first, second]), ServerSettings(port=0)) as running:
        yield running


class Stub:
    """A client that knows a typed file and nothing else."""

    def __init__(self, channel: grpc.Channel, text: str, folder: Path, service: str) -> None:
        package, _, _ = service.rpartition(".")
        file = compiled(text, folder)
        pool = DescriptorPool()
        for each in file.file:
            pool.Add(each)
        self.request = GetMessageClass(pool.FindMessageTypeByName(f"{package}.PredictRequest"))
        response = GetMessageClass(pool.FindMessageTypeByName(f"{package}.PredictResponse"))
        self._call = channel.unary_unary(
            f"/{service}/Predict", self.request.SerializeToString, response.FromString
        )

    def predict(self, rows: list[dict[str, Any]], **fields: object) -> Any:
        return self._call(self.request(rows=rows, **fields), timeout=20)


def compiled(text: str, folder: Path) -> FileDescriptorSet:
    """Return what protoc makes of a text: the file last, what it needs before it."""
    (folder / "model.proto").write_text(text, "utf-8")
    made = folder / "model.binpb"
    known = importlib.resources.files("grpc_tools") / "_proto"
    arguments = [f"-I{folder}", f"-I{known}", "--include_imports", f"--descriptor_set_out={made}"]
    assert protoc.main(["protoc", *arguments, "model.proto"]) == 0
    return FileDescriptorSet.FromString(made.read_bytes())


@pytest.fixture
def stub(both: Server, registry: Registry, tmp_path: Path) -> Iterator[Stub]:
    columns = both.models.get("flights").bundle.spec.inputs
    text = typed_text("flights", registry.fields("flights", columns), columns)
    with grpc.insecure_channel(both.address) as channel:
        yield Stub(channel, text, tmp_path, SERVICE)


def test_the_text_is_the_descriptor(registry: Registry, tmp_path: Path) -> None:
    kinds = ["double", "int64", "string", "bool", "date", "timestamp"]
    columns = [Column(name=f"a {kind}", dtype=kind) for kind in kinds]  # type: ignore[arg-type]
    columns.append(Column(name="at", dtype="timestamp", aware=True, nullable=False))
    registry.fields("row", [Column(name="gone", dtype="double")])
    for model in ("row", "late-flights.2"):
        fields = registry.fields(model, columns)
        (*_, found) = compiled(typed_text(model, fields, columns), tmp_path).file
        made = typed_file(model, fields, columns).proto
        found.name = made.name
        for message in found.message_type:
            for field in message.field:
                field.ClearField("json_name")
        assert found == made


def test_all_dtypes_and_nulls_with_the_bits_of_the_map(
    stub: Stub, both: Server, make_rows: Callable[[int, int], pl.DataFrame]
) -> None:
    rows = make_rows(60, 9).to_dicts()
    with Client(both.address, timeout=20) as client:
        expected = client.predict("flights", rows, features=True)
    response = stub.predict([typed_row(row) for row in rows], include_features=True)
    assert response.model_version == 1
    assert response.bundle_digest == expected[0].bundle_digest
    for typed, answer in zip(response.answers, expected, strict=True):
        assert typed.margin == answer.margin
        assert typed.probability == answer.probability
        assert list(map(repr, typed.features)) == list(map(repr, answer.features or ()))


CELLS = st.fixed_dictionaries(
    {
        "carrier": st.none() | st.text(),
        "distance": st.floats(allow_nan=False),
        "wind_speed": st.none() | st.floats(),
        "seats": st.none() | st.integers(-(2**63), 2**63 - 1),
        "sched_dep": st.none() | st.datetimes(),
        "booked": st.none() | st.datetimes(timezones=st.just(dt.UTC)),
        "bought": st.none() | st.dates(),
        "holiday": st.booleans(),
    }
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(CELLS, min_size=1, max_size=3))
def test_any_values_give_the_same_answers(
    stub: Stub, both: Server, rows: list[dict[str, object]]
) -> None:
    with Client(both.address, timeout=20) as client:
        expected = client.predict("flights", rows)
    found = stub.predict([typed_row(row) for row in rows]).answers
    assert [answer.margin for answer in found] == [answer.margin for answer in expected]


def test_what_does_not_fit_is_named(stub: Stub, make_row: Row) -> None:
    bad = [typed_row(make_row()) for _ in range(4)]
    del bad[0]["distance"]
    bad[1]["distance"] = float("nan")
    bad[2]["booked"]["nanos"] = 1
    bad[3]["booked"]["seconds"] = 2**62
    with pytest.raises(grpc.RpcError) as caught:
        stub.predict(bad)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    problem = "rows[0].distance: is missing; the model needs a double"
    assert caught.value.details() == f"flights: {problem} (and more, see the details)"
    for row, expected in (
        (bad[1], "is NaN, which means null"),
        (bad[2], "whole microseconds"),
        (bad[3], "that 64 bits can count"),
    ):
        with pytest.raises(grpc.RpcError, match=expected):
            stub.predict([row])
    with pytest.raises(grpc.RpcError, match="1001 rows; this server takes at most 1000"):
        stub.predict([typed_row(make_row())] * 1001)
    with pytest.raises(grpc.RpcError, match="no model 'nil' is served here") as unknown:
        stub.predict([], model="nil")
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


def test_versions_ignore_each_others_columns_and_nobody_elses(
    both: Server, registry: Registry, tmp_path: Path, make_row: Row
) -> None:
    live = [both.models.get(name) for name in ("flights", "flights@2")]
    columns = [column for model in live for column in model.bundle.spec.inputs]
    text = typed_text("flights", live[1].fields, columns)
    shared = {"gate": "A1", "distance_string": "far"}
    row = make_row()
    with grpc.insecure_channel(both.address) as channel, Client(both.address) as client:
        union = Stub(channel, text, tmp_path, SERVICE)
        (first,) = union.predict([{**typed_row(row), **shared}]).answers
        (second,) = union.predict([{**typed_row(row), **shared}], model="flights@2").answers
        assert first.margin == client.predict("flights", [row])[0].margin
        assert first.margin == client.predict("flights", [{**row, "gate": "A1"}])[0].margin
        other = {"gate": "A1", "distance": "far", "wind_speed": None}
        assert second.margin == client.predict("flights@2", [other])[0].margin
        wide = {**row, **other}
        assert second.margin == client.predict("flights@2", [wide])[0].margin
        assert client.predict_table("flights@2", pl.DataFrame([wide]))["margin"][0] == second.margin
        with pytest.raises(RequestInvalid, match="nobody: the model has no such column"):
            client.predict("flights", [{**row, "gate": "A1", "nobody": 1}])
        with pytest.raises(RequestInvalid, match="row 0, distance: is a string"):
            client.predict("flights", [{**row, "gate": "A1", "distance": "far"}])


def test_a_field_of_no_live_version_is_refused(
    registry: Registry, tmp_path: Path, make_row: Row
) -> None:
    fields = registry.fields("flights", [Column(name="later", dtype="double")])
    first = load("flights@1", registry)
    columns = [*first.bundle.spec.inputs, Column(name="later", dtype="double")]
    text = typed_text("flights", fields, columns)
    number = max(field.number for field in fields)
    row = typed_row(make_row())
    with (
        Server(Models([first]), ServerSettings(port=0)) as server,
        grpc.insecure_channel(server.address) as channel,
    ):

        def send(text: str, **changes: object) -> None:
            Stub(channel, text, tmp_path, SERVICE).predict([{**row, **changes}])

        with pytest.raises(grpc.RpcError, match=r"no live version .* the column 'later'"):
            send(text, later=1.0)
        with pytest.raises(grpc.RpcError, match=r"rows\[0\].seats: came in another form"):
            send(text.replace("optional int64 seats", "optional string seats"), seats="many")
        with pytest.raises(grpc.RpcError, match=r"rows\[0\].\[777\]: the model never had"):
            send(text.replace(f"= {number};", "= 777;"), later=1.0)


def test_reflection_tells_of_typed_services_while_they_are_served(
    registry: Registry, bundle: Bundle
) -> None:
    with (
        Server(Models([load("flights@1", registry)]), ServerSettings(port=0)) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        known = ProtoReflectionDescriptorDatabase(channel)
        assert SERVICE in known.get_services()
        pool = DescriptorPool(known)
        method = pool.FindServiceByName(SERVICE).methods_by_name["Predict"]
        row = method.input_type.fields_by_name["rows"].message_type
        instant = row.fields_by_name["booked"].message_type
        assert instant.full_name == "google.protobuf.Timestamp"
        assert [field.name for field in row.fields] == [c.name for c in bundle.spec.inputs]
        server.models.replace([load("flights@2", registry)])
        again = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        row = again.FindMessageTypeByName("dagrun.models.flights.Row")
        assert set(row.fields_by_name) == {"gate", "distance_string", "wind_speed"}


def test_a_bundle_from_a_file_has_no_typed_service(server: Server) -> None:
    with grpc.insecure_channel(server.address) as channel:
        assert SERVICE not in ProtoReflectionDescriptorDatabase(channel).get_services()
        call = channel.unary_unary(f"/{SERVICE}/Predict")
        with pytest.raises(grpc.RpcError) as caught:
            call(pb.PredictRequest().SerializeToString(), timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED

"""Arms as callers see them: in answers, in what a model says of itself, in the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import grpc
import polars as pl
import pytest
from tests_v2 import Request

from dagrun.engine.store.store import Store
from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client import ArmInfo, Client
from dagrun.server.observe import metrics
from dagrun.server.protocols import v2_messages as v2
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings, load
from dagrun.server.serving.models import registered
from dagrun.server.traffic.arms import Arms
from dagrun.server.traffic.shadow import Shadow
from dagrun.stages.bundle import Bundle, Registry
from dagrun.stages.monitor import read_prediction_log

Rows = Callable[[int, int], pl.DataFrame]
Row = Callable[..., dict[str, object]]
Serve = Callable[..., tuple[Server, Client]]


@pytest.fixture
def registry(tmp_path: Path, bundle: Bundle) -> Registry:
    registry = Registry(Store.open(tmp_path))
    for threshold in (0.4, 0.999):
        registry.register("flights", replace(bundle, threshold=threshold), reason="made")
    registry.set_alias("flights", "champion", 1, reason="first")
    registry.set_alias("flights", "challenger", 2, reason="second")
    return registry


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve models in this process, with a log; they end with the test."""
    with ExitStack() as stack:

        def started(*models: ServedModel) -> tuple[Server, Client]:
            settings = ServerSettings(port=0, prediction_log=str(tmp_path / "log"))
            server = stack.enter_context(Server(Models(models), settings))
            return server, stack.enter_context(Client(server.address, timeout=20))

        yield started


def shared(registry: Registry, share: float) -> ServedModel:
    champion = load("flights", registry)
    other = registered("flights", registry.version("flights", 2), registry)
    return champion.with_arms(Arms(champion, {"b": (other, share)}, salt="salt", label="salt"))


def test_answers_and_the_log_name_their_arm(
    serve: Serve, registry: Registry, make_row: Row, make_rows: Rows, tmp_path: Path
) -> None:
    server, client = serve(shared(registry, 0.5))
    by_key = {
        key: client.predict("flights", [make_row()], keys=[key])[0]
        for key in (f"key {number}" for number in range(40))
    }
    assert {answer.arm for answer in by_key.values()} == {"champion", "b"}
    for answer in by_key.values():
        assert answer.model_version == {"champion": 1, "b": 2}[str(answer.arm)]
    tables = {client.score_table("flights", make_rows(5, 1)).arm for _ in range(40)}
    assert tables == {"champion", "b"}
    server.stop()
    log = read_prediction_log(tmp_path / "log", "flights").collect()
    logged = log.filter(pl.col("key").is_not_null()).select("key", "arm").rows()
    assert dict(logged) == {key: answer.arm for key, answer in by_key.items()}
    assert set(log.filter(pl.col("key").is_null())["arm"]) == {"champion", "b"}


@pytest.mark.parametrize("raw", [True, False])
def test_v2_answers_name_their_arm(
    serve: Serve, registry: Registry, make_rows: Rows, raw: bool
) -> None:
    server, _ = serve(shared(registry, 0.5))
    asked = Request(raw=raw).frame(make_rows(1, 3)).message.SerializeToString()
    with grpc.insecure_channel(server.address) as channel:
        infer = channel.unary_unary(f"/{v2.SERVICE}/ModelInfer")
        answers = [v2.ModelInferResponse.FromString(infer(asked)) for _ in range(40)]
    found = {(one.parameters["arm"].string_param, one.model_version) for one in answers}
    assert found == {("champion", "1"), ("b", "2")}


def test_a_model_names_its_arms_and_its_alias(serve: Serve, registry: Registry) -> None:
    names = ("flights@challenger", "flights@2")
    _, client = serve(shared(registry, 0.25), *(load(name, registry) for name in names))
    described = client.model("flights")
    digests = [registry.version("flights", number).bundle for number in (1, 2)]
    assert described.arms == (
        ArmInfo(name="champion", version=1, bundle_digest=digests[0], share=0.75),
        ArmInfo(name="b", version=2, bundle_digest=digests[1], share=0.25),
    )
    aliases = {one.name: (one.alias, one.arms != ()) for one in client.models()}
    assert aliases == {
        "flights": ("champion", True),
        "flights@challenger": ("challenger", False),
        "flights@2": (None, False),
    }


def test_without_arms_nothing_is_named(client: Client, make_row: Row) -> None:
    assert client.predict("flights", [make_row()])[0].arm is None
    described = client.model("flights")
    assert (described.alias, described.arms) == (None, ())


def test_a_shadow_sees_tables(serve: Serve, registry: Registry, make_rows: Rows) -> None:
    champion = load("flights", registry)
    other = registered("flights", registry.version("flights", 2), registry)
    shadow = Shadow(other, 1.0)
    _, client = serve(champion.with_shadow(shadow))
    sent = make_rows(100, 4)
    answered = client.predict_table("flights", sent)
    client.predict_table("flights", sent.head(0))
    shadow.close(20)
    found = {(name, labels[2:]): value for name, labels, value in shadow.readings()}
    assert found[metrics.SHADOW_ROWS, ()] == 100
    assert found[metrics.SHADOW_FAILED, ()] == 0
    between = answered["probability"].is_between(0.4, 0.999, closed="left").sum()
    assert found[metrics.SHADOW_LABELS, ()] == between > 0
    assert not [name for name, _ in found if name == metrics.SHADOW_FEATURES]


def test_of_a_large_table_a_shadow_sees_a_part(
    serve: Serve, registry: Registry, make_rows: Rows
) -> None:
    shadow = Shadow(load("flights", registry), 0.5)
    _, client = serve(load("flights", registry).with_shadow(shadow))
    client.predict_table("flights", make_rows(2_000, 4))
    client.predict_table("flights", make_rows(20, 4))
    shadow.close(20)
    rows = next(value for name, _, value in shadow.readings() if name == metrics.SHADOW_ROWS)
    assert rows == 250 + 10


def test_tables_keep_what_their_caller_called_the_request(
    serve: Serve, registry: Registry, make_rows: Rows, tmp_path: Path
) -> None:
    server, client = serve(load("flights", registry))
    answer = client.score_table("flights", make_rows(3, 1))
    assert answer.arm is None
    server.stop()
    log = read_prediction_log(tmp_path / "log", "flights").collect()
    (named,) = log["request_id"].unique()
    assert named
    assert pb.PredictTableRequest.DESCRIPTOR.fields_by_name["request_id"].number == 4

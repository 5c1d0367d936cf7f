"""From a source to a server: proof, report, swap."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from dagrun.engine.errors import DefinitionError
from dagrun.engine.store.store import Store
from dagrun.server.client import Client
from dagrun.server.serving import (
    CannotListen,
    Models,
    NoModels,
    ServedModel,
    Server,
    ServerSettings,
    load,
)
from dagrun.stages.bundle import Bundle, GoldenMismatch, NotRegistered, Registry

Row = Callable[..., dict[str, object]]


@pytest.fixture
def registry(tmp_path: Path, bundle: Bundle) -> Registry:
    registry = Registry(Store.open(tmp_path))
    registry.register("flights", bundle, alias="champion", reason="first")
    return registry


def test_an_alias_is_resolved_and_reported(registry: Registry, bundle: Bundle) -> None:
    model = load("flights@champion", registry)
    assert model.version is not None
    registered = dt.datetime.fromisoformat(model.version.at)
    line, proof = model.report(registered + dt.timedelta(seconds=150))
    assert line == (
        f"bundle {bundle.digest[:4]} (spec {bundle.spec.digest[:4]}, "
        f"model {bundle.booster.digest[:4]}), trained 2013-01-01..2013-12-31, "
        "registered 2 minutes ago"
    )
    rows = bundle.golden.rows.height
    assert proof == (
        f"golden rows: {rows} of {rows} bit-identical (features, margins, probabilities)"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "just now"), (59, "just now"), (60, "1 minute ago"), (7200, "2 hours ago")],
)
def test_ages_are_told_in_words(registry: Registry, seconds: int, words: str) -> None:
    model = load("flights", registry)
    assert model.version is not None
    now = dt.datetime.fromisoformat(model.version.at) + dt.timedelta(seconds=seconds)
    assert model.report(now)[0].endswith(f"registered {words}")


def test_a_version_number_reaches_the_answer(registry: Registry, make_row: Row) -> None:
    models = Models([load("flights@1", registry)])
    with Server(models, ServerSettings(port=0)) as server, Client(server.address) as client:
        (answer,) = client.predict("flights@1", [make_row()])
        assert answer.model_version == 1
        assert client.model("flights@1").version == 1


def test_what_cannot_be_found_is_said(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotRegistered, match="flights"):
        load("flight", registry)
    with pytest.raises(DefinitionError, match="no registry"):
        load("flights")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.bundle")


def test_a_bundle_with_differences_is_not_served(rewritten: Bundle) -> None:
    with pytest.raises(GoldenMismatch, match=r"golden row 3, margin .*0x[0-9a-f]{8}"):
        ServedModel("flights", rewritten)


def test_a_server_needs_models_with_different_names(served: ServedModel) -> None:
    with pytest.raises(NoModels, match="no model named"):
        Models([])
    with pytest.raises(NoModels, match="flights named twice"):
        Models([served, served])


def test_a_taken_port_is_said(server: Server, served: ServedModel) -> None:
    with pytest.raises(CannotListen, match=f"cannot listen on {server.address}"):
        Server(Models([served]), ServerSettings(port=server.port))


def test_a_swap_fails_no_request_and_mixes_nothing(bundle: Bundle, make_row: Row) -> None:
    other = replace(bundle, threshold=0.7)
    known = {bundle.digest: 0.4, other.digest: 0.7}
    models = Models([ServedModel("flights", bundle)])
    seen: set[str] = set()
    with Server(models, ServerSettings(port=0)) as server:

        def ask() -> None:
            with Client(server.address, timeout=20) as client:
                for number in range(6_000):
                    if number >= 60 and seen == set(known):
                        break
                    answers = client.predict("flights", [make_row()] * 3)
                    (pair,) = {(a.bundle_digest, a.threshold) for a in answers}
                    assert known[pair[0]] == pair[1]
                    seen.add(pair[0])

        with ThreadPoolExecutor(3) as callers:
            futures = [callers.submit(ask) for _ in range(3)]
            turn = 0
            while not all(future.done() for future in futures):
                server.replace([ServedModel("flights", (other, bundle)[turn % 2])])
                turn += 1
            for future in futures:
                future.result()
        assert seen == set(known)

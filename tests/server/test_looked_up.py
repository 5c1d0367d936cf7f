"""Tables and vectors that travel with a bundle: served rows get what the tables say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from dagrun.engine.store.store import Store
from dagrun.server.client import Client
from dagrun.server.serving import Models, Server, ServerSettings, load
from dagrun.stages.bundle import Bundle, Registry, archive, score

MakeRow = Callable[..., dict[str, object]]
CARRIERS = ["UA", "", "é\x00東京", "C399", "never seen", "ua UA, AA!", "e\u0301", None]


@pytest.fixture
def fetched(tmp_path: Path, bundle: Bundle) -> Registry:
    """Return a registry that got the bundle as a file from elsewhere."""
    path = tmp_path / "flights.bundle"
    path.write_bytes(bundle.to_bytes())
    registry = Registry(Store.open(tmp_path / "project"))
    registry.register("flights", Bundle.from_bytes(path.read_bytes()), reason="fetched")
    return registry


def test_a_served_row_gets_what_the_tables_say(
    fetched: Registry, bundle: Bundle, make_row: MakeRow
) -> None:
    assert len(bundle.spec.tables) == 2
    rows = [make_row(carrier=carrier) for carrier in CARRIERS]
    frame = bundle.spec.frame_of(
        bundle.spec.rows_of(
            pl.DataFrame(rows, schema_overrides={"wind_speed": pl.Float64, "carrier": pl.String})
        )
    )
    offline = score(bundle, frame)
    assert offline["margin"].n_unique() > 2
    with (
        Server(Models([load("flights@1", fetched)]), ServerSettings(port=0)) as server,
        Client(server.address, timeout=20) as client,
    ):
        single = [client.predict("flights@1", [row])[0] for row in rows]
        together = client.predict("flights@1", rows)
        table = client.predict_table("flights@1", frame)
    assert [one.margin for one in single] == offline["margin"].to_list()
    assert [one.margin for one in together] == offline["margin"].to_list()
    assert table.drop("confidence").equals(offline)


def test_the_tables_are_members_of_the_file(bundle: Bundle) -> None:
    members = archive.unpack(bundle.to_bytes())
    digests = [f"tables/{digest}.parquet" for digest in bundle.spec.tables]
    assert [name for name in members if name.startswith("tables/")] == digests

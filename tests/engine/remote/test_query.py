"""`Query` against real databases: what it reads, what makes it read again, what it never tells."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from tests_postgres import PASSWORD, Postgres, postgres
from tests_project import ProjectFolder, actions, find, statuses

from dagrun import Query
from dagrun.engine.errors import DagrunError, DefinitionError
from dagrun.engine.remote.placeholders import NoSuchVariable, SecretWritten
from dagrun.engine.remote.query import NoSuchDatabase, QueryFailed
from dagrun.engine.remote.remote import Unread
from dagrun.engine.remote.rows import UnreadableColumn

ORDERS = """
    import polars as pl
    from dagrun import Query, stage

    @stage
    def orders(rows: Query = Query("SELECT * FROM orders ORDER BY id", "sqlite:shop.db"{more})):
        print("read once more")
        return rows.read()

    @stage
    def total(orders: pl.DataFrame) -> float:
        return orders["price"].sum()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as found:
        yield found


@pytest.fixture
def database(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    return server.database


def sell(path: Path, *orders: tuple[int, float | None]) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER, price REAL)")
        connection.executemany("INSERT INTO orders VALUES (?, ?)", orders)
    connection.close()


@pytest.fixture
def shop(project: ProjectFolder) -> ProjectFolder:
    sell(project.write("shop.db", ""), (1, 2.5), (2, 4.0))
    project.write("pipeline.py", ORDERS.replace("{more}", ""))
    return project


def test_rows_are_read_and_new_ones_are_noticed(shop: ProjectFolder) -> None:
    assert statuses(shop.run()) == {"orders": "ran", "total": "ran"}
    assert statuses(shop.run()) == {"orders": "hit", "total": "hit"}
    sell(shop.root / "shop.db", (3, 1.0))
    plan = shop.plan()
    assert actions(plan) == {"orders": "run", "total": "unknown"}
    assert plan.stages[0].reason == "source rows: rows 2 -> 3, columns changed: id, price"
    (cause,) = shop.why("orders").causes
    assert (cause.kind, cause.name) == ("source", "rows")
    assert cause.table is not None
    assert cause.table.rows == (2, 3)
    assert find(shop.run(), "orders").rows == 3


def test_another_query_for_the_same_rows_is_a_hit(shop: ProjectFolder) -> None:
    shop.run()
    shop.edit("pipeline.py", "SELECT *", "SELECT id, price")
    assert statuses(shop.run()) == {"orders": "hit", "total": "hit"}
    shop.edit("pipeline.py", "id, price", "id, price + 1 AS price")
    assert statuses(shop.run()) == {"orders": "ran", "total": "ran"}


def test_while_the_version_is_the_same_rows_are_not_read(shop: ProjectFolder) -> None:
    text = ORDERS.replace("{more}", ", version='SELECT max(id) FROM orders'")
    shop.write("pipeline.py", text)
    shop.run()
    sell(shop.root / "shop.db", (0, 9.0))  # a change that this version does not tell
    assert statuses(shop.run()) == {"orders": "hit", "total": "hit"}
    sell(shop.root / "shop.db", (7, 9.0))
    assert find(shop.run(), "orders").rows == 4


def test_within_its_time_to_live_nothing_is_asked(shop: ProjectFolder) -> None:
    shop.write("pipeline.py", ORDERS.replace("{more}", ", max_age='1h'"))
    shop.run()
    (shop.root / "shop.db").rename(shop.root / "elsewhere.db")
    assert statuses(shop.run()) == {"orders": "hit", "total": "hit"}
    sell((shop.root / "elsewhere.db").rename(shop.root / "shop.db"), (3, 1.0))
    assert find(shop.run(), "orders").rows == 2
    assert find(shop.run(force=("orders",)), "orders").rows == 3
    assert find(shop.run(), "orders").rows == 3


def test_a_worker_process_sees_what_was_planned(shop: ProjectFolder) -> None:
    shop.write(
        "pipeline.py",
        """
        import sqlite3
        from pathlib import Path
        from dagrun import Query, stage

        ROWS = Query("SELECT id, random() AS price FROM orders ORDER BY id", "sqlite:shop.db")

        @stage(timeout="5m")
        def orders(rows: Query = ROWS):
            return rows.read()

        @stage
        def again(orders, rows: Query = ROWS) -> bool:
            return orders.equals(rows.read())
        """,
    )
    result = shop.run(executor="processes")
    assert statuses(result) == {"orders": "ran", "again": "ran"}
    store = shop.open().store
    assert store.load(find(result, "again").outputs["again"]) is True


def test_a_damaged_snapshot_is_taken_again(shop: ProjectFolder) -> None:
    shop.write("pipeline.py", ORDERS.replace("{more}", ", max_age='1h'"))
    first = find(shop.run(), "orders")
    store = shop.open().store
    blob = first.outputs["orders"].blob
    assert blob is not None
    store.blobs.path(blob).unlink()
    assert find(shop.run(), "orders").status == "hit"  # the rows are the same, so all is whole
    assert store.blobs.size(blob) is not None
    (record,) = (store.folder / "snapshots").iterdir()
    record.write_bytes(b"nonsense")
    assert find(shop.run(), "orders").status == "hit"


def test_an_unbound_query_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sell(tmp_path / "shop.db", (1, None), (2, 4.0))
    monkeypatch.chdir(tmp_path)
    query = Query("SELECT * FROM orders ORDER BY id", "sqlite:shop.db")
    assert query.read().rows() == [(1, None), (2, 4.0)]
    assert query.scan().select(pl.len()).collect().item() == 2
    assert not (tmp_path / ".dagrun").exists()


def test_a_query_of_no_rows_has_its_columns(tmp_path: Path) -> None:
    sell(tmp_path / "shop.db")
    query = Query("SELECT * FROM orders", "sqlite:///shop.db").bind(tmp_path)
    assert query.read().columns == ["id", "price"]


@pytest.mark.parametrize(
    ("sql", "database", "expected", "told"),
    [
        ("SELECT 1", "sqlite:none.db", NoSuchDatabase, "does not exist"),
        ("SELECT nonsense", "sqlite:shop.db", QueryFailed, "no such column: nonsense"),
        ("DELETE FROM orders", "sqlite:shop.db", QueryFailed, "readonly"),
        ("SELECT 1", "{NOT_SET_HERE}", NoSuchVariable, "NOT_SET_HERE"),
    ],
)
def test_what_goes_wrong_is_told(
    tmp_path: Path, sql: str, database: str, expected: type[DagrunError], told: str
) -> None:
    sell(tmp_path / "shop.db", (1, 1.0))
    with pytest.raises(Unread, match=r"param orders\.rows: ") as caught:
        Query(sql, database).bind(tmp_path).identity("param orders.rows")
    assert isinstance(caught.value.error, expected)
    assert told in str(caught.value)


def test_a_password_in_plain_text_is_refused() -> None:
    with pytest.raises(SecretWritten, match=r"\{DATABASE_PASSWORD\}@host") as caught:
        Query("SELECT 1", "postgresql://me:sesame@host/db")
    assert "sesame" not in str(caught.value)
    with pytest.raises(DefinitionError, match="Query takes a database"):
        Query("SELECT 1", "mysql://host/db")
    with pytest.raises(DefinitionError, match="max_age='soon'"):
        Query("SELECT 1", "sqlite:x", max_age="soon")


def test_postgres_gives_every_type_exactly(server: Postgres, database: str) -> None:
    query = Query(
        """SELECT 1.25::numeric(10, 2) AS price, 'a'::text AS name, DATE '2024-02-29' AS day,
        TIMESTAMPTZ '2024-01-01 12:00+01' AS at, 0.1::float8 AS x, true AS yes, NULL::int4 AS none,
        '12345678-1234-5678-1234-567812345678'::uuid AS id, '{"a": 1}'::json AS doc,
        ARRAY[1, 2] AS items
        """,
        database,
    )
    (row,) = query.read().rows(named=True)
    assert row == {
        "price": Decimal("1.25"),
        "name": "a",
        "day": dt.date(2024, 2, 29),
        "at": dt.datetime(2024, 1, 1, 11, tzinfo=dt.UTC),
        "x": 0.1,
        "yes": True,
        "none": None,
        "id": "12345678-1234-5678-1234-567812345678",
        "doc": '{"a": 1}',
        "items": [1, 2],
    }
    assert query.read().schema["none"] == pl.Int32


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT sum(x::numeric) AS s FROM generate_series(1, 3) x", r"s::numeric\(18, 4\)"),
        ("SELECT interval '1 day' AS i", "extract"),
        ("SELECT 1 AS a, 2 AS a", "AS a_2"),
    ],
)
def test_a_column_without_a_type_is_refused_with_a_cast(database: str, sql: str, told: str) -> None:
    with pytest.raises(UnreadableColumn, match=told):
        Query(sql, database).read()


def test_postgres_is_asked_for_its_version_in_the_same_transaction(
    server: Postgres, database: str, project: ProjectFolder
) -> None:
    server.execute(
        "CREATE TABLE sales AS SELECT i AS id, i * 0.5 AS price FROM generate_series(1, 150000) i"
    )
    project.write(
        "pipeline.py",
        f"""
        import polars as pl
        from dagrun import Query, stage

        SALES = Query(
            "SELECT id, price::float8 AS price FROM sales ORDER BY id",
            {database!r},
            version="SELECT count(*), max(id) FROM sales",
        )

        @stage
        def sales(rows: Query = SALES) -> pl.LazyFrame:
            return rows.scan()
        """,
    )
    assert find(project.run(), "sales").rows == 150000
    assert find(project.run(), "sales").status == "hit"
    server.execute("INSERT INTO sales VALUES (150001, 1.0)")
    assert find(project.run(executor="processes"), "sales").rows == 150001


def test_a_password_is_in_no_file_and_no_message(
    server: Postgres, database: str, project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(
        "pipeline.py",
        f"""
        from dagrun import Query, stage

        @stage
        def one(rows: Query = Query("SELECT 1 AS x", {database!r}, max_age="1h")):
            return rows.read()
        """,
    )
    project.run()
    files = [path for path in project.root.rglob("*") if path.is_file()]
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]
    assert PASSWORD not in repr(Query("SELECT 1", database))
    # A new password is no new data.
    server.execute("ALTER USER dagrun PASSWORD 'another-one-2'")
    monkeypatch.setenv("SHOP_PASSWORD", "another-one-2")
    assert find(project.run(), "one").status == "hit"
    monkeypatch.setenv("SHOP_PASSWORD", "wrong-one-3")
    with pytest.raises(QueryFailed, match="authentication failed") as caught:
        Query("SELECT 2", database).read()
    server.execute(f"ALTER USER dagrun PASSWORD '{PASSWORD}'")
    assert "wrong-one-3" not in str(caught.value)


def test_a_query_cannot_change_a_database(server: Postgres, database: str) -> None:
    server.execute("CREATE TABLE IF NOT EXISTS precious AS SELECT 1 AS x")
    with pytest.raises(QueryFailed, match="read-only transaction"):
        Query("DELETE FROM precious RETURNING x", database).read()
    with pytest.raises(QueryFailed, match="multiple commands"):
        Query("SELECT 1; DROP TABLE precious", database).read()

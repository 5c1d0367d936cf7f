"""`Query`: the rows that a database answers, as a source.

Guarantee: version and rows are read in one read-only transaction (PostgreSQL: repeatable read), so
they belong together, and a query cannot change anything. Rows are streamed into the store, a batch
at a time. The limit: without ORDER BY a database may send equal rows in another order, which is
another table.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagrun.engine.canonical import Json, digest
from dagrun.engine.errors import DagrunError, DefinitionError
from dagrun.engine.extras import MissingExtra
from dagrun.engine.openfiles import SourceError
from dagrun.engine.remote.placeholders import (
    fill_uri,
    hide,
    refuse_password,
    without_password,
)
from dagrun.engine.remote.remote import Remote
from dagrun.engine.remote.rows import Stream
from dagrun.engine.remote.snapshots import Snapshot, Snapshots

if TYPE_CHECKING:
    import polars as pl

ROWS = "rows"
"""The name of a query's table in its snapshot."""
_DRIVERS = {True: "adbc_driver_sqlite", False: "adbc_driver_postgresql"}
_SCHEMES = ("postgresql", "sqlite")


class QueryFailed(SourceError):
    """A database cannot be reached, or refuses a query."""

    def __init__(self, database: str, sql: str, error: Exception) -> None:
        self.sql = sql
        what = " ".join(hide(str(error), database).split()).rstrip(".")
        shown = " ".join(sql.split())
        shown = shown if len(shown) <= 200 else shown[:197] + "..."
        super().__init__(hide(database), f"cannot answer: {what}", f"The query: {shown}")


@dataclass(frozen=True, slots=True)
class Query(Remote):
    """The rows of one SELECT, in a PostgreSQL or SQLite database. Needs the extra `sql`.

    `database` is `postgresql://user:{PASSWORD}@host/name` or `sqlite:data/shop.db` (relative to
    the project); `{NAME}` stands for an environment variable. `version` is a second, cheap SELECT:
    while its answer is the same the rows are not read again. Without it they are read by every
    plan and run, but for `max_age`, in which nothing is asked.
    """

    sql: str
    database: str
    version: str | None = None

    def __post_init__(self) -> None:
        scheme = self.database.partition(":")[0]
        if scheme not in _SCHEMES and not self.database.startswith("{"):
            raise DefinitionError(
                f"Query takes a database such as 'postgresql://user:{{PASSWORD}}@host/name', "
                f"'sqlite:data/shop.db' or '{{DATABASE_URL}}', not {hide(self.database)!r}"
            )
        refuse_password(self.database)
        _ = self.age

    @property
    def request(self) -> Json:
        """The query and the place of the database; no password."""
        place = digest("place", without_password(fill_uri(self.database)))
        return {"kind": "Query", "sql": self.sql, "version": self.version or "", "place": place}

    def read(self) -> pl.DataFrame:
        """Return the rows. Raises `QueryFailed`, `UnreadableColumn`, `MissingExtra`."""
        frame: pl.DataFrame = self._at.store.load(self.snapshot.files[ROWS])
        return frame

    def scan(self) -> pl.LazyFrame:
        """Return the rows lazily, for tables larger than memory. Raises as `read` does."""
        import polars as pl

        frame: pl.LazyFrame = self._at.store.load(self.snapshot.files[ROWS], pl.LazyFrame)
        return frame

    def take(self, known: Snapshot | None, at: Snapshots) -> Snapshot:
        """Ask for the version, and for the rows unless they are known at that version."""
        taken = time.time()
        with self._cursor(at.root) as cursor:
            seen: dict[str, Json] = {}
            if self.version:
                cursor.execute(self.version)
                seen["version"] = [[str(item) for item in row] for row in cursor.fetchall()]
                if known and known.seen == seen:
                    return Snapshot(files=known.files, taken=taken, seen=seen)
            cursor.execute(self.sql)
            stream = Stream(cursor.fetch_record_batch())
            try:
                output = at.store.dump(stream.plan())
            except Exception:
                if stream.failure is not None:
                    raise stream.failure from None
                raise
        return Snapshot(files={ROWS: output}, taken=taken, seen=seen)

    @contextmanager
    def _cursor(self, root: Path) -> Iterator[Any]:
        """Give a cursor in a read-only transaction. Raises `QueryFailed`, `MissingExtra`."""
        uri = fill_uri(self.database)
        is_file = uri.startswith("sqlite:")
        try:
            from adbc_driver_manager import Error

            dbapi = importlib.import_module(f"{_DRIVERS[is_file]}.dbapi")
        except ModuleNotFoundError as error:
            raise MissingExtra(_DRIVERS[is_file], "sql", "the source Query") from error
        uri = _sqlite_uri(uri, root) if is_file else uri
        try:
            with closing(dbapi.connect(uri)) as connection, closing(connection.cursor()) as cursor:
                if not is_file:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                yield cursor
        except Error as error:
            raise QueryFailed(self.database, self.sql, error) from error


class NoSuchDatabase(DagrunError):
    """The file of an SQLite database does not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"the database {path} does not exist. A path after 'sqlite:' is relative to the "
            "project; an absolute one is 'sqlite:/data/shop.db'"
        )


def _sqlite_uri(uri: str, root: Path) -> str:
    """Return what opens an SQLite file for reading only. Raises `NoSuchDatabase`."""
    name = uri.removeprefix("sqlite:")
    # As others write it: sqlite:///relative and sqlite:////absolute.
    path = (root / name.removeprefix("///" if name.startswith("///") else "")).absolute()
    if not path.is_file():
        raise NoSuchDatabase(path)
    return path.as_uri() + "?mode=ro"

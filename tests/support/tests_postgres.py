"""A real PostgreSQL server in a folder of its own, reached by a socket in that folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_postgresql.dbapi as dbapi
import pytest

PASSWORD = "pa55:w/rd-9137"


def programs() -> Path | None:
    """Return the folder of the newest PostgreSQL that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@dataclass(frozen=True)
class Postgres:
    """A server; `folder` is where its socket is."""

    folder: Path
    user: str = "dagrun"

    @property
    def database(self) -> str:
        """What `Query` takes, with the password in `SHOP_PASSWORD`."""
        return f"postgresql://{self.user}:{{SHOP_PASSWORD}}@/postgres?host={self.folder}"

    def execute(self, *statements: str) -> None:
        """Change the data, in one transaction."""
        uri = f"postgresql://postgres@/postgres?host={self.folder}"
        with closing(dbapi.connect(uri)) as connection, closing(connection.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Start a server, whose user `dagrun` needs the password; skip where there is none."""
    home = programs()
    if home is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is missing (apt-get install postgresql)")
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    # It refuses to be run by root.
    user = {"user": "postgres"} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        if user:
            shutil.chown(folder, "postgres")
        data = str(folder / "data")
        subprocess.run(
            [home / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8"],
            check=True,
            stdout=subprocess.DEVNULL,
            **user,
        )
        rules = "local all postgres trust\nlocal all all scram-sha-256\n"
        (folder / "data/pg_hba.conf").write_text(rules)
        server = subprocess.Popen(
            [home / "postgres", "-D", data, "-k", name, "-c", "listen_addresses=", "-F"],
            stderr=subprocess.DEVNULL,
            **user,
        )
        try:
            _wait(home, name)
            found = Postgres(folder)
            found.execute(
                f"CREATE USER dagrun PASSWORD '{PASSWORD}'",
                "GRANT ALL ON SCHEMA public TO dagrun",
                "GRANT pg_read_all_data TO dagrun",
            )
            yield found
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)


def _wait(home: Path, folder: str) -> None:
    for _ in range(600):
        ready = subprocess.run(
            [str(home / "pg_isready"), "-h", folder], stdout=subprocess.DEVNULL, check=False
        )
        if ready.returncode == 0:
            return
        time.sleep(0.05)
    raise AssertionError("PostgreSQL did not start")

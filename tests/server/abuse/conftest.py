"""A real server to attack, and an honest client that asks for predictions all the while.

An attack must leave every call of the honest client answered, and the server within a bound of
memory and of threads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dagrun.server.client import Client, ClientSettings
from dagrun.stages.bundle import Bundle

MEGABYTE = 1 << 20


class Victim:
    """A server in a process of its own."""

    def __init__(self, bundle: Path, **settings: object) -> None:
        script = Path(__file__).parents[2] / "support" / "serve_bundle.py"
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(script), str(bundle), json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def memory(self) -> int:
        """Return the resident bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def stop(self) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(30)


@pytest.fixture(scope="module")
def victim(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    path = tmp_path_factory.mktemp("abuse") / "flights.bundle"
    path.write_bytes(bundle.to_bytes())
    running = Victim(path, receive_seconds=3, handshake_seconds=3)
    yield running
    assert running.stop() == 0


class Honest:
    """A client that asks for one prediction after another, until it is stopped."""

    def __init__(self, port: int, row: dict[str, object]) -> None:
        self.answered, self.slowest = 0, 0.0
        self.problem: Exception | None = None
        self._stopped = threading.Event()
        self._client = Client(f"127.0.0.1:{port}", ClientSettings(timeout=20))
        self._row = row
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Honest:
        self._client.predict("flights", [self._row])
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._client.close()

    def _work(self) -> None:
        try:
            while not self._stopped.is_set() or not self.answered:
                start = time.monotonic()
                assert len(self._client.predict("flights", [self._row])) == 1
                self.slowest = max(self.slowest, time.monotonic() - start)
                self.answered += 1
        except Exception as error:  # noqa: BLE001 - told by the test
            self.problem = error


class Attack:
    """Runs an attack while an honest client asks, and judges the server afterwards."""

    def __init__(self, victim: Victim, row: dict[str, object]) -> None:
        self.port, self._victim, self._row = victim.port, victim, row

    def run(self, attack: Callable[[int], None], *, megabytes: int = 64) -> None:
        before, threads = self._victim.memory(), self._victim.threads()
        most = before
        with Honest(self.port, self._row) as honest:
            attacker = threading.Thread(target=self._attack, args=(attack,))
            attacker.start()
            while attacker.is_alive():
                most = max(most, self._victim.memory())
                attacker.join(0.02)
        grown = (max(most, self._victim.memory()) - before) / MEGABYTE
        print(f"grown {grown:.0f} MB, honest {honest.answered}, slowest {honest.slowest:.2f} s")
        assert honest.problem is None
        assert honest.answered > 0
        assert grown <= megabytes
        assert self._victim.threads() <= threads + 4
        assert self.problem is None

    def _attack(self, attack: Callable[[int], None]) -> None:
        self.problem: Exception | None = None
        try:
            attack(self.port)
        except Exception as error:  # noqa: BLE001 - told by the test
            self.problem = error


@pytest.fixture
def attack(victim: Victim, make_row: Callable[..., dict[str, object]]) -> Callable[..., None]:
    return Attack(victim, make_row()).run

"""`load_clients.py ADDRESS KNOWN`: both of our clients, call after call, no call repeated by us."""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from tests_load import Known

from dagrun.server.client import Answer, AsyncClient, CallFailed, Client, ClientSettings

THREADS, TASKS = 4, 8
SETTINGS = ClientSettings(timeout=120, patience=120)
"""As long as a server may take to start on a busy machine."""


class Caller:
    """What came of all calls."""

    def __init__(self, address: str, known: Known) -> None:
        self.address, self.known = address, known
        self.answers, self.failures, self.wrong = Counter[int](), Counter[str](), list[str]()
        self.stopped = threading.Event()
        self._numbers, self._lock = count(), threading.Lock()

    def next(self) -> int:
        return next(self._numbers) % len(self.known.rows)

    def answered(self, number: int, given: list[Answer]) -> None:
        wrong = self.known.wrong(number, given[0]) if len(given) == 1 else f"{len(given)} answers"
        with self._lock:
            self.answers[given[0].model_version or 0] += 1
            if wrong:
                self.wrong.append(wrong)
            self._begun()

    def failed(self, error: CallFailed) -> None:
        with self._lock:
            self.failures[f"{type(error).__name__}: {error}"] += 1
            self._begun()

    def _begun(self) -> None:
        if self.answers.total() + self.failures.total() == 1:
            print("begun", flush=True)

    def in_threads(self, client: Client) -> None:
        while not self.stopped.is_set():
            number = self.next()
            try:
                self.answered(number, client.predict("flights", [self.known.rows[number]]))
            except CallFailed as error:
                self.failed(error)

    async def in_a_loop(self) -> None:
        async def ask() -> None:
            while not self.stopped.is_set():
                number = self.next()
                try:
                    row = self.known.rows[number]
                    self.answered(number, await client.predict("flights", [row]))
                except CallFailed as error:
                    self.failed(error)

        async with AsyncClient(self.address, SETTINGS) as client:
            await asyncio.gather(*(ask() for _ in range(TASKS)))


def main(address: str, path: str) -> None:
    caller = Caller(address, pickle.loads(Path(path).read_bytes()))
    began = time.perf_counter()
    with Client(address, SETTINGS) as client, ThreadPoolExecutor(THREADS + 1) as pool:
        futures = [pool.submit(caller.in_threads, client) for _ in range(THREADS)]
        futures.append(pool.submit(asyncio.run, caller.in_a_loop()))
        sys.stdin.readline()
        caller.stopped.set()
        for future in futures:
            future.result()
    seen = {
        "seconds": time.perf_counter() - began,
        "answers": caller.answers,
        "wrong": caller.wrong,
        "failures": caller.failures,
        "broken": [],
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])

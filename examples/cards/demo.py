"""From a made-up world to a served judge of payments, and the proof that July has the same bits.

Every line after a `$` is what one would type. The payments of July are lived through one by one: a
ledger tells what each card had done before, the server answers, and only then the ledger learns of
the payment. Compared, as integers, with what the pipeline made of the whole table at once: the
values of the card's past, the features, and the probabilities. Exit code 1 if a single bit differs.
The server is stopped whatever happens.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun import Client
from dagrun.engine.workspace import Workspace
from dagrun.stages.bundle import Bundle, Registry, score

FOLDER = Path(__file__).parent
DAGRUN = str(Path(sys.executable).with_name("dagrun"))
ROWS, BATCH = 10_000, 500
START_SECONDS, STOP_SECONDS = 60.0, 20.0

Bits = npt.NDArray[np.uint32]


def main() -> int:
    """Show the whole way; return the exit code."""
    for command in (("graph",), ("run",), ("show", "verdict"), ("reproduce", "cards@champion")):
        dagrun(*command)
    bundle, known, payments = load()
    july = known.filter(pl.col("at") >= pl.datetime(2025, 7, 1, time_zone="UTC")).head(ROWS)
    lived = live_through(payments, july)
    unlike = sum(row != given for row, given in zip(lived, july.to_dicts(), strict=True))
    print(f"\n{len(lived):,} payments lived through: {unlike:,} with another past")
    with serving("cards@champion") as address, Client(address, timeout=60.0) as client:
        differing = compare(client, bundle, lived, july)
    print(f"\nparity: rows compared: {july.height:,}, bits differing: {differing:,}")
    return 1 if unlike or differing or july.height != ROWS else 0


def dagrun(*arguments: str) -> None:
    """Run one command of dagrun and let it talk; leave with its exit code if it fails."""
    print("\n$ dagrun", *arguments, flush=True)
    command = [DAGRUN, *arguments]
    code = subprocess.run(command, cwd=FOLDER, stderr=sys.stdout, check=False).returncode
    if code:
        sys.exit(code)


def load() -> tuple[Bundle, pl.DataFrame, pl.DataFrame]:
    """Return the champion, the payments with what was known of them, and the bare payments."""
    workspace = Workspace.open(folder=FOLDER)
    registry = Registry(workspace.store)
    bundle = registry.load(registry.resolve("cards@champion"))
    made = {}
    for name in ("known", "admitted"):
        entry = workspace.runs.last_entry(name)
        assert entry is not None, "the run above made it"
        made[name] = workspace.store.load(entry.outputs[name], pl.DataFrame)
    return bundle, made["known"], made["admitted"]


def live_through(payments: pl.DataFrame, july: pl.DataFrame) -> list[dict[str, Any]]:
    """Return July's payments as they are asked for: each with the past that a ledger tells."""
    from ledger import Ledger  # found because the pipeline has been loaded

    ledger, lived = Ledger(), []
    holders = {
        (row["card"], row["at"]): {name: row[name] for name in ("limit_cents", "km_from_home")}
        for row in july.iter_rows(named=True)
    }
    for payment in payments.sort("at", "card").iter_rows(named=True):
        if holder := holders.get((payment["card"], payment["at"])):
            lived.append({**ledger.ask(payment), **holder})
        ledger.add(payment)
    return [{name: row[name] for name in july.columns} for row in lived]


def compare(client: Client, bundle: Bundle, lived: list[dict[str, Any]], july: pl.DataFrame) -> int:
    """Return how many bits of features and probabilities differ, row by row and as a table."""
    columns = [column.name for column in bundle.spec.inputs]
    rows = [{name: row[name] for name in columns} for row in lived]
    started = time.perf_counter()
    answers = [
        answer
        for start in range(0, len(rows), BATCH)
        for answer in client.predict("cards", rows[start : start + BATCH], features=True)
    ]
    print(f"\nPredict  {len(rows):,} rows in {time.perf_counter() - started:.2f} s")
    features = bits(bundle.spec.transform(july).select(bundle.spec.names))
    probabilities = bits(score(bundle, july)["probability"])
    table = client.predict_table("cards", july.select(columns))
    pairs = {
        "Predict, features": (bits([answer.features for answer in answers]), features),
        "Predict": (bits([answer.probability for answer in answers]), probabilities),
        "PredictTable": (bits(table["probability"]), probabilities),
    }
    differing = {name: count_differing(*pair) for name, pair in pairs.items()}
    for name, (found, _) in pairs.items():
        print(f"{name:18} {found.size:>9,} numbers compared, {differing[name]:,} bits differ")
    return sum(differing.values())


def bits(values: object) -> Bits:
    """Return float32 values as the integers that their bits spell; null is NaN."""
    frame = values.to_numpy() if isinstance(values, pl.DataFrame | pl.Series) else values
    return np.ascontiguousarray(frame, np.float32).view(np.uint32)


def count_differing(left: Bits, right: Bits) -> int:
    """Return the number of differing bits. Raises `ValueError` when the shapes differ."""
    if left.shape != right.shape:
        raise ValueError(f"{left.shape} values were given, {right.shape} computed")
    return int(np.bitwise_count(left ^ right).sum())


@contextmanager
def serving(target: str) -> Iterator[str]:
    """Yield the address of `dagrun serve`, ready to answer; stop it in the end."""
    print("\n$ dagrun serve", target, "--port 0", flush=True)
    command = [DAGRUN, "serve", target, "--port", "0", "--no-log"]
    process = subprocess.Popen(command, cwd=FOLDER, stderr=subprocess.PIPE, text=True)
    found: list[str] = []
    ready = threading.Event()
    reader = threading.Thread(target=pass_on, args=(process, found, ready), daemon=True)
    reader.start()
    try:
        ready.wait(START_SECONDS)
        if not found:
            raise SystemExit("the server did not become ready")
        yield found[0]
        process.send_signal(signal.SIGTERM)
        if code := process.wait(STOP_SECONDS):
            raise SystemExit(f"the server ended with code {code}")
    finally:
        process.kill()
        process.wait()
        reader.join()


def pass_on(process: subprocess.Popen[str], found: list[str], ready: threading.Event) -> None:
    """Print what the server says, and keep its address."""
    assert process.stderr is not None
    for line in process.stderr:
        print(line, end="", flush=True)
        if address := re.search(r"gRPC on (\S+:\d+)", line):
            found.append(address[1])
            ready.set()
    ready.set()


if __name__ == "__main__":
    sys.exit(main())

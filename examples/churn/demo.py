"""From raw customers to a served probability, and the proof that all bits are the same everywhere.

Every line after a `$` is what one would type. What is compared: all 7,043 customers, their features
and probabilities by the row twin, by the batch twin, and by the server, row by row and as a table,
as integers. Exit code 1 if a single bit differs. The server is stopped whatever happens.
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

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun import Client
from dagrun.engine.workspace import Workspace
from dagrun.stages.bundle import Bundle, Registry, RowScorer, score

FOLDER = Path(__file__).parent
DAGRUN = str(Path(sys.executable).with_name("dagrun"))
ROWS, BATCH = 7_043, 500
START_SECONDS, STOP_SECONDS = 60.0, 20.0

Bits = npt.NDArray[np.uint32]


def main() -> int:
    """Show the whole way; return the exit code."""
    for command in (("graph",), ("run",), ("show", "selection"), ("show", "verdict")):
        dagrun(*command)
    bundle, customers, left = load()
    with serving("churn@champion") as address, Client(address, timeout=60.0) as client:
        ask_one(client, customers, left)
        differing = compare(client, bundle, customers)
    print(f"\nparity: rows compared: {customers.height:,}, bits differing: {differing:,}")
    return 1 if differing or customers.height != ROWS else 0


def dagrun(*arguments: str) -> None:
    """Run one command of dagrun and let it talk; leave with its exit code if it fails."""
    print("\n$ dagrun", *arguments, flush=True)
    command = [DAGRUN, *arguments]
    code = subprocess.run(command, cwd=FOLDER, stderr=sys.stdout, check=False).returncode
    if code:
        sys.exit(code)


def load() -> tuple[Bundle, pl.DataFrame, pl.Series]:
    """Return the champion, every customer as the model takes them, and who left."""
    workspace = Workspace.open(folder=FOLDER)
    registry = Registry(workspace.store)
    bundle = registry.load(registry.resolve("churn@champion"))
    entry = workspace.runs.last_entry("customers")
    assert entry is not None, "the run above made it"
    made = workspace.store.load(entry.outputs["customers"], pl.DataFrame)
    columns = [column.name for column in bundle.spec.inputs]
    return bundle, made.select(columns), made["churn"]


def ask_one(client: Client, customers: pl.DataFrame, left: pl.Series) -> None:
    """Ask about the first customer who left."""
    place = left.arg_max()
    customer = customers.row(place or 0, named=True)
    (answer,) = client.predict("churn", [customer])
    print(
        f"\n{customer['tenure']} months, {customer['contract']}, ${customer['monthly_charges']:.2f}"
        f" a month: leaves with a probability of {answer.probability:.3f}; this one did"
    )


def compare(client: Client, bundle: Bundle, customers: pl.DataFrame) -> int:
    """Return how many bits differ from the batch twin's, in all other ways together."""
    features = bits(bundle.spec.transform(customers).select(bundle.spec.names))
    scored = score(bundle, customers)
    margins, values = bits(scored["margin"]), bits(scored["probability"])
    scorer, walked = RowScorer(bundle), []
    for row in bundle.spec.rows_of(customers):
        margin, value = scorer.score(row)
        walked.append((*scorer.features, margin, value))
    rows, started = customers.to_dicts(), time.perf_counter()
    answers = [
        answer
        for start in range(0, len(rows), BATCH)
        for answer in client.predict("churn", rows[start : start + BATCH], features=True)
    ]
    by_row, started = time.perf_counter() - started, time.perf_counter()
    table = client.predict_table("churn", customers)
    by_table = time.perf_counter() - started
    print(f"\nPredict       {len(rows):,} rows in {by_row:.2f} s, feature vectors included")
    print(f"PredictTable  {len(rows):,} rows in {by_table:.2f} s")
    pairs = {
        "row twin, features": (bits([row[:-2] for row in walked]), features),
        "row twin, margins": (bits([row[-2] for row in walked]), margins),
        "row twin, values": (bits([row[-1] for row in walked]), values),
        "Predict, features": (bits([answer.features for answer in answers]), features),
        "Predict, values": (bits([answer.probability for answer in answers]), values),
        "PredictTable, values": (bits(table["probability"]), values),
    }
    differing = {name: count_differing(*pair) for name, pair in pairs.items()}
    for name, (found, _) in pairs.items():
        print(f"{name:22} {found.size:>9,} numbers compared, {differing[name]:,} bits differ")
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
    command = [DAGRUN, "serve", target, "--port", "0"]
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

"""The server's settings: parsed once at the edge, immutable ever after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MEBIBYTE = 1024 * 1024

Lines = Literal["none", "failures", "refusals", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How a server listens and what it lets in.

    Attributes:
        host: address to listen on.
        port: TCP port; 0 takes a free one.
        threads: threads that answer `Predict`. On one core 8 answered the most requests: 4 and
            16 were 5 to 20 % slower, 2 a quarter.
        table_threads: threads that answer `PredictTable` and `Explain`, apart from the others so
            that a large table does not hold up single rows.
        waiting: `Predict` requests that may wait for a thread; further ones are refused with
            RESOURCE_EXHAUSTED. About 30 ms of work.
        waiting_tables: the same for `PredictTable`.
        retry_after_ms: pause that a refused client is asked to make.
        max_message_bytes: largest message in either direction.
        max_rows: most rows of one `Predict`.
        max_table_rows: most rows of one `PredictTable`.
        max_columns: most values in one row.
        max_streams: open health watches and reflection streams.
        max_scoring_streams: open streams of `PredictStream`, each with a thread of its own.
        drain_seconds: how long a server that was told to stop answers on, reporting NOT_SERVING,
            so that load balancers and watchers go elsewhere first.
        grace_seconds: how long requests in flight may take after that.
        recheck: share of the rows of `Predict`, from 0 to 1, that the batch twin computes again.
        log_calls: which calls get a line in the log: `"none"`, `"failures"` (slow ones and those
            answered INTERNAL), `"refusals"` (refused ones too) or `"all"`.
        slow_ms: from here on a call is slow, its wait in the queue included.
        recheck_waiting: rows that may wait for that; further ones are dropped and counted.
        shared: whether other processes of this user may listen on the same port. The kernel then
            gives each new connection to one of them.
        private: path of a Unix socket to answer on as well, "" for none.
    """

    host: str = "127.0.0.1"
    port: int = 8500
    threads: int = 8
    table_threads: int = 2
    waiting: int = 256
    waiting_tables: int = 16
    retry_after_ms: int = 100
    max_message_bytes: int = 16 * MEBIBYTE
    max_rows: int = 1_000
    max_table_rows: int = 1_000_000
    max_columns: int = 2_000
    max_streams: int = 16
    max_scoring_streams: int = 16
    drain_seconds: float = 0.25
    grace_seconds: float = 30.0
    recheck: float = 0.001
    log_calls: Lines = "refusals"
    slow_ms: float = 1000.0
    recheck_waiting: int = 1_000
    shared: bool = False
    private: str = ""

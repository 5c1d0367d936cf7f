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
        tls_cert: file of the certificate with its chain, PEM; "" for no TLS.
        tls_key: file of its private key.
        client_ca: file of the authorities whose certificates clients must show; "" for none.
        tokens: file of the tokens of which callers must show one; "" for none.
        insecure: whether to listen without TLS where other machines reach it.
        threads: threads that answer `Predict`. On one core 8 answered the most requests: 4 and
            16 were 5 to 20 % slower, 2 a quarter.
        table_threads: threads that answer `PredictTable` and `Explain`, apart from the others so
            that a large table does not hold up single rows.
        waiting: `Predict` requests that may wait for a thread; further ones are refused with
            RESOURCE_EXHAUSTED. About 30 ms of work.
        waiting_tables: the same for `PredictTable`.
        retry_after_ms: pause that a refused client is asked to make.
        receiving: calls whose message may be on its way; one more ends the oldest of them.
        receive_seconds: how long a message may be on its way before its call is ended.
        max_message_bytes: largest request, packed or unpacked.
        max_response_bytes: largest response.
        max_rows: most rows of one `Predict`.
        max_table_rows: most rows of one `PredictTable`.
        max_table_cells: most rows times columns of one `PredictTable`.
        max_table_bytes: most bytes of a table once unpacked, a text that is shared by several
            cells counted for each.
        max_columns: most values in one row, most columns of a table.
        max_streams: open health watches and reflection streams.
        max_metadata_bytes: most metadata of one request; gRPC counts 32 bytes more for each entry.
        max_connections: open connections; further ones are closed at once.
        max_connection_calls: calls under way on one connection; a client lets more wait.
        connection_age_seconds: how old a connection may grow before its client is asked to make a
            new one, finishing what is under way; 0 for any age.
        connection_idle_seconds: the same for a connection without calls.
        handshake_seconds: how long a new connection may take to speak HTTP/2 (and TLS).
        keepalive_seconds: silence after which a peer is asked whether it is there; without an
            answer in as many seconds again its connection is closed.
        min_ping_seconds: least pause between a client's own such questions while it has no calls;
            a client that asks more often is sent away.
        max_scoring_streams: open streams of `PredictStream`, each with a thread of its own.
        drain_seconds: how long a server that was told to stop answers on, reporting NOT_SERVING,
            so that load balancers and watchers go elsewhere first.
        grace_seconds: how long requests in flight may take after that.
        recheck: share of the rows of `Predict`, from 0 to 1, that the batch twin computes again.
        log_calls: which calls get a line in the log: `"none"`, `"failures"` (slow ones and those
            answered INTERNAL), `"refusals"` (refused ones too) or `"all"`.
        trace: whether calls are traced (see `dagrun.server.observe.traces`).
        slow_ms: from here on a call is slow, its wait in the queue included.
        recheck_waiting: rows that may wait for that; further ones are dropped and counted.
        shared: whether other processes of this user may listen on the same port. The kernel then
            gives each new connection to one of them.
        private: path of a Unix socket to answer on as well, "" for none.
        prediction_log: folder of the prediction log, "" for none.
        log_rows: rows of one bundle after which a file of the log is written.
        log_seconds: age of the oldest row after which a file of the log is written.
        log_keep: seconds after which answers leave the log, whole days at a time; 0 keeps all.
        log_waiting: rows that may wait to be logged; further ones are dropped and counted.
    """

    host: str = "127.0.0.1"
    port: int = 8500
    tls_cert: str = ""
    tls_key: str = ""
    client_ca: str = ""
    tokens: str = ""
    insecure: bool = False
    threads: int = 8
    table_threads: int = 2
    waiting: int = 256
    waiting_tables: int = 16
    retry_after_ms: int = 100
    receiving: int = 1_000
    receive_seconds: float = 10.0
    max_message_bytes: int = 16 * MEBIBYTE
    max_response_bytes: int = 64 * MEBIBYTE
    max_rows: int = 1_000
    max_table_rows: int = 1_000_000
    max_table_cells: int = 50_000_000
    max_table_bytes: int = 256 * MEBIBYTE
    max_columns: int = 2_000
    max_streams: int = 16
    max_metadata_bytes: int = 16_384
    max_connections: int = 2_000
    max_connection_calls: int = 1_000
    connection_age_seconds: float = 0.0
    connection_idle_seconds: float = 3_600.0
    handshake_seconds: float = 10.0
    keepalive_seconds: float = 60.0
    min_ping_seconds: float = 10.0
    max_scoring_streams: int = 16
    drain_seconds: float = 0.25
    grace_seconds: float = 30.0
    recheck: float = 0.001
    log_calls: Lines = "refusals"
    slow_ms: float = 1000.0
    trace: bool = False
    recheck_waiting: int = 1_000
    shared: bool = False
    private: str = ""
    prediction_log: str = ""
    log_rows: int = 50_000
    log_seconds: float = 30.0
    log_keep: float = 0.0
    log_waiting: int = 65_536


LIMITS = (
    "waiting",
    "waiting_tables",
    "receiving",
    "receive_seconds",
    "max_message_bytes",
    "max_response_bytes",
    "max_rows",
    "max_columns",
    "max_table_rows",
    "max_table_cells",
    "max_table_bytes",
    "max_streams",
    "max_scoring_streams",
    "max_metadata_bytes",
    "max_connections",
    "max_connection_calls",
    "connection_age_seconds",
    "connection_idle_seconds",
    "handshake_seconds",
    "keepalive_seconds",
    "min_ping_seconds",
    "grace_seconds",
)
"""The settings that bound what is let in."""

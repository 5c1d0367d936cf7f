"""PredictTable: tables that pass, and bytes that must not."""

from __future__ import annotations

import io

import polars as pl
import pyarrow as pa
import pytest
from conftest import raw_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.server.client import Client, RequestInvalid
from dagrun.server.serving import Server
from dagrun.server.serving.refusals import Malformed, TooMuch
from dagrun.server.serving.tables import read_table, write_table
from dagrun.stages.bundle import Bundle, score


def stream(table: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write_table(table)
    return sink.getvalue()

"""PredictTable: tables that pass, and bytes that must not."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from contextlib import suppress

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.server.client import Client, RequestInvalid
from dagrun.server.serving import ServerSettings
from dagrun.server.serving.refusals import Malformed, TooMuch
from dagrun.server.serving.tables import read_table, write_table
from dagrun.server.serving.unpacked import unpacked_bytes
from dagrun.stages.bundle import Bundle, score

MakeRows = Callable[[int, int], pl.DataFrame]
LIMITS = ServerSettings(max_table_rows=1_000, max_table_bytes=1_000_000)


def stream(table: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write_table(table, 7)
    return sink.getvalue()


def test_a_table_gets_the_offline_scores(
    client: Client, bundle: Bundle, make_rows: MakeRows
) -> None:
    frame = make_rows(500, 2)
    table = client.predict_table("flights", frame)
    assert table.schema == {
        "probability": pl.Float32,
        "margin": pl.Float32,
        "label": pl.Boolean,
        "confidence": pl.Float32,
    }
    assert table.drop("confidence").equals(score(bundle, frame))
    assert client.predict_table("flights", frame.head(0)).height == 0


def test_column_order_batches_and_compression_do_not_matter(
    client: Client, bundle: Bundle, make_rows: MakeRows
) -> None:
    frame = make_rows(100, 3)
    assert client.predict_table("flights", frame.select(reversed(frame.columns))).equals(
        client.predict_table("flights", frame)
    )
    for compression in (None, "lz4", "zstd"):
        data = stream(frame.to_arrow(), compression=compression)
        assert read_table(data, LIMITS).equals(frame)


def test_columns_are_checked_by_name(client: Client, make_rows: MakeRows) -> None:
    frame = make_rows(10, 4)
    with pytest.raises(RequestInvalid) as caught:
        client.predict_table("flights", frame.with_columns(wind_sped=1.0))
    assert "Did you mean 'wind_speed'?" in str(caught.value)
    assert caught.value.violations[0][:2] == (-1, "wind_sped")
    with pytest.raises(RequestInvalid) as caught:
        client.predict_table("flights", frame.drop("seats", "carrier"))
    assert [violation.column for violation in caught.value.violations] == ["carrier", "seats"]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("seats", pl.lit("many")),
        ("seats", pl.lit(1.5)),
        ("distance", pl.lit(None, pl.Float64)),
        ("distance", pl.lit(float("nan"))),
        ("distance", pl.lit(2**53 + 1)),
        ("sched_dep", pl.col("booked")),
    ],
)
def test_values_are_never_coerced(
    client: Client, make_rows: MakeRows, column: str, values: pl.Expr
) -> None:
    with pytest.raises(RequestInvalid) as caught:
        client.predict_table("flights", make_rows(10, 5).with_columns(values.alias(column)))
    assert [violation.column for violation in caught.value.violations] == [column]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_streams_are_refused_or_read(data: st.DataObject) -> None:
    """Whatever the bytes: a frame or `Malformed`, never a crash or another error."""
    table = pa.table({"a": [1, None, 3], "b": ["x", "yy", None], "c": [1.5, None, 0.0]})
    sound = bytearray(stream(table))
    kind = data.draw(st.sampled_from(["cut", "flip", "noise"]))
    if kind == "cut":
        damaged = bytes(sound[: data.draw(st.integers(0, len(sound) - 1))])
    elif kind == "flip":
        for _ in range(data.draw(st.integers(1, 4))):
            sound[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
        damaged = bytes(sound)
    else:
        damaged = data.draw(st.binary(max_size=300))
    with suppress(Malformed, TooMuch):
        assert isinstance(read_table(damaged, LIMITS), pl.DataFrame)


def test_nested_columns_are_refused() -> None:
    with pytest.raises(Malformed, match="column 'a' is nested"):
        read_table(stream(pa.table({"a": [[1], []]})), LIMITS)
    views = pa.array(["x", "y"], pa.string_view())
    with pytest.raises(Malformed, match="column 'a' is nested"):
        read_table(stream(pa.table({"v": views, "a": [[1], []]})), LIMITS)


def test_malformed_bytes_are_the_callers_fault(client: Client) -> None:
    class NotArrow:
        columns = ()

        def write_ipc_stream(self, buffer: io.BytesIO, **options: object) -> None:
            buffer.write(b"a,b\n1,2\n")

    with pytest.raises(RequestInvalid, match="Arrow IPC stream cannot be read"):
        client.predict_table("flights", NotArrow())  # type: ignore[arg-type]


def test_rows_are_counted_before_anything_is_read() -> None:
    """A column of nulls has no bytes, however many rows it claims."""
    batch = pa.record_batch({"a": pa.nulls(10**9)})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as out:
        out.write_batch(batch)
    with pytest.raises(TooMuch, match="1000000000"):
        read_table(sink.getvalue(), LIMITS)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_bombs_are_refused_before_they_are_unpacked(compression: str) -> None:
    bomb = stream(pa.table({"a": pa.array([0.0] * 500_000)}), compression=compression)
    before = pa.total_allocated_bytes()
    with pytest.raises(TooMuch, match=r"unpacked bytes; this server takes at most 1000000\."):
        read_table(bomb, LIMITS)
    assert pa.total_allocated_bytes() == before


def test_a_text_that_many_cells_share_counts_for_each() -> None:
    frame = pl.select(text=pl.repeat("x" * 100_000, 1_000))
    sink = io.BytesIO()
    frame.write_ipc_stream(sink)
    assert len(sink.getvalue()) < 200_000
    with pytest.raises(TooMuch, match="100116000 unpacked bytes or more"):
        read_table(sink.getvalue(), LIMITS)


def test_columns_and_cells_are_limited() -> None:
    table = pa.table({f"c{number}": [1, 2, 3] for number in range(20)})
    with pytest.raises(TooMuch, match="20 columns; this server takes at most 19"):
        read_table(stream(table), ServerSettings(max_columns=19))
    with pytest.raises(TooMuch, match="60 cells or more; this server takes at most 59"):
        read_table(stream(table), ServerSettings(max_table_cells=59))
    assert read_table(stream(table), ServerSettings(max_columns=20, max_table_cells=60)).height == 3


def test_unpacked_sizes_are_told_exactly() -> None:
    table = pa.table({"a": list(range(1_000)), "b": ["text"] * 1_000}).combine_chunks()
    for compression in (None, "lz4", "zstd"):
        sink = io.BytesIO()
        options = pa.ipc.IpcWriteOptions(compression=compression)
        with pa.ipc.new_stream(sink, table.schema, options=options) as out:
            out.write_table(table)
        assert unpacked_bytes(sink.getvalue()) == 1_000 * 8 + 1_001 * 4 + 1_000 * 4


def test_what_a_sender_says_beside_the_types_is_not_believed() -> None:
    """Polars panics at an enum's values that are not what it wrote."""
    kind = pa.dictionary(pa.uint32(), pa.large_utf8())
    field = pa.field("a", kind, metadata={"_PL_ENUM_VALUES2": "x;broken"})
    table = pa.table([pa.array(["u", "v"]).dictionary_encode().cast(kind)], pa.schema([field]))
    assert read_table(stream(table), LIMITS)["a"].cast(pl.String).to_list() == ["u", "v"]


def test_what_is_written_can_be_read() -> None:
    frame = pl.DataFrame({"a": [1.5, None], "b": [True, False]})
    assert read_table(write_table(frame), LIMITS).equals(frame)


@pytest.mark.parametrize("length", [100, -738_197_504])
@pytest.mark.parametrize("as_dictionary", [False, True])
def test_what_a_null_points_to_is_never_followed(length: int, as_dictionary: bool) -> None:
    """Arrow does not check the view of a null; it and Polars ended the process by following it."""
    views = struct.pack("<i12s", 2, b"ab") + struct.pack("<i4sii", length, b"xxxx", 7, 1 << 30)
    buffers = [pa.py_buffer(b"\x01"), pa.py_buffer(views)]
    column = pa.Array.from_buffers(pa.string_view(), 2, buffers)
    if as_dictionary:
        column = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.uint32()), column)
    frame = read_table(stream(pa.table({"a": column})), LIMITS)
    assert frame["a"].cast(pl.String).to_list() == ["ab", None]
    filled = frame.lazy().select(pl.col("a").cast(pl.String).fill_null("none")).collect()
    assert filled["a"].to_list() == ["ab", "none"]


def test_a_zone_that_is_no_text_is_refused_before_polars_panics(
    capfd: pytest.CaptureFixture[str],
) -> None:
    moments = pa.array([1, 2]).cast(pa.timestamp("us", "Etc/GMT"))
    for column in (moments, moments.dictionary_encode()):
        damaged = stream(pa.table({"a": column})).replace(b"Etc/GMT", b"\xffEtc/GM")
        with pytest.raises(Malformed, match="utf-8"):
            read_table(damaged, LIMITS)
    assert "panicked" not in capfd.readouterr().err


def test_categories_of_polars_newest_form_are_read() -> None:
    given = pl.DataFrame({"a": ["ab", None, "c" * 40, "ab"]}, schema={"a": pl.Categorical})
    sink = io.BytesIO()
    given.write_ipc_stream(sink, compat_level=pl.CompatLevel.newest())
    read = read_table(sink.getvalue(), LIMITS)
    assert read["a"].cast(pl.String).to_list() == given["a"].cast(pl.String).to_list()

"""What V2 requests are answered is in the prediction log like everything else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import grpc
import polars as pl
from tests_v2 import Request, method

from dagrun.server.protocols import v2_messages as v2
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.stages.bundle import Bundle, score
from dagrun.stages.monitor import raw_rows, read_prediction_log


def test_rows_and_batches_are_logged_bit_by_bit(
    served: ServedModel,
    bundle: Bundle,
    make_rows: Callable[[int, int], pl.DataFrame],
    tmp_path: Path,
) -> None:
    frame = make_rows(300, 4).select(column.name for column in bundle.spec.inputs)
    settings = ServerSettings(port=0, prediction_log=tmp_path)
    with (
        Server(Models([served]), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        infer = method(channel, "ModelInfer", v2.ModelInferResponse)
        for start, rows in ((0, 1), (1, 9), (10, 290)):
            request = Request(raw=True).frame(frame.slice(start, rows)).message
            request.id = f"r-{rows}"
            infer(request, timeout=30)
    log = read_prediction_log(tmp_path, "flights").collect()
    assert log["margin"].to_list() == score(bundle, frame)["margin"].to_list()
    assert log["request_id"].to_list()[:10] == ["r-1"] + ["r-9"] * 9
    nulls = pl.col(pl.Float64).fill_nan(None)  # NaN is what a request says for null
    assert raw_rows(log).with_columns(nulls).equals(frame)

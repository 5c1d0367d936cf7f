"""The prediction log as files: which folders it has and which columns.

    predictions/format.json
    predictions/model=flights/bundle=<digest>/day=2013-07-01/<time>-<writer>.parquet
    predictions/tmp/         files being written, none of which a reader looks at

One Parquet file holds rows of one bundle and one day (UTC), each with what was asked, as it was
sent (`raw_` and the column's name), and what was answered. Files are only ever added, whole.
The server writes the log (`dagrun.server.observe.prediction_log`), `dagrun.stages.monitor` reads
it; both go by this module.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from urllib.parse import quote

import polars as pl

from dagrun.engine.canonical import to_bytes
from dagrun.engine.errors import UnknownVersion
from dagrun.engine.store.durable import make_folder, write_whole

LOG_FORMAT = 1
RAW = "raw_"
"""Opens the name of a raw column, so that none can be taken for one of the log's own."""
OWN = {
    "time": pl.Datetime("us", "UTC"),
    "request_id": pl.String(),
    "key": pl.String(),
    "served": pl.String(),
    "version": pl.Int64(),
    "arm": pl.String(),
    "margin": pl.Float32(),
    "prediction": pl.Float32(),
}
"""The log's own columns: when the answer was made; what the caller called request and row, or
null; the name it asked for; the version that answered, 0 if it came from a file, and its arm, null
without a split; the margin, and what it stands for: a classifier's probability, or the value."""
PLACE = {"model": pl.String(), "bundle": pl.String(), "day": pl.Date()}
"""What the folders say, outermost first."""
_MARKER, _TEMPORARY = "format.json", "tmp"


def folder_of(root: Path, model: str, bundle: str, day: dt.date) -> Path:
    """Return where files of a model, a bundle (its digest) and a day are."""
    return root / f"model={quote(model, safe='')}" / f"bundle={bundle}" / f"day={day}"


def open_log(root: Path) -> Path:
    """Make the log's folder where it is missing, and return the one for temporary files.

    Raises `UnknownVersion` when another version of dagrun has written the log, `StoreUnusable` or
    `OSError` when it cannot be made.
    """
    temporary = root / _TEMPORARY
    make_folder(temporary)
    if not is_log(root):
        write_whole(root / _MARKER, to_bytes({"format": LOG_FORMAT}), temporary)
    return temporary


def is_log(root: Path) -> bool:
    """Tell whether there is a prediction log in the folder. Raises `UnknownVersion`."""
    try:
        found = json.loads((root / _MARKER).read_bytes())["format"]
    except FileNotFoundError:
        return False
    except (KeyError, TypeError, ValueError):
        found = None
    if found != LOG_FORMAT:
        raise UnknownVersion("the prediction log", found, LOG_FORMAT)
    return True

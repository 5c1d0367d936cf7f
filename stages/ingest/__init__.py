"""Reading raw tables."""

from dagrun.stages.ingest.read import read_csv, read_ndjson, read_parquet
from dagrun.stages.ingest.typed import Unparsed, ValuesUnreadable

__all__ = ["Unparsed", "ValuesUnreadable", "read_csv", "read_ndjson", "read_parquet"]

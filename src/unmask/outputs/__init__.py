"""What becomes of readings: tables, JSON, CSV and Parquet; beside them drawing, blurring and the HTML report."""

from __future__ import annotations

from unmask.outputs.base import Format, Writer, format_names, format_of, open_writer, register_format
from unmask.outputs.text import MEANING, frame_name

__all__ = [
    "Format",
    "MEANING",
    "Writer",
    "format_names",
    "format_of",
    "frame_name",
    "open_writer",
    "register_format",
]

register_format("table", Format("unmask.outputs.table:TableWriter", suffixes=(".txt",)))
register_format("json", Format("unmask.outputs.json_array:JsonWriter", suffixes=(".json",)))
register_format(
    "jsonl", Format("unmask.outputs.jsonl:JsonLinesWriter", suffixes=(".jsonl", ".ndjson"), can_append=True)
)
register_format("csv", Format("unmask.outputs.csv_file:CsvWriter", suffixes=(".csv",)))
register_format("parquet", Format("unmask.outputs.parquet:ParquetWriter", suffixes=(".parquet",), needs_file=True))

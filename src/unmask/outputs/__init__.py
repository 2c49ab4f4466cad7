"""What becomes of readings: tables, JSON, CSV and Parquet, annotated pictures and the HTML report."""

from __future__ import annotations

from unmask.outputs.base import Format, Writer, format_names, format_of, open_writer, register_format
from unmask.outputs.csv_file import CsvWriter
from unmask.outputs.drawing import draw, save_annotated
from unmask.outputs.json_array import JsonWriter
from unmask.outputs.jsonl import JsonLinesWriter, done_sources
from unmask.outputs.parquet import ParquetWriter
from unmask.outputs.table import TableWriter
from unmask.outputs.text import MEANING, frame_name

__all__ = [
    "Format",
    "MEANING",
    "Writer",
    "done_sources",
    "draw",
    "format_names",
    "format_of",
    "frame_name",
    "open_writer",
    "register_format",
    "save_annotated",
]

register_format("table", Format(TableWriter, suffixes=(".txt",)))
register_format("json", Format(JsonWriter, suffixes=(".json",)))
register_format("jsonl", Format(JsonLinesWriter, suffixes=(".jsonl", ".ndjson"), can_append=True))
register_format("csv", Format(CsvWriter, suffixes=(".csv",)))
register_format("parquet", Format(ParquetWriter, suffixes=(".parquet",), needs_file=True))

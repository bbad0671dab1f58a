"""Betadata from feather, parquet and csv files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from spacetravlr.betas._columns import Layout, is_row_id, read_layout
from spacetravlr.betas._rows import label_text
from spacetravlr.betas.names import SUFFIXES, gene_of_file
from spacetravlr.betas.table import Betas
from spacetravlr.errors import InputError

_CSV_NULLS = ["", "NA", "N/A", "null", "NULL", "None"]  # not "nan": text that says NaN is refused, not read as 0

_RETRAIN = "delete this file and train the gene again"


def read_betas(path: Path) -> Betas:
    """Read one betadata file; see `Betas.read`."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: betadata are read from files ending in {', '.join(SUFFIXES)}")
    content = _content(path)
    try:
        batch = _DECODERS[path.suffix](content)
        # a damaged file can hold offsets that point outside the text
        batch.validate(full=True)
        names = batch.schema.names
        index_names = _index_names(batch.schema, names)
    except (pa.ArrowException, OSError, ValueError, csv.Error, MemoryError) as error:
        raise InputError(f"{path}: damaged or incomplete ({_first_line(error)}): {_RETRAIN}") from error
    if batch.num_rows == 0:
        raise InputError(f"{path}: it has no rows: {_RETRAIN}")
    try:
        layout = read_layout(names, index_names=index_names, index_is_cells=path.suffix == ".parquet")
        return _table(batch, layout, gene_of_file(path))
    except InputError as error:
        raise InputError(f"{path}: {error}: {_RETRAIN}") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror or error}); check its permissions") from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _decode_feather(content: bytes) -> pa.RecordBatch:
    # one file is small; files, not columns, are read side by side
    options = pa.ipc.IpcReadOptions(use_threads=False)
    with pa.ipc.open_file(pa.py_buffer(content), options=options) as reader:
        if reader.num_record_batches == 1:
            return reader.get_batch(0)
        return _one_batch(reader.read_all())


def _decode_parquet(content: bytes) -> pa.RecordBatch:
    return _one_batch(pa.parquet.read_table(pa.py_buffer(content), use_threads=False))


def _decode_csv(content: bytes) -> pa.RecordBatch:
    header = content.partition(b"\n")[0].decode("utf-8-sig", errors="replace")
    names = next(csv.reader([header]))
    options = pa.csv.ConvertOptions(
        # identities stay text: "007" is not 7
        column_types={name: pa.string() for name in names if is_row_id(name)},
        null_values=_CSV_NULLS,
    )
    table = pa.csv.read_csv(
        pa.py_buffer(content), read_options=pa.csv.ReadOptions(use_threads=False), convert_options=options
    )
    return _one_batch(table)


_DECODERS = {".feather": _decode_feather, ".parquet": _decode_parquet, ".csv": _decode_csv}


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def _table(batch: pa.RecordBatch, layout: Layout, gene: str) -> Betas:
    labels = range(batch.num_rows) if layout.row_id is None else batch.column(layout.row_id).to_pylist()
    coefficients = _coefficients(batch, layout)
    has_intercept = layout.intercept is not None
    values: Any = coefficients[:, 1:] if has_intercept else coefficients
    keep_single = layout.by == "cell" and values.dtype in (np.float32, np.float16)
    values = np.ascontiguousarray(values, dtype=np.float32 if keep_single else np.float64)
    return Betas(
        target=gene,
        by=layout.by,
        row_labels=tuple(map(label_text, labels)),
        intercept=coefficients[:, 0].astype(np.float64) if has_intercept else np.zeros(batch.num_rows),
        modulators=layout.modulators,
        values=values,
    )


def _index_names(schema: pa.Schema, names: list[str]) -> list[str]:
    described = (schema.metadata or {}).get(b"pandas")
    if described is None:
        return []
    try:
        index = json.loads(described)["index_columns"]
    except (ValueError, KeyError, TypeError):
        # a note beside the data; the columns can still be told apart by name
        return []
    return [name for name in index if isinstance(name, str) and name in names]


def _coefficients(batch: pa.RecordBatch, layout: Layout) -> NDArray[Any]:
    """Return intercept (if any) and modulators as ``(n_rows, n)`` numbers, all finite."""
    places = [*([] if layout.intercept is None else [layout.intercept]), *layout.positions]
    try:
        matrix = np.asarray(batch.select(places).to_tensor(null_to_nan=True))
    except (pa.ArrowException, TypeError):
        # booleans, text, decimals: not for the fast way
        matrix = None
    if matrix is not None and matrix.dtype.kind in "iuf" and np.isfinite(matrix).all():
        return matrix
    columns = np.empty((batch.num_rows, len(places)))
    for column, place in enumerate(places):
        columns[:, column] = _numbers(batch.column(place))
        if not np.isfinite(columns[:, column]).all():
            raise InputError(f"column {batch.schema.names[place]!r} holds a value that is not finite")
    return columns


def _numbers(array: pa.Array) -> NDArray[np.float64]:
    """Return one column as numbers; nulls and text that is no number are 0."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_null(array.type):
        return np.zeros(len(array))
    if pa.types.is_floating(array.type) or pa.types.is_integer(array.type) or pa.types.is_boolean(array.type):
        numbers = array.cast(pa.float64(), safe=False).fill_null(0.0).to_numpy(zero_copy_only=False)
        return np.asarray(numbers, dtype=np.float64)
    return np.array([_number(value) for value in array.to_pylist()], dtype=np.float64)


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return 0.0

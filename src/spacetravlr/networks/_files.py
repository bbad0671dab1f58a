"""Tables in whatever file they come: text with any separator, parquet, feather."""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TextIO, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from spacetravlr.errors import InputError
from spacetravlr.prior import refuse_pointer

_FOREIGN = {
    ".rds": 'an R object; write it in R, for example write.csv(x, "x.csv")',
    ".rda": 'an R workspace; write the table in R, for example write.csv(x, "x.csv")',
    ".rdata": 'an R workspace; write the table in R, for example write.csv(x, "x.csv")',
    ".xlsx": "a spreadsheet; save it as csv",
    ".xls": "a spreadsheet; save it as csv",
    ".loom": "a loom file; write its regulons as csv or GMT",
    ".zip": "an archive; unpack it first",
    ".h5ad": "a sample, not a table of relations",
}
_T = TypeVar("_T")
_SEPARATORS = "\t,;"
_NO_TEXT = (OSError, EOFError, UnicodeDecodeError, zlib.error)


@dataclass(frozen=True)
class TableFile:
    """A table that is read when needed.

    Raises
    ------
    InputError
        When it is read: there is no such file, or it is no table.
    """

    path: Path

    def check(self) -> None:
        """Refuse what is no table: nothing, directories, files of other programs, Git LFS pointers.

        Raises
        ------
        InputError
            If so.
        """
        _refuse_foreign(self.path)
        refuse_pointer(self.path)

    @cached_property
    def kind(self) -> str:
        """`parquet`, `feather` or `text`."""
        self.check()
        with self.path.open("rb") as stream:
            head = stream.read(6)
        kinds = {b"PAR1": "parquet", b"ARRO": "feather"}
        return kinds.get(head[:4], "text")

    @cached_property
    def first_line(self) -> str:
        """The first line of a text file that is neither empty nor a comment."""
        try:
            with _open_text(self.path) as stream:
                for line in stream:
                    if line.strip() and not line.startswith("#"):
                        return line.rstrip("\r\n")
        except _NO_TEXT as error:
            raise InputError(f"{self.path}: is neither text, parquet nor feather ({error})") from error
        raise InputError(f"{self.path}: the file is empty")

    def lines(self) -> list[str]:
        """Read all lines of a text file, compressed by gzip or not."""
        self.check()
        try:
            with _open_text(self.path) as stream:
                return stream.read().splitlines()
        except _NO_TEXT as error:
            raise InputError(f"{self.path}: cannot be read as text ({error})") from error

    @cached_property
    def separator(self) -> str:
        """The sign that occurs most often in the first line: tab, comma or semicolon, else a blank."""
        found = max(_SEPARATORS, key=self.first_line.count)
        return found if found in self.first_line else " "  # as write.table of R has it

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        if self.kind == "parquet":
            return tuple(self._guarded(lambda: list(pq.read_schema(self.path).names)))
        if self.kind == "feather":
            # the format knows no way to read names only, and what comes as feather is small
            return tuple(self.frame().columns)
        return tuple(str(name) for name in self._text(nrows=0).columns)

    def frame(self, columns: list[str] | None = None) -> pd.DataFrame:
        """Read columns, by default all; of a text file as text, and no more of it than these."""
        if self.kind != "text":
            load: Callable[..., pa.Table] = pq.read_table if self.kind == "parquet" else pyarrow.feather.read_table
            found: pd.DataFrame = self._guarded(
                lambda: load(self.path, columns=columns).to_pandas(ignore_metadata=True)
            )
            return found
        return self._text(dtype=str) if columns is None else self._text(dtype=str, usecols=columns)[columns]

    def matrix(self) -> pd.DataFrame:
        """Read a matrix whose first column holds the names of its rows.

        Raises
        ------
        InputError
            If the rest are not numbers.
        """
        table = self.frame() if self.kind != "text" else self._text()
        names = table.columns[0]
        text = [name for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
        if names not in text and len(text) == 1:
            names = text[0]  # parquet of pandas keeps the index in the last column
        values: pd.DataFrame = table.drop(columns=names)
        odd = [name for name in values.columns if not pd.api.types.is_numeric_dtype(values[name])]
        if odd:
            raise InputError(f"{self.path}: column {odd[0]} of the matrix holds text, expected numbers")
        values.index = pd.Index(table[names].astype(str))
        return values

    def head(self, n: int) -> pd.DataFrame:
        """Read the first rows, of a text file with numbers as such."""
        if self.kind == "text":
            return self._text(nrows=n)
        if self.kind != "parquet":
            return self.frame().head(n)

        def read() -> pd.DataFrame:
            with pq.ParquetFile(self.path) as file:
                first = next(file.iter_batches(n), None)
                table = file.schema_arrow.empty_table() if first is None else pa.Table.from_batches([first])
            found: pd.DataFrame = table.to_pandas(ignore_metadata=True)
            return found

        return self._guarded(read)

    def digest(self) -> tuple[str, int]:
        """Return SHA-256 and number of bytes of the file."""
        total, size = sha256(), 0
        with self.path.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
                size += len(block)
        return total.hexdigest(), size

    def _text(self, **settings: object) -> pd.DataFrame:
        def read() -> pd.DataFrame:
            comment = "#" if self._comments_first else None
            table: pd.DataFrame = pd.read_csv(
                self.path,
                sep=self.separator,
                comment=comment,
                index_col=False if self._rows_end_open else None,
                low_memory="dtype" in settings,  # in pieces, which may only be where no type has to be found
                **settings,  # type: ignore[call-overload]
            )
            return table

        table = self._guarded(read)
        if isinstance(table.index, pd.RangeIndex):
            return table
        if isinstance(table.index, pd.MultiIndex):
            raise InputError(
                f"{self.path}: its rows have {table.index.nlevels} columns more than its header; give each a name"
            )
        return table.reset_index(names="rownames")  # R's write.table gives the names of the rows no header

    @cached_property
    def _rows_end_open(self) -> bool:
        """Whether rows end in a separator that the header lacks, which would move every column by one."""
        sign, header = self.separator, self.first_line
        with _open_text(self.path) as stream:
            after = itertools.dropwhile(lambda line: not line.startswith(header), stream)
            rows = [line.rstrip("\r\n") for line in itertools.islice(after, 1, 20)]
        return bool(rows) and all(row.endswith(sign) and row.count(sign) == header.count(sign) + 1 for row in rows)

    @cached_property
    def _comments_first(self) -> bool:
        """Whether comments come before the header."""
        with _open_text(self.path) as stream:
            return stream.readline().startswith("#")

    def _guarded(self, read: Callable[[], _T]) -> _T:
        try:
            return read()
        except (pa.ArrowException, pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise InputError(f"{self.path}: cannot be read as a table [{' '.join(str(error).split())}]") from error
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{self.path}: cannot be read ({error})") from error


def _refuse_foreign(path: Path) -> None:
    if not path.exists():
        raise InputError(f"no such file: {path}")
    if path.is_dir():
        raise InputError(f"{path} is a directory; name the files in it")
    for suffix in path.suffixes:
        if suffix.casefold() in _FOREIGN:
            raise InputError(f"{path} is {_FOREIGN[suffix.casefold()]}")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty")


def _open_text(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")

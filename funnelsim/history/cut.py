"""A large file, cut by DuckDB into parts of whole leads without ever being held in memory."""

from __future__ import annotations

import glob
import gzip
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.history.cells import parquet_frame, text_frame
from funnelsim.history.doors import Table
from funnelsim.history.encodings import decode

LARGE_TEXT = 1 << 27
LARGE_PARQUET = 3_000_000
MOST_PARTS = 90
HEAD = 1 << 20
HEAD_ROWS = 10_000
MEMORY = "400MB"
ROW, PART = "funnelsim_row", "funnelsim_part"


@dataclass(frozen=True)
class Whole:
    """A large file, as its first rows tell it.

    Args:
        path: where it lies.
        head: its first rows.
        scan: the SQL that reads all of them, every cell as it stands.
        first: the number of the first row below the header.
        rows: about how many there are.
    """

    path: Path
    head: Table
    scan: str
    first: int
    rows: int


def is_large(path: str | Path) -> bool:
    """Return whether a file is best read in parts, which needs DuckDB.

    That is text from 128 MiB on (packed: 16 MiB), and Parquet from 3 million rows on.

    >>> is_large("nothing.csv")
    False
    """
    place = Path(path)
    if not place.is_file() or importlib.util.find_spec("duckdb") is None:
        return False
    with place.open("rb") as stream:
        start = stream.read(4)
    if start == b"PAR1":
        return _parquet_rows(place) >= LARGE_PARQUET
    size = place.stat().st_size * (8 if start[:2] == b"\x1f\x8b" else 1)
    return size >= LARGE_TEXT and start[:2] not in (b"PK", b"<?")


def whole_file(path: Path, encoding: str | None) -> Whole:
    """Return what the first rows of a file tell.

    Raises:
        FunnelError: no such file, no row, or text that is not UTF-8.
    """
    if not path.is_file():
        raise FunnelError(f"{path}: no such file; what is read in parts must be one file")
    place = "'" + glob.escape(str(path.resolve())).replace("'", "''") + "'"
    with path.open("rb") as stream:
        start = stream.read(4)
    if start == b"PAR1":
        import pyarrow.parquet

        rows = _parquet_rows(path)
        batch = next(pyarrow.parquet.ParquetFile(path).iter_batches(HEAD_ROWS), None)
        if batch is None:
            raise FunnelError(f"{path}: no row")
        return Whole(path, Table(batch.to_pandas(), path.name, "Parquet"), f"read_parquet({place})", 1, rows)
    packed = start[:2] == b"\x1f\x8b"
    with gzip.open(path) if packed else path.open("rb") as stream:
        data = stream.read(HEAD)
    data = data[: data.rfind(b"\n") + 1] or data
    if not data.strip():
        raise FunnelError(f"{path}: the file is empty")
    text, chosen = decode(data, path.name, encoding)
    if chosen not in ("utf-8", "ascii"):
        raise FunnelError(f"{path}: text in {chosen.upper()}; files read in parts must be UTF-8 or Parquet")
    frame, separator = text_frame(text, path.name)
    columns = ", ".join("'" + str(name).replace("'", "''") + "': 'VARCHAR'" for name in frame.columns)
    scan = (
        f"read_csv({place}, auto_detect=false, header=true, columns={{{columns}}}, delim='{separator}', "
        f"quote='\"', escape='\"', compression='{'gzip' if packed else 'none'}', null_padding=true, "
        "parallel=false)"
    )
    size = path.stat().st_size * (8 if packed else 1)
    return Whole(path, Table(frame, path.name, "text in UTF-8"), scan, 2, size * len(frame) // len(data))


def _parquet_rows(path: Path) -> int:
    import pyarrow.parquet

    try:
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    except (OSError, pyarrow.lib.ArrowException) as error:
        raise FunnelError(f"{path}: damaged Parquet file: {' '.join(str(error).split())[:200]}") from None


def cut(whole: Whole, lead: str, folder: Path, rows: int) -> tuple[Path, ...]:
    """Write the rows into one folder per part, whole leads together, and return these folders."""
    try:
        import duckdb
    except ImportError:
        raise FunnelError(
            f"{whole.path}: reading in parts needs DuckDB: pip install 'funnelsim[formats]'"
        ) from None
    parts = max(1, min(MOST_PARTS, -(-whole.rows // rows)))
    numbered = f"SELECT *, row_number() OVER () - 1 + {whole.first} AS {ROW} FROM {whole.scan}"
    name = '"' + lead.replace('"', '""') + '"'
    hashed = f"md5_number_lower(coalesce(trim(CAST({name} AS VARCHAR)), '')) % {parts} AS {PART}"
    target = str(folder / "parts").replace("'", "''")
    # Nothing is fetched: what DuckDB needs for text and Parquet is built in.
    quiet = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    try:
        with duckdb.connect(
            config={**quiet, "memory_limit": MEMORY, "threads": 2, "temp_directory": str(folder / "spill")}
        ) as base:
            base.execute("SET enable_progress_bar = false")
            base.execute(
                f"COPY (SELECT *, {hashed} FROM ({numbered})) TO '{target}' "
                f"(FORMAT parquet, PARTITION_BY ({PART}))"
            )
    except duckdb.Error as error:
        raise FunnelError(f"{whole.path}: {' '.join(str(error).split())[:300]}") from None
    return tuple(sorted((folder / "parts").iterdir(), key=lambda place: int(place.name.split("=")[-1])))


def cells_of(part: Path, whole: Whole) -> pd.DataFrame:
    """Return the cells of a part in the order of the file, as reading the whole file would have them."""
    files = [parquet_frame(file.read_bytes(), whole.path.name) for file in sorted(part.iterdir())]
    frame = pd.concat(files).sort_values(ROW).set_index(ROW).rename_axis(None)
    frame.columns = whole.head.frame.columns
    text = [name for name in frame.columns if frame[name].dtype.kind not in "iufbM"]
    return frame.fillna(dict.fromkeys(text, "")) if whole.first == 2 else frame

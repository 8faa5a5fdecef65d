"""A large file, cut by DuckDB into parts of whole leads without ever being held in memory."""

from __future__ import annotations

import datetime
import glob
import gzip
import importlib.util
import io
import tempfile
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Dictionary
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from funnelsim.errors import FunnelError, missing
from funnelsim.files import to_text
from funnelsim.history.assemble import (
    Raw,
    assemble,
    complete,
    guess_order,
    last_day,
    met_first,
    protected,
    spellings,
)
from funnelsim.history.log import History, as_of_moment, with_quality
from funnelsim.history.mapping_file import read_said, stated
from funnelsim.history.parse import RATES
from funnelsim.history.quality import CellReading, most_first
from funnelsim.history.read import by_mapping, part_of, recognised, understood
from funnelsim.history.sources.recipe import Said
from funnelsim.history.tables import Door, Table, parquet_frame, text_frame
from funnelsim.history.vocabulary import outcome_of

LARGE_TEXT = 1 << 27
LARGE_PARQUET = 3_000_000
MOST_PARTS = 90
HEAD = 1 << 20
HEAD_ROWS = 10_000
MEMORY = "400MB"
ROW, PART = "funnelsim_row", "funnelsim_part"
ROWS = 250_000


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


def large_table(path: Path, door: Door) -> Whole:
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
        rows = _parquet_rows(path)
        import pyarrow.parquet

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
    text, chosen = to_text(data, path.name, door.encoding)
    if chosen not in ("utf-8", "ascii"):
        raise FunnelError(f"{path}: text in {chosen.upper()}; files read in parts must be UTF-8 or Parquet")
    cells = text_frame(text, path.name, door.header)
    frame, separator = cells.frame, cells.separator
    columns = ", ".join("'" + str(name).replace("'", "''") + "': 'VARCHAR'" for name in frame.columns)
    scan = (
        f"read_csv({place}, auto_detect=false, header=true, skip={cells.header}, columns={{{columns}}}, "
        f"delim='{separator}', quote='\"', escape='\"', compression='{'gzip' if packed else 'none'}', "
        "null_padding=true, parallel=false)"
    )
    size = path.stat().st_size * (8 if packed else 1)
    head = Table(frame, path.name, "text in UTF-8", separator)
    return Whole(path, head, scan, cells.header + 2, size * len(frame) // len(data))


def _parquet_rows(path: Path) -> int:
    try:
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise missing("pyarrow", f"{path}: reading a Parquet file") from None
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


def cells_of(part: Sequence[bytes], whole: Whole) -> pd.DataFrame:
    """Return the cells of a part in the order of the file, as reading the whole file would have them."""
    files = [parquet_frame(data, whole.path.name) for data in part]
    frame = pd.concat(files).sort_values(ROW).set_index(ROW).rename_axis(None)
    frame.columns = whole.head.frame.columns
    text = [name for name in frame.columns if frame[name].dtype.kind not in "iufbM"]
    return frame.fillna(dict.fromkeys(text, "")) if whole.head.separator else frame


@dataclass(frozen=True)
class Reading:
    """How every part of a file is read.

    Args:
        whole: the file, as its first rows tell it.
        said, file, folders, source: the mapping, its name, where other files may lie, and how to read it.
        personal, anonymise: as `read_history` takes them.
        as_of: the as-of moment, where one is asked for.
        parts: how many there are.
    """

    whole: Whole
    said: Said
    file: str
    folders: tuple[Path, ...]
    source: str | None
    personal: bool
    anonymise: str | None
    as_of: pd.Timestamp | None
    parts: int


@contextmanager
def in_parts(
    path: str | Path,
    mapping: str | Path | Dictionary[str, object] | None = None,
    as_of: str | datetime.date | pd.Timestamp | None = None,
    source: str | None = None,
    *,
    personal: bool = False,
    anonymise: str | None = None,
    rows: int = ROWS,
) -> Iterator[tuple[Reading, tuple[Path, ...]]]:
    """Cut a file, and give how its parts are read and the folders in which they lie, until they are read.

    Leads are dealt to parts by a hash of their names. The parts lie in a temporary folder (`TMPDIR`), which
    takes about the room of the file itself.

    Args:
        path: text between separators in UTF-8 (also in a .gz), or Parquet.
        mapping, as_of, source, personal, anonymise: as `read_history` takes them.
        rows: rows of a part, roughly.

    Raises:
        FunnelError: as `read_history`; or DuckDB is not installed.
    """
    said, file, folder = read_said(mapping) if mapping is not None else ({}, "mapping", None)
    made = stated(said, file)
    whole = large_table(Path(path), Door(made.encoding, header=made.header))
    folders = tuple(place for place in (folder, Path(path).parent) if place is not None)
    until = None if as_of is None else as_of_moment(as_of)
    with tempfile.TemporaryDirectory(prefix="funnelsim") as temporary:
        places = cut(whole, _lead_column(whole.head, said, file, source), Path(temporary), rows)
        yield Reading(whole, said, file, folders, source, personal, anonymise, until, len(places)), places


def read_in_parts(
    path: str | Path,
    mapping: str | Path | Dictionary[str, object] | None = None,
    as_of: str | datetime.date | pd.Timestamp | None = None,
    source: str | None = None,
    *,
    personal: bool = False,
    anonymise: str | None = None,
    rows: int = ROWS,
) -> Iterator[History]:
    """Yield the parts of a history that is too large to be held; each lead is whole in one of them.

    All parts have the same stages, ends, currency, as-of moment and beginning, so that what is counted in
    them adds up. Names of ends that are not stated are told by the first part.

    Args:
        path, mapping, as_of, source, personal, anonymise, rows: as `in_parts` takes them.

    Raises:
        FunnelError: as `read_history`; or DuckDB is not installed.
    """
    cut_up = in_parts(path, mapping, as_of, source, personal=personal, anonymise=anonymise, rows=rows)
    with cut_up as (task, places):
        stored = [stored_part(task, number, place) for number, place in enumerate(places)]
        common = with_places(agreed(stored, task), stored[0])
        for part in stored:
            yield history_of_part(part, common)


@dataclass(frozen=True)
class Stored:
    """What a part says of itself, while its rows lie in a file, or packed as Parquet in memory.

    Args:
        raw: what a reader understood, without rows.
        often: rows of each stage.
        latest: its latest rows.
        first: its first moment.
        size, leads: rows that are complete, and leads.
        met: see `met_first`.
        rows: where they are; nowhere (b"") where this is only told about them.
    """

    raw: Raw
    often: pd.Series
    latest: pd.DataFrame
    first: pd.Timestamp
    size: int
    leads: int
    met: pd.DataFrame
    rows: Path | bytes = b""


def _lead_column(head: Table, said: Said, file: str, source: str | None) -> str:
    """Return the column that names the lead, told from the first rows."""
    if by_mapping(said, source):
        name = stated(said, file).columns.lead
    else:
        recipe = recognised((head,), source).mapping
        name = stated({**recipe, **said, "columns": {**part_of(recipe), **part_of(said)}}, file).columns.lead
    head.column(name, "lead")
    return name


def stored_part(task: Reading, number: int, part: Path | Sequence[bytes]) -> Stored:
    """Read a part, and keep its rows and what all parts have to agree on.

    Args:
        part: its folder, in which the rows are then put; or its files, so that the rows stay in memory.
    """
    files = [file.read_bytes() for file in sorted(part.iterdir())] if isinstance(part, Path) else part
    words = f"{task.whole.head.words}, in {task.parts} part{'s' * (task.parts > 1)}"
    table = replace(task.whole.head, frame=cells_of(files, task.whole), words=words)
    raw = understood((table,), task.said, task.file, task.folders, task.source, whole=number == 0)
    raw = protected(raw, task.personal, task.anonymise)
    rows = raw.rows
    if any("numbered instead" in limit for limit in raw.limits):
        rows = rows.assign(lead=f"{number}/" + rows["lead"])
    good, _ = complete(rows)
    late = good["at"].nlargest(max(1000, len(good) // 20)).index
    latest = good.loc[good.index.isin(late), [name for name in ("at", "typed") if name in good.columns]]
    known = good if task.as_of is None else good[(good["at"] < task.as_of).to_numpy()]
    kept = replace(raw, rows=rows.iloc[[]])  # a slice would keep all rows alive
    told = Stored(
        kept, good["stage"].value_counts(), latest, good["at"].min(), len(good), good["lead"].nunique(),
        met_first(known, bool(raw.stages)),
    )  # fmt: skip
    if not isinstance(part, Path):
        return replace(told, rows=rows.to_parquet())
    for file in part.iterdir():
        file.unlink()
    rows.to_parquet(part / "rows.parquet")
    return replace(told, rows=part / "rows.parquet")


@dataclass(frozen=True)
class Common:
    """What holds for all parts: see `History`; `spelled` and `met` as in assembling."""

    currency: str
    until: pd.Timestamp
    known: pd.Timestamp
    began: pd.Timestamp
    reading: CellReading
    spelled: dict[str, str]
    met: pd.DataFrame
    places: History | None = None


def agreed(stored: Sequence[Stored], task: Reading) -> Common:
    """Return what all parts have to agree on, but for the names of the places.

    Raises:
        FunnelError: parts that differ in currency, or in how their cells are read.
    """
    raw = stored[0].raw
    currencies = {part.raw.currency for part in stored} - {""}
    if len(currencies) > 1:
        listed = ", ".join(sorted(currencies))
        raise FunnelError(f"{raw.file}: amounts in {listed} cannot be added up; {RATES}")
    size = sum(part.size for part in stored)
    stamps = [part.raw.stamped for part in stored if part.raw.stamped is not None]
    latest = pd.concat([part.latest for part in stored])
    known = last_day(latest, raw.file, size, max(stamps) if stamps else None)
    until = known if task.as_of is None else task.as_of
    if raw.cash_after:
        raise FunnelError(f"{raw.file}: `cash_after` needs a file that is read whole, not in parts")
    reading = _one_reading([part.raw.reading for part in stored], raw.file)
    if task.as_of is None:
        reading = replace(reading, until=_last_row(latest, until))
    began = raw.began or min(part.first for part in stored if part.size).normalize()
    often = pd.concat([part.often for part in stored]).groupby(level=0).sum()
    spelled = spellings(most_first(often), raw.stages + raw.won + raw.lost)
    met = pd.concat([part.met for part in stored]).rename(index=spelled, columns=spelled).fillna(0.0)
    met = met.T.groupby(level=0).sum().T.groupby(level=0).sum()
    return Common("".join(currencies), until, known, began, reading, spelled, met)


def history_of_part(part: Stored, common: Common) -> History:
    """Return the history of a part, under facts that hold for all of them."""
    source = io.BytesIO(part.rows) if isinstance(part.rows, bytes) else part.rows
    rows = pd.read_parquet(source)
    rows["stage"] = rows["stage"].map(lambda name: common.spelled.get(name, name)).astype("str")
    raw = replace(part.raw, rows=rows, currency=common.currency, met=common.met)
    made = assemble(raw, common.until, common.known)
    made = with_quality(made, replace(made.quality, reading=common.reading))
    if common.places is None:
        return made
    one = common.places
    return replace(made, began=common.began, stages=one.stages, won=one.won, lost=one.lost, limits=one.limits)


def with_places(common: Common, part: Stored) -> Common:
    """Return what all parts agree on with the places, as a first part and the rows of all tell them."""
    first = history_of_part(part, common)
    none = {name: getattr(first, name).iloc[[]] for name in ("events", "leads", "updates", "undone")}
    names = tuple(dict.fromkeys(common.spelled.values()))
    whole = _with_all(replace(first, **none), names, common.met, bool(part.raw.stages))
    return replace(common, places=whole)


def _last_row(latest: pd.DataFrame, until: pd.Timestamp) -> str:
    """Return the row of the last moment before the as-of moment."""
    before = latest["at"][(latest["at"] < until).to_numpy()]
    return f"row {before.idxmax()}, {before.max():%Y-%m-%d %H:%M:%S}".removesuffix(" 00:00:00")


def _one_reading(readings: list[CellReading], file: str) -> CellReading:
    """Return how the cells of all parts were understood; parts that differ are refused."""

    def one(key: str, ways: list[str]) -> str:
        different = sorted(set(ways) - {""})
        if len(different) > 1:
            raise FunnelError(
                f"{file}: its parts differ ({' and '.join(different)}); give `{key}` in a mapping"
            )
        return "".join(different)

    return replace(
        readings[0],
        decimal=one("decimal", [reading.decimal for reading in readings]),
        date_order=one("date_order", [reading.date_order for reading in readings]),
        zone=one("zone", [reading.zone for reading in readings]),
    )


def _with_all(first: History, names: tuple[str, ...], met: pd.DataFrame, stated: bool) -> History:
    """Return the first part with the places that only other parts show; see `met_first` for their order."""
    more = [name for name in names if name not in first.waits + first.ends]
    won = tuple(name for name in more if outcome_of(name) == "won")
    lost = tuple(name for name in more if outcome_of(name) == "lost")
    stages = first.stages + tuple(name for name in more if name not in won + lost)
    ends = first.won + won + first.lost + lost + first.handed_over
    if not stated:
        stages = tuple(name for name in guess_order(met, ends) if name in stages)
    return replace(first, stages=stages, won=first.won + won, lost=first.lost + lost)

"""What was read and fitted, kept in the user's cache folder: a history is fitted once.

An entry is data and never code: frames in Arrow's format and all else as JSON, in one archive. Its name is a
hash of all that it came from: the content of every file, how they were read, and this program. So an entry
is never out of date; one that is damaged or foreign is passed by, and written anew.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import platformdirs

from funnelsim.errors import FunnelError
from funnelsim.history.log import History
from funnelsim.history.mapping_file import read_said
from funnelsim.history.quality import CellReading, Finding, Quality
from funnelsim.history.tables import Table, files_in
from funnelsim.model.model import Model, OpenDeals
from funnelsim.model.store import decode, encode

Noun = TypeVar("Noun")
FORMAT = 1  # of an entry; what is kept in another one is passed by
MOST_BYTES = 500_000_000  # of all entries together: some hundred histories of usual size
PACKAGE = Path(__file__).resolve().parent.parent
FRAMES = ("events", "leads", "updates", "undone")
MADE = ("visits", "wins", "open")  # what a history works out once, as it is asked by every verb
CONTENT = "content.json"
DEEPEST = 8  # mappings that name mappings; nobody writes more, but for one that names itself


@dataclass(frozen=True)
class Fit:
    """A history, and what was made of it.

    Args:
        history: what was known.
        model: fitted to it.
        deals: the open pipeline.
        booked: past wins (lead, at, stage, value).
    """

    history: History
    model: Model
    deals: OpenDeals
    booked: pd.DataFrame


def key_of(
    what: str | Path | Table,
    kind: str,
    spend: str | Path | None,
    given: Model | None,
    reading: Mapping[str, object],
) -> str:
    """Return the name of what is kept of a history: a hash of all that it depends on; "" where none is known.

    Args:
        what: a file, a folder, or the rows that a query gave.
        kind: what a period is, as its length moves the fit.
        spend: the file of what was spent.
        given: the model that is used in place of one fitted to it.
        reading: mapping, as_of, source, query, anonymise.
    """
    found = hashlib.sha256()
    mapping = reading.get("mapping")
    parts = [
        _program(), kind, _name_of(what), repr(spend), repr(mapping),
        *(repr(reading.get(name)) for name in ("as_of", "source", "query", "anonymise")),
        "" if given is None else json.dumps(encode(given)),
    ]  # fmt: skip
    try:
        for part in parts:
            _add(found, part.encode())
        for file in _files(what, mapping, spend):
            _add(found, _hash_of(file))
        if isinstance(what, Table):
            _add(found, _rows_hash(what.frame))
    except (FunnelError, OSError, ValueError):  # who reads the file next says what is wrong with it
        return ""
    return found.hexdigest()


def find_fit(key: str) -> Fit | None:
    """Return what is kept under a key; None where nothing is, or what is cannot be read."""
    found = _read(key)
    if found is None:
        return None
    frames, content = found
    try:
        known = content["history"]
        quality = known.pop("quality")
        lines = tuple(Finding(**line) for line in quality["findings"])
        tally = Quality(quality["read"], quality["used"], lines, CellReading(**quality["reading"]))
        said: dict[str, Any] = {name: decode(value) for name, value in known.items()}
        said |= {name: frames[name] for name in FRAMES}
        history = History(**said, quality=tally)
        vars(history).update({name: frames[name] for name in MADE})
        columns = {str(name): frames["deals"][name].to_numpy(copy=True) for name in frames["deals"]}
        columns["name"] = frames["deals"]["name"].to_numpy(dtype=object)
        return Fit(history, decode(content["model"]), OpenDeals(**columns), frames["booked"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def keep_fit(key: str, fit: Fit) -> None:
    """Keep what was made of a history under a key, where the cache folder can be written."""
    history = fit.history
    plain = [part.name for part in fields(history) if part.name not in (*FRAMES, "quality")]
    known = {name: encode(getattr(history, name)) for name in plain}
    known["quality"] = _plain(asdict(history.quality))
    deals = {part.name: getattr(fit.deals, part.name) for part in fields(fit.deals)}
    frames = {name: getattr(history, name) for name in (*FRAMES, *MADE)}
    frames["booked"] = fit.booked
    frames["deals"] = pd.DataFrame({name: column for name, column in deals.items() if column is not None})
    _write(key, frames, {"history": known, "model": encode(fit.model)})


def find_frame(key: str, *about: object) -> pd.DataFrame | None:
    """Return a table that is kept beside an entry, by what it is about; None where none is."""
    found = _read(_beside(key, about)) if key else None
    return None if found is None else found[0].get("frame")


def keep_frame(frame: pd.DataFrame, key: str, *about: object) -> None:
    """Keep a table beside an entry, by what it is about; without a key it is not kept."""
    if key:
        _write(_beside(key, about), {"frame": frame}, {})


def find_noun(kind: type[Noun], key: str, *about: object) -> Noun | None:
    """Return a noun of tables and words that is kept beside an entry; None where none is."""
    found = _read(_beside(key, about)) if key else None
    if found is None:
        return None
    try:
        return kind(**found[0], **{name: decode(value) for name, value in found[1].items()})
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def keep_noun(noun: Any, key: str, *about: object) -> None:
    """Keep a noun of tables and words beside an entry, by what it is about; without a key it is not kept."""
    if not key:
        return
    parts = {part.name: getattr(noun, part.name) for part in fields(noun)}
    frames = {name: part for name, part in parts.items() if isinstance(part, pd.DataFrame)}
    words = {name: encode(part) for name, part in parts.items() if name not in frames}
    _write(_beside(key, about), {name: frame for name, frame in frames.items() if len(frame.columns)}, words)


def print_of(model: Model) -> str:
    """Return a hash of a model: two that differ in any number or word differ in it."""
    return hashlib.sha256(json.dumps(encode(model)).encode()).hexdigest()


def cache_folder() -> Path:
    """Return the folder in which entries lie."""
    return platformdirs.user_cache_path("funnelsim")


def _beside(key: str, about: Sequence[object]) -> str:
    return hashlib.sha256(repr((key, about)).encode()).hexdigest()


def _program() -> str:
    """Return which program this is: its sources by time and size, and the libraries that it counts with."""
    stamps = [
        (str(source.relative_to(PACKAGE)), source.stat().st_mtime_ns, source.stat().st_size)
        for source in sorted(PACKAGE.rglob("*.py"))
    ]
    return repr((FORMAT, np.__version__, pd.__version__, stamps))


def _name_of(what: str | Path | Table) -> str:
    return repr((what.file, what.words)) if isinstance(what, Table) else repr(str(what))


def _add(found: Any, part: bytes) -> None:
    found.update(len(part).to_bytes(8, "big"))
    found.update(part)


def _files(what: str | Path | Table, mapping: object, spend: str | Path | None) -> Iterator[Path]:
    """Yield every file that is read, or would be if it were there."""
    folders: tuple[Path, ...] = ()
    if not isinstance(what, Table):
        place = Path(what)
        folders = (place if place.is_dir() else place.parent,)
        yield from files_in(place)
    if spend is not None:
        yield from files_in(Path(spend))
    if isinstance(mapping, str | Path):
        yield Path(mapping)
    if mapping is not None:
        yield from _named(mapping, folders, 0)


def _named(mapping: Any, folders: tuple[Path, ...], depth: int) -> Iterator[Path]:
    """Yield the files that a mapping names, wherever they may lie, and those that these name in turn."""
    if depth > DEEPEST:
        raise ValueError("mappings that name each other")
    said, _, folder = read_said(mapping)
    folders = folders if folder is None else (folder, *folders)
    for part in (said.get("attributes"), said.get("before")):
        if not isinstance(part, Mapping):
            continue
        for role in ("file", "mapping"):
            named = part.get(role)
            if isinstance(named, Mapping):
                yield from _named(named, folders, depth + 1)
            if not isinstance(named, str):
                continue
            for place in (folder / named for folder in folders):
                yield place
                if role == "mapping" and place.is_file():
                    yield from _named(place, folders, depth + 1)


def _hash_of(file: Path) -> bytes:
    if not file.exists():
        return b"nothing"
    if not stat.S_ISREG(file.stat().st_mode):
        raise ValueError("no file")
    with file.open("rb") as stream:
        return file.name.encode() + hashlib.file_digest(stream, "sha256").digest()


def _rows_hash(frame: pd.DataFrame) -> bytes:
    found = hashlib.sha256()
    for name in frame.columns:
        _add(found, f"{name} {frame[name].dtype}".encode())
        _add(found, "\n".join(map(repr, frame[name].tolist())).encode("utf-8", "surrogatepass"))
    return found.digest()


def _plain(data: Any) -> Any:
    """Return data as JSON has it: numbers of NumPy as those of Python."""
    if isinstance(data, dict):
        return {name: _plain(value) for name, value in data.items()}
    if isinstance(data, tuple | list):
        return [_plain(item) for item in data]
    return data.item() if isinstance(data, np.generic) else data


def _read(key: str) -> tuple[dict[str, pd.DataFrame], dict[str, Any]] | None:
    """Return the frames and the data of an entry; None where it is missing, damaged or foreign."""
    if find_spec("pyarrow") is None:
        return None
    import pyarrow

    file = cache_folder() / f"{key}.zip"
    try:
        with zipfile.ZipFile(file) as archive:
            content = json.loads(archive.read(CONTENT))
            if content.pop("entry") != [FORMAT, key]:
                return None
            names = [name for name in archive.namelist() if name != CONTENT]
            frames = {name: _from_arrow(archive.read(name)) for name in names}
        with suppress(OSError):
            os.utime(file)  # what is used stays longest
        return frames, content
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError,
            zipfile.BadZipFile, pyarrow.ArrowException):  # fmt: skip
        return None


def _write(key: str, frames: Mapping[str, pd.DataFrame], data: Mapping[str, object]) -> None:
    """Write an entry, whole or not at all, readable by its owner alone; no obstacle where that fails."""
    if find_spec("pyarrow") is None:
        return
    packed = {name: _to_arrow(frame) for name, frame in frames.items()}
    if not all(_alike(_from_arrow(packed[name]), frame) for name, frame in frames.items()):
        return
    content = json.dumps({"entry": [FORMAT, key], **data})
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(CONTENT, content)
        for name, frame in packed.items():
            archive.writestr(name, frame)
    temporary = None
    try:
        folder = _private_folder()
        handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=folder)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(stream.getbuffer())
        temporary.replace(folder / f"{key}.zip")
        _bound(folder)
    except OSError:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _private_folder() -> Path:
    """Return the cache folder, made if need be, into which nobody else can look."""
    folder = cache_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name != "nt" and stat.S_IMODE(folder.stat().st_mode) != 0o700:
        folder.chmod(0o700)
    return folder


def _bound(folder: Path) -> None:
    """Remove the entries that were used longest ago until the others have room."""
    files = [(file.stat().st_mtime, file.stat().st_size, file) for file in folder.iterdir() if file.is_file()]
    size = sum(length for _, length, _ in files)
    for _, length, file in sorted(files):
        if size <= MOST_BYTES:
            return
        file.unlink(missing_ok=True)
        size -= length


def _to_arrow(frame: pd.DataFrame) -> bytes:
    import pyarrow

    table, sink = pyarrow.Table.from_pandas(frame), pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def _from_arrow(packed: bytes) -> pd.DataFrame:
    import pyarrow

    frame: pd.DataFrame = pyarrow.ipc.open_stream(packed).read_all().to_pandas(use_threads=False)
    return frame


def _alike(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Return whether two frames are equal in every cell, kind of column and index."""
    indices = type(one.index) is type(other.index) and one.index.name == other.index.name
    kinds = one.dtypes.equals(other.dtypes) and one.index.dtype == other.index.dtype
    return bool(indices and kinds and one.index.equals(other.index) and one.equals(other))

"""A file larger than memory: cut by DuckDB into parts of whole leads, each read as any other file."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Iterator
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.history.assemble import Raw, assemble, complete, last_day, spellings
from funnelsim.history.cut import cells_of, cut, whole_file
from funnelsim.history.doors import Table
from funnelsim.history.log import History, moment
from funnelsim.history.mapping import read_said, stated
from funnelsim.history.places import LOST, WON, plain
from funnelsim.history.privacy import protected
from funnelsim.history.readers import by_mapping, part_of, recognised, understood
from funnelsim.history.recipe import Said

ROWS = 250_000


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

    Leads are dealt to parts by a hash of their names. All parts have the same stages, ends, currency, as-of
    moment and beginning, so that what is counted in them adds up. The order of the stages, and names of
    ends that are not stated, are told by the first part. The parts lie in a temporary folder (`TMPDIR`)
    until the last one is read; it takes about the room of the file itself.

    Args:
        path: text between separators in UTF-8 (also in a .gz), or Parquet.
        mapping, as_of, source, personal, anonymise: as `read_history` takes them.
        rows: rows of a part, roughly.

    Raises:
        FunnelError: as `read_history`; or DuckDB is not installed.
    """
    said, file, folder = read_said(mapping) if mapping is not None else ({}, "mapping", None)
    whole = whole_file(Path(path), stated(said, file).encoding)
    folders = tuple(place for place in (folder, Path(path).parent) if place is not None)
    with tempfile.TemporaryDirectory(prefix="funnelsim") as temporary:
        places = cut(whole, _lead_column(whole.head, said, file, source), Path(temporary), rows)
        raws = []
        for number, part in enumerate(places):
            table = Table(
                cells_of(part, whole), whole.head.file, f"{whole.head.words}, in {len(places)} parts"
            )
            raw = understood((table,), said, file, folders, source, whole=number == 0)
            raws.append(_stored(protected(raw, personal, anonymise), part, number))
        yield from _assembled(raws, places, as_of)


@dataclass(frozen=True)
class _Stored:
    """What a part says of itself, while its rows lie in a file."""

    raw: Raw
    often: pd.Series
    latest: pd.Series
    first: pd.Timestamp
    size: int


def _lead_column(head: Table, said: Said, file: str, source: str | None) -> str:
    """Return the column that names the lead, told from the first rows."""
    if by_mapping(said, source):
        name = stated(said, file).columns.lead
    else:
        recipe = recognised((head,), source).mapping
        name = stated({**recipe, **said, "columns": {**part_of(recipe), **part_of(said)}}, file).columns.lead
    head.column(name, "lead")
    return name


def _stored(raw: Raw, part: Path, number: int) -> _Stored:
    """Put a part's rows into its folder, and keep what all parts have to agree on."""
    rows = raw.rows
    if any("numbered instead" in limit for limit in raw.limits):
        rows = rows.assign(lead=f"{number}/" + rows["lead"])
    for file in part.iterdir():
        file.unlink()
    rows.to_parquet(part / "rows.parquet")
    good, _ = complete(rows)
    latest = good["at"].nlargest(max(1000, len(good) // 20))
    kept = replace(raw, rows=rows.iloc[[]])  # a slice would keep all rows alive
    return _Stored(kept, good["stage"].value_counts(), latest, good["at"].min(), len(good))


def _assembled(
    stored: list[_Stored], places: tuple[Path, ...], as_of: str | datetime.date | pd.Timestamp | None
) -> Iterator[History]:
    """Yield the histories of the parts, under facts that hold for all of them."""
    raw = stored[0].raw
    currencies = {part.raw.currency for part in stored} - {""}
    if len(currencies) > 1:
        raise FunnelError(f"{raw.file}: amounts in {', '.join(sorted(currencies))} cannot be added up")
    size = sum(part.size for part in stored)
    until = (
        moment(as_of)
        if as_of is not None
        else last_day(pd.concat([part.latest for part in stored]), raw.file, size)
    )
    began = raw.began or min(part.first for part in stored if part.size).normalize()
    often = pd.concat([part.often for part in stored]).groupby(level=0).sum().sort_values(ascending=False)
    spelled = spellings(often, raw.stages + raw.won + raw.lost)
    names = tuple(dict.fromkeys(spelled.values()))
    first: History | None = None
    for place, part in zip(places, stored, strict=True):
        rows = pd.read_parquet(place / "rows.parquet")
        rows["stage"] = rows["stage"].map(lambda name: spelled.get(name, name)).astype("str")
        made = assemble(replace(part.raw, rows=rows, currency="".join(currencies)), until)
        first = first or _with_all(made, names)
        yield replace(
            made, began=began, stages=first.stages, won=first.won, lost=first.lost, limits=first.limits
        )


def _with_all(first: History, names: tuple[str, ...]) -> History:
    """Return the first part with the places that only other parts show, after its own."""
    more = [name for name in names if name not in first.waits + first.ends]
    won = tuple(name for name in more if plain(name) in WON)
    lost = tuple(name for name in more if plain(name) in LOST)
    stages = tuple(name for name in more if name not in won + lost)
    return replace(first, stages=first.stages + stages, won=first.won + won, lost=first.lost + lost)

"""The front door: a file, a folder or a data base, of whatever kind, to a History."""

from __future__ import annotations

import datetime
from collections.abc import Mapping as Dictionary
from dataclasses import replace
from pathlib import Path

import pandas as pd

from funnelsim.errors import FunnelError, nearest
from funnelsim.history.assemble import Raw, assemble, protected
from funnelsim.history.databases import is_address, query_table
from funnelsim.history.log import History, apart, undone_wins
from funnelsim.history.quality import Finding, Quality, tally
from funnelsim.history.sources import dynamics, hubspot, lists, pipedrive, salesforce
from funnelsim.history.sources.recipe import STATE, Recipe, Said, Source, small
from funnelsim.history.tables import Door, Table, read_tables
from funnelsim.history.vocabulary import without_gone

SOURCES: tuple[Source, ...] = (
    lists.TIDY,
    *salesforce.SOURCES,
    *hubspot.SOURCES,
    *pipedrive.SOURCES,
    *dynamics.SOURCES,
    *lists.SOURCES,
)
ENDS = ("won", "lost")
UNTIL_WHEN = (
    "Leads have events until {:%Y-%m-%d}, deals until {:%Y-%m-%d}: both count as known until {:%Y-%m-%d}; "
    "give an as-of date if one of the files is older."
)


def read_history(
    path: str | Path | pd.DataFrame | Table,
    mapping: str | Path | Dictionary[str, object] | None = None,
    as_of: str | datetime.date | pd.Timestamp | None = None,
    source: str | None = None,
    *,
    query: str | None = None,
    personal: bool = False,
    anonymise: str | None = None,
) -> History:
    """Return the history that a file holds; `history.source` says how it was understood.

    Args:
        path: a file, a folder or archive of files, a SQLAlchemy URL, a table already in memory, or what a
            query gave (see `queried`).
        mapping: a mapping file, or its content. Where it names columns, it alone decides; else it adds
            to what is recognised (such as the names of the wins).
        as_of: what is later is set aside; the day of the last event when not given.
        source: how to read it, one of the names in `SOURCES`; recognised from the columns when not given.
        query: for a data base: a SELECT, or the name of a table.
        personal: whether leads may be named by e-mail addresses and phone numbers.
        anonymise: a secret key with which the names of leads and owners are hashed.

    Raises:
        FunnelError: it cannot be read or understood; one sentence with file, row, column, value.
    """
    from funnelsim.history.mapped import beside
    from funnelsim.history.mapping_file import read_said, stated

    said, file, folder = read_said(mapping) if mapping is not None else ({}, "mapping", None)
    made = stated(said, file)
    door = Door(made.encoding, made.sheet, made.header)
    found, folders = _opened(path, door, query or made.query)
    if folder is not None:
        folders = (folder, *folders)
    raw = understood(found, said, file, folders, source)
    history = assemble(protected(raw, personal, anonymise), as_of)
    if made.before is None:
        return history
    path = beside(made.before.file, "before.file", folders)
    mapping = made.before.mapping
    own = beside(mapping, "before.mapping", folders) if isinstance(mapping, str) else mapping
    return one_way(read_history(path, own, as_of, personal=personal, anonymise=anonymise), history)


def understood(
    found: tuple[Table, ...],
    said: Said,
    file: str,
    folders: tuple[Path, ...],
    source: str | None,
    whole: bool = True,
) -> Raw:
    """Return what tables say: by their mapping where it names columns, else by what they look like.

    Args:
        found: the tables.
        said, file: the mapping's content and its name.
        folders: where other files may lie.
        source: how to read them; recognised when None.
        whole: whether these are all rows, so that a stage without a row is suspicious.
    """
    if by_mapping(said, source):
        return _by_mapping(found, said, file, folders, whole)
    return _by_source(found, said, file, folders, source, whole)


def by_mapping(said: Said, source: str | None) -> bool:
    """Return whether the mapping alone decides how a table is read."""
    return source is None and bool({"columns", "dates", "outcome"} & set(said))


def queried(
    address: str, mapping: str | Path | Dictionary[str, object] | None = None, query: str | None = None
) -> Table:
    """Return the rows that a data base gives to a query, or to the one that a mapping states.

    Raises:
        FunnelError: see `query_table`; or the mapping cannot be read.
    """
    from funnelsim.history.mapping_file import read_said, stated

    said, file, _ = read_said(mapping) if mapping is not None else ({}, "mapping", None)
    return query_table(address, query or stated(said, file).query)


def _opened(
    path: str | Path | pd.DataFrame | Table, door: Door, query: str | None
) -> tuple[tuple[Table, ...], tuple[Path, ...]]:
    """Return the tables, and the folder in which other files of theirs may lie."""
    if isinstance(path, Table):
        return (path,), ()
    if isinstance(path, pd.DataFrame):
        frame = path.set_axis(range(1, len(path) + 1), axis=0).set_axis(list(map(str, path.columns)), axis=1)
        if frame.empty:
            raise FunnelError("the table: no row")
        return (Table(frame, "the table", "in memory"),), ()
    if is_address(path):
        return (query_table(str(path), query),), ()
    place = Path(path)
    return read_tables(place, door), (place if place.is_dir() else place.parent,)


def _by_mapping(
    found: tuple[Table, ...], said: Said, file: str, folders: tuple[Path, ...], whole: bool
) -> Raw:
    from funnelsim.history.mapped import read_mapped
    from funnelsim.history.mapping_file import stated

    if len(found) > 1:
        listed = ", ".join(table.file for table in found[:8])
        raise FunnelError(
            f"{file}: describes one table, but there are {len(found)} ({listed}); give the one file"
        )
    made = stated(said, file)
    table, gone = without_gone(found[0], tuple(made.where))
    shape = "one row per lead" if made.by_lead else "one row per stage entered"
    words = f"{table.file}, read by its mapping as a table with {shape} ({table.words})"
    raw = read_mapped(table, made, folders, whole=whole)
    return replace(raw, source=words, read=len(found[0].frame), findings=gone + raw.findings)


def _by_source(
    found: tuple[Table, ...], said: Said, file: str, folders: tuple[Path, ...], name: str | None, whole: bool
) -> Raw:
    from funnelsim.history.mapped import read_mapped
    from funnelsim.history.mapping_file import stated

    doors = [without_gone(table, where_of(said)) for table in found]
    recipe = recognised(tuple(table for table, _ in doors), name)
    gone = _told_apart(recipe.table.file, doors)
    said = _with_more_ends(said, recipe)
    columns = {**part_of(recipe.mapping), **part_of(said)}
    raw = read_mapped(
        recipe.table,
        stated({**recipe.mapping, **said, "columns": columns}, file),
        folders,
        recipe.extra,
        whole=whole,
        reopens=recipe.reopens,
    )
    return replace(
        raw,
        source=f"{recipe.table.file}, read as {recipe.words} ({recipe.table.words})",
        limits=recipe.limits + raw.limits,
        findings=gone + recipe.findings + raw.findings,
        read=recipe.read + tally(gone),
    )


def one_way(leads: History, deals: History) -> History:
    """Return the history in which leads go on as the deals that they became.

    A lead whose deal is known takes its name, and its own end (handed over, or won) is no end any more. Of
    several leads that became one deal the first one counts. A lead whose deal is unknown was handed over.
    Both are taken to be known until the later of their as-of dates.

    Args:
        leads: marketing's, with the attribute `deal` (`columns: {deal: ...}` in its mapping).
        deals: those of sales.

    Raises:
        FunnelError: the leads do not say which deals they became, or not one of these deals is known.
    """
    until = max(leads.until, deals.until)
    names, double = _deals_of(leads, deals)
    twice = {name: f"{name} (lead)" for name in leads.stages if name in deals.stages + deals.ends}
    rows = pd.concat([_ways_of(leads, names, double, twice), deals.record])
    rows = rows.sort_values(["lead", "at"], kind="stable")
    lost = tuple(dict.fromkeys(leads.lost + deals.lost))
    kept, undone = apart(rows, undone_wins(rows, () if deals.churns else deals.won, lost))
    earlier = leads.leads.drop(columns="deal").drop(index=double).rename(index=names)
    changes = leads.updates[~leads.updates["lead"].isin(double)].drop(columns="deal", errors="ignore")
    changes = changes.assign(lead=changes["lead"].map(names).fillna(changes["lead"]))
    line = Finding("further leads of one deal", len(double), "", "not used: the way of the first one counts")
    apart_by = () if leads.until == deals.until else (UNTIL_WHEN.format(leads.until, deals.until, until),)
    return replace(
        deals,
        events=kept,
        undone=undone,
        until=until,
        leads=deals.leads.combine_first(earlier).rename_axis("lead"),
        stages=tuple(twice.get(name, name) for name in leads.stages) + deals.stages,
        lost=lost,
        teams=tuple((team, tuple(twice.get(one, one) for one in mine)) for team, mine in leads.teams)
        + deals.teams,
        handed_over=tuple(dict.fromkeys(leads.handed_over + leads.won + deals.handed_over)),
        began=min(leads.began, deals.began),
        source=f"{deals.source}; before them {leads.source}",
        limits=tuple(dict.fromkeys(leads.limits + deals.limits)) + apart_by,
        quality=leads.quality + deals.quality + Quality(findings=(line,) if double else ()),
        updates=pd.concat([changes, deals.updates]).sort_values("at", kind="stable").reset_index(drop=True),
    )


def _deals_of(leads: History, deals: History) -> tuple[dict[str, str], list[str]]:
    """Return the deal that each lead became, and the leads whose deal an earlier lead became already."""
    if "deal" not in leads.leads.columns:
        raise FunnelError("leads: no attribute `deal`; name its column under `columns: {deal: ...}`")
    deal = leads.leads["deal"].fillna("").astype("str").str.partition(";")[0].str.strip()
    deal = deal[deal.isin(deals.leads.index).to_numpy()]
    if deal.empty:
        count = f"0 of {len(leads.leads):,} leads"
        raise FunnelError(
            f"leads: {count} became one of these deals; is `columns: {{deal: ...}}` the right key?"
        )
    first = leads.record.drop_duplicates("lead").set_index("lead")["at"]
    deal = deal.reindex(first.reindex(deal.index).sort_values(kind="stable").index)
    later = deal.duplicated().to_numpy()
    names = {str(lead): str(name) for lead, name in deal[~later].items()}
    return names, list(map(str, deal.index[later]))


def _ways_of(leads: History, names: dict[str, str], double: list[str], twice: dict[str, str]) -> pd.DataFrame:
    """Return the moves of leads under the names of their deals, up to where the deals go on."""
    own = leads.record[~leads.record["lead"].isin(double).to_numpy()]
    goes_on = own["lead"].isin(list(names)) & own["stage"].isin(leads.handed_over + leads.won)
    own = own[~goes_on.to_numpy()]
    return own.assign(lead=own["lead"].map(names).fillna(own["lead"]), stage=own["stage"].replace(twice))


def where_of(said: Said) -> tuple[str, ...]:
    """Return the columns by which a mapping chooses rows."""
    where = said.get("where", {})
    return tuple(map(str, where)) if isinstance(where, dict) else ()


def _told_apart(main: str, doors: list[tuple[Table, tuple[Finding, ...]]]) -> tuple[Finding, ...]:
    """Return what was found at the doors of all tables; only rows of the main one are in the tally."""
    found = [(table.file, finding) for table, findings in doors for finding in findings]
    return tuple(
        finding
        if file == main
        else replace(finding, kind=f"{finding.kind} of {file}", done="not used: gone in the source")
        for file, finding in found
    )


def _with_more_ends(said: Said, recipe: Recipe) -> Said:
    """Return what a mapping says, its ends beside those that the export itself tells (`STATE`)."""
    outcome = recipe.mapping.get("outcome")
    if not (isinstance(outcome, dict) and outcome.get("stage") == STATE):
        return said
    ends = {key: [*_listed(recipe.mapping.get(key)), *_listed(said[key])] for key in ENDS if key in said}
    return {**said, **ends}


def _listed(words: object) -> list[object]:
    return list(words) if isinstance(words, list | tuple) else [] if words is None else [words]


def part_of(said: Said) -> Said:
    """Return what a mapping says of columns."""
    columns = said.get("columns", {})
    return dict(columns) if isinstance(columns, dict) else {}


def recognised(found: tuple[Table, ...], name: str | None = None) -> Recipe:
    """Return how to read these tables: by the source of this name, or the first whose columns are there.

    Raises:
        FunnelError: no such source, or its columns are not there.
    """
    names = [source.name for source in SOURCES]
    if name is not None and name not in names:
        raise FunnelError(f"'{name}' is no source; {nearest(name, names)}")
    for source in SOURCES:
        if name is not None and source.name != name:
            continue
        for table in found:
            if source.fits(small(table)) and (len(found) == 1 or source.name not in ("log", "tidy")):
                recipe = source.read(table, tuple(other for other in found if other is not table))
                return replace(recipe, read=recipe.read + len(table.frame))
    if name is None:
        listed = ", ".join(table.file for table in found[:8])
        raise FunnelError(
            f"none of these is an export that is known ({listed}); give one file, with a mapping"
        )
    listed = ", ".join(map(str, found[0].frame.columns[:12]))
    raise FunnelError(f"{found[0].file}: not a table of the source '{name}'; its columns are {listed[:300]}")

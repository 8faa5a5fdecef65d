"""A table whose columns a mapping names, to the rows of a history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from funnelsim.errors import FunnelError, nearest
from funnelsim.files import shown
from funnelsim.history.assemble import Raw
from funnelsim.history.by_lead import (
    LeadRows,
    Moves,
    Second,
    first_by_cells,
    matches,
    moves_of,
    names_of_events,
    names_of_rows,
    places_by_date,
)
from funnelsim.history.log import ATTRIBUTES, beginning
from funnelsim.history.mapping_file import Mapping
from funnelsim.history.parse import (
    Currencies,
    Mark,
    Paid,
    carries_zone,
    currencies_in,
    currency_code,
    day_first,
    decimal_mark,
    has_local_dates,
    in_one_currency,
    name_and_currency,
    to_amounts,
    to_instants,
    to_moments,
    without_refunds,
)
from funnelsim.history.quality import CellReading, Finding
from funnelsim.history.tables import Door, Table, read_table
from funnelsim.history.vocabulary import (
    GONE_STATES,
    LOST_IF_LAST,
    WON_IF_LAST,
    last_word,
    outcome_of,
    plain,
    says_closed,
    without_gone,
)

# When a row was last changed, in the words of the CRMs: the file cannot be older than that.
STAMPS = frozenset(
    [
        "lastmodifieddate",
        "last_modified_date",
        "last modified date",
        "systemmodstamp",
        "system_modstamp",
        "updated_at",
        "write_date",
        "hs_lastmodifieddate",
        "deal - update time",
        "update time",
        "update_time",
        "modifiedon",
        "modified on",
        "date_modify",
        "(do not modify) modified on",
        "modified time",
        "modified_time",
    ]
)


UTC = "UTC"


@dataclass(frozen=True)
class Sheets:
    """The table, and the second file with one row per lead, with the row that belongs to each lead."""

    main: Table
    extra: Table | None
    mapping: Mapping
    first: bool | None

    def cells(self, name: str, role: str) -> pd.Series:
        """Return a column, from the table or from the second file, one cell per row of the table."""
        if self.extra is None or name in self.main.frame.columns:
            return self._parsed(self.main, name, role)
        if name not in self.extra.frame.columns:
            known = [*map(str, self.main.frame.columns), *map(str, self.extra.frame.columns)]
            files = f"{self.main.file} or {self.extra.file}"
            raise FunnelError(f"{files}: no column '{name}' for '{role}'; {nearest(name, known)}")
        cells = self._parsed(self.extra, name, role)
        key = self.extra.text(str(self.mapping.attributes and self.mapping.attributes.lead), "lead")
        by_lead = pd.Series(cells.to_numpy(), index=key.to_numpy(), dtype=cells.dtype)
        by_lead = by_lead[~by_lead.index.duplicated()]
        lead = self.main.text(self.mapping.columns.lead, "lead")
        return by_lead.reindex(lead).set_axis(lead.index)

    def _parsed(self, table: Table, name: str, role: str) -> pd.Series:
        where = f"{table.file}, column '{name}'"
        if role == "value":
            refunds = self.mapping.refunds is not None
            cells = table.column(name, role)
            # Where no amount has a mark either reading is right, and need not be looked for again.
            decimal = decimal_mark(cells, self.mapping.decimal or "", table.separator).decimal or "point"
            return to_amounts(cells, where, decimal, refunds)
        if role == "sign":
            return currencies_in(table.column(name, role))
        if role in ("at", "expected_close"):
            return to_moments(table.column(name, role), where, self.first, self.mapping.zone or UTC)
        cells = table.text(name, role)
        return cells.replace(self.mapping.replace[name]) if name in self.mapping.replace else cells


def read_mapped(
    table: Table,
    mapping: Mapping,
    folders: tuple[Path, ...] = (),
    extra: Table | None = None,
    *,
    whole: bool = True,
    reopens: bool = False,
) -> Raw:
    """Return the rows of a table whose columns a mapping names.

    Args:
        table: the history, one row per stage entered or, with `dates`, one row per lead.
        mapping: what its columns and stages mean.
        folders: where the attributes file may lie; the first that has it counts.
        extra: the attributes, where they are read already.
        whole: whether a stage or value without a row is suspicious; in a part of a file it is not.
        reopens: for one row per lead: a stage entered after an end opens the lead again.

    Raises:
        FunnelError: a column, stage or file that the mapping names does not exist; says the nearest.
    """
    sheets, gone = _sheets(table, mapping, folders, extra, whole)
    moves, sheets = _places(sheets, reopens)
    matched = _matches(sheets, asked=extra is None, whole=whole)
    rows, currency, money = _in_one_currency(_with_attributes(moves.rows, sheets), sheets)
    rows, other = _only_ours(rows, mapping, table.file, whole)
    paid = _amounts_of_wins(rows, mapping, table.file)
    won, lost = mapping.ends
    return Raw(
        file=table.file,
        rows=paid.rows,
        source=table.file,
        stages=tuple(dict.fromkeys(mapping.ours.values())),
        won=won,
        lost=lost,
        handed_over=mapping.handovers,
        began=None if mapping.began is None else beginning(mapping.began),
        since=None if mapping.since is None else beginning(mapping.since),
        currency=currency,
        limits=_limits(mapping, lost) + moves.limits + paid.limits,
        findings=gone + moves.findings + matched + money + other + paid.findings,
        period_start=mapping.period_start,
        only_first=mapping.visits == "first",
        again=mapping.wins == "each",
        stamped=_stamped(sheets) if mapping.by_lead else None,
        reading=_reading(sheets),
        teams=mapping.owned,
        cash_after=mapping.cash_after,
    )


def _sheets(
    table: Table, mapping: Mapping, folders: tuple[Path, ...], extra: Table | None, whole: bool
) -> tuple[Sheets, tuple[Finding, ...]]:
    """Return the rows to use, the second file, the order of day and month, and the rows set aside."""
    table, other = _where(table, mapping, whole)
    table, gone = _without_gone_states(table, mapping)
    extra = _attributes_file(mapping, folders) if extra is None else extra
    if extra is not None and mapping.attributes is not None:
        extra = first_by_cells(extra, mapping.attributes.lead)
    order = {"day first": True, "month first": False}.get(mapping.date_order or "")
    first = _order(table, extra, mapping) if order is None else order
    return Sheets(table, extra, mapping, first), other + gone


def _places(sheets: Sheets, reopens: bool) -> tuple[Moves, Sheets]:
    """Return the places entered, and the table without copies of its rows."""
    mapping = sheets.mapping
    if not mapping.by_lead:
        if mapping.row == "lead":
            raise FunnelError(
                "mapping: `row: lead` needs a table with one row per lead; give `dates` or `outcome`"
            )
        return Moves(_by_event(sheets), (), ()), sheets
    names = names_of_rows(sheets.main, mapping.columns.lead, mapping.row == "lead")
    sheets = replace(sheets, main=names.table)
    moves = _by_lead(sheets, names.lead, reopens)
    return replace(moves, findings=names.findings + moves.findings), sheets


def _amounts_of_wins(rows: pd.DataFrame, mapping: Mapping, file: str) -> Paid:
    """Return rows whose amounts are known when the mapping says so, and whose refunds are no wins."""
    if "value" not in rows.columns:
        return Paid(rows)
    ends = _ends_among([str(name) for name in rows["stage"].unique()], mapping)
    wins = [name for name, (_, end) in ends.items() if end == "won"]
    if mapping.value_known == "win":
        rows = rows.assign(value=rows["value"].where(rows["stage"].isin(wins)))
    if mapping.margin is not None:
        rows = rows.assign(value=rows["value"] * _margins(rows, mapping.margin, file))
    if mapping.refunds is None:
        return Paid(rows)
    return without_refunds(rows, wins, mapping.refunds == "subtract", file)


def _margins(rows: pd.DataFrame, margin: float | dict[str, float], file: str) -> float | pd.Series:
    """Return what of each row's amount is earned.

    Raises:
        FunnelError: a segment with amounts has no margin, or nothing tells segments apart.
    """
    if not isinstance(margin, dict):
        return margin
    if "segment" not in rows.columns:
        raise FunnelError(f"{file}: margin: is stated by segment; name its column under `columns`")
    shown = rows["segment"].replace("", pd.NA)
    segment = shown.fillna(rows["lead"].map(shown.groupby(rows["lead"]).first()))
    unknown = segment.isna() | ~segment.isin(list(margin))
    wrong = unknown & rows["value"].notna()
    if wrong.any():
        name = segment[wrong].iloc[0]
        said = "no segment" if pd.isna(name) else f"segment '{name}'"
        raise FunnelError(
            f"{file}, row {rows.index[wrong][0]}: {said} has no margin; {nearest(str(name), list(margin))}"
        )
    return segment.map(margin).astype("float64")


def _reading(sheets: Sheets) -> CellReading:
    """Return how moments and amounts were understood."""
    mapping, columns = sheets.mapping, sheets.mapping.columns
    names = [columns.at] if not mapping.by_lead else list(mapping.dates.values())
    names += [mapping.outcome.at] if mapping.outcome is not None and mapping.outcome.at else []
    dates = [_raw_cells(sheets, name) for name in dict.fromkeys(names)]
    carried = any(carries_zone(cells) for cells, _ in dates)
    order = ""
    if sheets.first is not None and any(has_local_dates(cells) for cells, _ in dates):
        order = "day first" if sheets.first else "month first"
    mark = Mark("", "")
    if columns.value is not None:
        cells, separator = _raw_cells(sheets, columns.value)
        mark = decimal_mark(cells, mapping.decimal or "", separator)
    return CellReading(
        zone=(mapping.zone or UTC) if carried else "",
        zone_stated=mapping.zone is not None,
        decimal=mark.decimal,
        doubt=mark.doubt,
        date_order=order,
    )


def _raw_cells(sheets: Sheets, name: str) -> tuple[pd.Series, str]:
    """Return a column as it stands in the file that has it, and the sign between the cells of that file."""
    table = sheets.main
    if name not in table.frame.columns and sheets.extra is not None:
        table = sheets.extra
    return table.frame[name], table.separator


def _where(table: Table, mapping: Mapping, whole: bool) -> tuple[Table, tuple[Finding, ...]]:
    frame, findings = table.frame, []
    for name, wanted in mapping.where.items():
        allowed = [str(value) for value in (wanted if isinstance(wanted, list) else [wanted])]
        cells = replace(table, frame=frame).text(name, "where")
        for value in allowed:
            if whole and not (cells == value).any():
                near = nearest(value, sorted(cells.unique())[:1000])
                raise FunnelError(
                    f"{table.file}: no row has {shown(value)} in column '{name}' (where); {near}"
                )
        other = ~cells.isin(allowed)
        if other.any():
            example = f"row {cells.index[other][0]}: '{cells[other].iloc[0][:40]}'"
            kind = f"rows with another {name}"
            findings.append(Finding(kind, int(other.sum()), example, "set aside: the mapping says `where`"))
        frame = frame[~other.to_numpy()]
    return replace(table, frame=frame), tuple(findings)


def _without_gone_states(table: Table, mapping: Mapping) -> tuple[Table, tuple[Finding, ...]]:
    """Return a table with one row per lead without the rows whose state is called deleted or archived."""
    if mapping.outcome is None or mapping.outcome.stage not in table.frame.columns:
        return table, ()
    state = table.text(mapping.outcome.stage)
    known = _ends_among([str(name) for name in state.unique()], mapping)
    gone = state.map(plain).isin(GONE_STATES) & ~state.isin(list(known))
    if not gone.any():
        return table, ()
    example = f"row {state.index[gone][0]}: '{state[gone].iloc[0][:40]}'"
    finding = Finding("deleted rows", int(gone.sum()), example, "set aside: gone in the source")
    return replace(table, frame=table.frame[~gone.to_numpy()]), (finding,)


def _attributes_file(mapping: Mapping, folders: tuple[Path, ...]) -> Table | None:
    if mapping.attributes is None:
        return None
    path = beside(mapping.attributes.file, "attributes.file", folders)
    return without_gone(read_table(path, Door(mapping.encoding)))[0]


def beside(name: str, key: str, folders: tuple[Path, ...]) -> Path:
    """Return the file of this name in the first of some folders that has it.

    Args:
        name: the file's name, as a mapping says it.
        key: the key of the mapping, for sentences.
        folders: where it may lie.

    Raises:
        FunnelError: it lies outside the folders, or in none of them.
    """
    for folder in folders:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise FunnelError(f"{key}: {shown(name)} lies outside the folder of the mapping and the history")
        if path.exists():
            return path
    looked = " or ".join(sorted({f"'{folder}'" for folder in folders})) or "any folder"
    raise FunnelError(f"{key}: there is no {shown(name)} in {looked}")


def _order(table: Table, extra: Table | None, mapping: Mapping) -> bool | None:
    """Return whether the day comes first, told by all date columns of both files together."""
    columns = mapping.columns
    names = [columns.at, columns.expected_close, *mapping.dates.values()]
    names.append(mapping.outcome.at if mapping.outcome else None)
    for sheet in (table, extra):
        for name in names:
            if (
                sheet is not None
                and name in sheet.frame.columns
                and sheet.frame[name].dtype.kind not in "Miuf"
            ):
                told = day_first(sheet.text(str(name)), f"{sheet.file}, column '{name}'")
                if told is not None:
                    return told
    return None


def _by_event(sheets: Sheets) -> pd.DataFrame:
    columns = sheets.mapping.columns
    lead = names_of_events(sheets.main, columns.lead).replace(sheets.mapping.replace.get(columns.lead, {}))
    at = sheets.cells(columns.at, "at")
    rows = pd.DataFrame({"lead": lead, "stage": sheets.cells(columns.stage, "stage"), "at": at})
    cells, _ = _raw_cells(sheets, columns.at)
    zone = sheets.mapping.zone or UTC
    if zone != UTC and carries_zone(cells) and cells.index.equals(at.index):
        rows["instant"] = to_instants(cells, at, zone)
    return rows


def _matches(sheets: Sheets, asked: bool, whole: bool) -> tuple[Finding, ...]:
    """Return how the table and the attributes file belong together."""
    extra, attributes = sheets.extra, sheets.mapping.attributes
    if extra is None or attributes is None or not whole:
        return ()
    named = [getattr(sheets.mapping.columns, role) for role in (*ATTRIBUTES, "currency")]
    named += sheets.mapping.dates.values()
    used = [name for name in named if name in extra.frame.columns and name not in sheets.main.frame.columns]
    lead = sheets.main.text(sheets.mapping.columns.lead, "lead")
    return matches(sheets.main, lead, Second(extra, attributes.lead, used, asked))


def _by_lead(sheets: Sheets, lead: pd.Series, reopens: bool) -> Moves:
    """Return what the rows of a table with one row per lead say: places by their dates, ends by the state."""
    mapping, table = sheets.mapping, sheets.main
    dates = {place: sheets.cells(name, "at") for place, name in mapping.dates.items()}
    state: pd.Series | None = None
    closed: pd.Series | None = None
    findings: tuple[Finding, ...] = ()
    names = list(dates)
    if mapping.outcome is not None:
        state = sheets.cells(mapping.outcome.stage, "stage")
        names += [str(name) for name in state.value_counts().index if name]
    ends = _ends_among(names, mapping)
    if state is not None and mapping.outcome is not None:
        _ask_for_ends(state, ends, mapping.outcome.stage, table.file)
        findings = _unknown_ends(state, ends)
        state = state.map({name: place for name, (place, _) in ends.items()}).fillna("").astype("str")
        closed = None if mapping.outcome.at is None else sheets.cells(mapping.outcome.at, "at")
    stages = {place: at for place, at in dates.items() if place not in ends}
    moves = moves_of(
        LeadRows(
            lead=lead,
            stages=places_by_date(lead, stages),
            ended={ends[place][0]: at for place, at in dates.items() if place in ends},
            state=state,
            closed=closed,
            kinds=dict(ends.values()),
            reopens=reopens,
            typed=not reopens,
        )
    )
    return replace(moves, findings=moves.findings + findings)


def _stamped(sheets: Sheets) -> pd.Timestamp | None:
    """Return the latest moment that the source itself stamped on any row; None where it stamps none."""
    table = sheets.main
    latest = []
    for name in map(str, table.frame.columns):
        if name.strip().casefold() in STAMPS:
            try:
                moments = to_moments(table.frame[name], table.file, sheets.first, sheets.mapping.zone or UTC)
            except FunnelError:  # a column that nobody reads may hold anything
                continue
            latest.append(moments.max())
    return max((moment for moment in latest if pd.notna(moment)), default=None)


def _ends_among(names: list[str], mapping: Mapping) -> dict[str, tuple[str, str]]:
    """Return those of the file's names that are ends: name -> the end as stated, "won" or "lost".

    What a mapping states decides; where it is silent about wins, or about losses, the words themselves do.
    """
    stated: dict[str, tuple[str, str]] = {}
    for end, group in zip(("won", "lost", "handed over"), (*mapping.ends, mapping.handovers), strict=True):
        theirs = [name for name, ours in mapping.ours.items() if ours in group]
        stated |= {plain(name) or name: (name, end) for name in (*group, *theirs)}
    silent = [end for end, group in zip(("won", "lost"), mapping.ends, strict=True) if not group]
    known = {name: stated[plain(name) or name] for name in names if (plain(name) or name) in stated}
    rest = [name for name in names if name not in known and plain(name) not in GONE_STATES]
    known |= {name: (name, outcome_of(name)) for name in rest if outcome_of(name) in silent}
    for end, words in (("won", WON_IF_LAST), ("lost", LOST_IF_LAST)):
        if end in silent and end not in {kind for _, kind in known.values()}:
            known |= {name: (name, end) for name in rest if name not in known and last_word(name) in words}
    usual: dict[str, str] = {}
    for place, _ in known.values():
        usual.setdefault(plain(place) or place, place)
    return {name: (usual[plain(place) or place], end) for name, (place, end) in known.items()}


def _ask_for_ends(state: pd.Series, ends: dict[str, tuple[str, str]], column: str, file: str) -> None:
    """Refuse a column of states of which no word is known as an end."""
    if ends or (state == "").all():
        return
    words = ", ".join(f"'{str(name)[:40]}'" for name in state[state != ""].value_counts().index[:8])
    raise FunnelError(
        f"{file}, column '{column}': `outcome` needs the names of the ends, and no word of it is one "
        f"({words}); give `won` and `lost` in a mapping"
    )


def _unknown_ends(state: pd.Series, ends: dict[str, tuple[str, str]]) -> tuple[Finding, ...]:
    """Return the states that sound like an end and are not stated as one."""
    odd = state[~state.isin(list(ends)) & (state != "")]
    odd = odd[odd.map(says_closed).astype(bool).to_numpy()]
    if odd.empty:
        return ()
    listed = ", ".join(f"'{str(name)[:40]}' ({rows:,})" for name, rows in odd.value_counts()[:4].items())
    done = "kept open: if they are ends, write all names of the ends under `won` and `lost` into the mapping"
    return (Finding("leads whose state sounds like an end", len(odd), listed, done),)


def _with_attributes(rows: pd.DataFrame, sheets: Sheets) -> pd.DataFrame:
    columns = sheets.mapping.columns
    for role in (*ATTRIBUTES, "deal"):
        name = getattr(columns, role)
        if name is not None:
            rows[role] = _aligned(sheets.cells(name, role), rows)
    if columns.turn is not None:
        ids = _aligned(sheets.cells(columns.turn, "turn"), rows).astype(str)
        order = pd.DataFrame({"length": ids.str.len(), "id": ids})
        rows["turn"] = order.groupby(["length", "id"]).ngroup()  # 9 before 10, and 08A before 08B
    return rows


def _only_ours(
    rows: pd.DataFrame, mapping: Mapping, file: str, whole: bool
) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Return the rows of the stages that the mapping names, under our names."""
    there = set(map(str, rows["stage"].unique()))
    won, lost = mapping.ends
    stated = mapping.ours or {name: name for name in won + lost + mapping.handovers}
    findings: tuple[Finding, ...] = ()
    for name in stated:
        if whole and name not in there:
            hint = nearest(name, sorted(there - set(stated)))
            if hint.startswith("did you mean"):
                raise FunnelError(f"{file}: no row has the stage {shown(name)} of the mapping; {hint}")
            findings += (
                Finding("stages of the mapping without a row", 1, f"'{name}'", "kept in the funnel"),
            )
    if not mapping.ours:
        return rows, findings
    other = ~rows["stage"].isin(list(stated)) & (rows["stage"] != "")
    if other.any():
        names = rows.loc[other.to_numpy(), "stage"].value_counts()
        most = f"'{str(names.index[0])[:40]}' ({names.iloc[0]:,} rows), {len(names)} such stages"
        findings += (Finding("other stages", int(other.sum()), most, "set aside: not in the mapping"),)
    rows = rows[~other.to_numpy()]
    renamed = rows["stage"].map(lambda name: stated.get(name, name)).astype("str")
    return rows.assign(stage=renamed), findings


def _in_one_currency(rows: pd.DataFrame, sheets: Sheets) -> tuple[pd.DataFrame, str, tuple[Finding, ...]]:
    """Return rows with their amounts in one currency, its name, and what was found."""
    mapping, columns = sheets.mapping, sheets.mapping.columns
    blank = pd.Series("", sheets.main.frame.index, dtype="str")
    named = blank if columns.currency is None else sheets.cells(columns.currency, "currency")
    signs = blank if columns.value is None else sheets.cells(columns.value, "sign")
    where = sheets.main.file if columns.value is None else f"{sheets.main.file}, column '{columns.value}'"
    signs = signs.fillna("")
    headed = name_and_currency(columns.value or "")[1]
    told = Currencies(
        where=where,
        column=columns.currency or "",
        named=_aligned(_codes(named.fillna("")), rows),
        signs=_aligned(signs.mask(signs == "", headed), rows),
        stated=(mapping.currency or "").upper(),
        rates={code.upper(): rate for code, rate in mapping.rates.items()},
    )
    value = rows["value"] if "value" in rows.columns else pd.Series(np.nan, rows.index)
    money = in_one_currency(value, told)
    if "value" in rows.columns:
        rows = rows.assign(value=money.value)
    return rows, money.currency, money.findings


def _codes(named: pd.Series) -> pd.Series:
    """Return the code of each currency's name; each name is looked up once."""
    place, names = pd.factorize(named)
    codes = np.array([currency_code(str(name)) for name in names], dtype=object)
    return pd.Series(codes[place], named.index, dtype="str")


def _aligned(cells: pd.Series, rows: pd.DataFrame) -> pd.Series:
    """Return the cell of the table's row that each row comes from."""
    return cells if cells.index.equals(rows.index) else cells.reindex(rows.index)


def _margin_words(margin: float | dict[str, float]) -> str:
    if not isinstance(margin, dict):
        return f"{margin:.4g}"
    return ", ".join(f"{share:.4g} ({name})" for name, share in margin.items())


def _limits(mapping: Mapping, lost: tuple[str, ...]) -> tuple[str, ...]:
    said = []
    if mapping.by_lead:
        said.append("One date per place: a stage that was entered again shows one of its dates only.")
        if not lost and mapping.outcome is None and "lost" not in map(outcome_of, mapping.dates):
            said.append("No lost dates: leads that gave up look open, and their chance fades with age.")
    if mapping.columns.value and mapping.value_known == "win":
        said.append("Amounts are known only of won leads: open ones are worth what comparable wins were.")
    if mapping.columns.value and mapping.margin is not None:
        said.append(f"Amounts are margins: {_margin_words(mapping.margin)} of those in the file.")
    if mapping.columns.value and mapping.value_known != "win" and (mapping.by_lead or mapping.attributes):
        said.append("Amounts are those shown now, not as they were known on earlier dates.")
    return tuple(said)

"""The mapping file: which columns and stages of a company's own table mean what."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked

from funnelsim.errors import FunnelError, nearest
from funnelsim.files import read_yaml, shown, validated
from funnelsim.history.assemble import LOST, Raw, plain
from funnelsim.history.log import ATTRIBUTES, beginning
from funnelsim.history.parse import currency_of, day_first, to_amounts, to_moments
from funnelsim.history.quality import Finding, found
from funnelsim.history.tables import Table, read_table

STRICT = ConfigDict(extra="forbid")
Word = str | int | float | bool


@checked(frozen=True, config=STRICT)
class Columns:
    """Which column of the table (or of the attributes file) holds what."""

    lead: str = "lead"
    stage: str = "stage"
    at: str = "at"
    channel: str | None = None
    segment: str | None = None
    owner: str | None = None
    value: str | None = None
    currency: str | None = None
    expected_close: str | None = None


@checked(frozen=True, config=STRICT)
class Attributes:
    """A second file with one row per lead, and its column that names the lead."""

    file: str
    lead: str


@checked(frozen=True, config=STRICT)
class Outcome:
    """For a table with one row per lead: the columns that name the place it is in and the date of its end."""

    stage: str
    at: str


@checked(frozen=True, config=STRICT)
class Mapping:
    """What a mapping file says; every key but `columns` may be left out.

    Args:
        columns: our words -> the table's columns.
        stages: the file's names -> ours, in order (others are set aside and counted), or a list of names.
        won, lost: names of the ends, ours or the file's.
        where: column -> the value, or values, of the rows to use.
        attributes: a second file, one row per lead.
        dates: for a table with one row per lead: place -> the column with the date of entering it.
        outcome: for such a table: where the place is told by one column and its date by another.
        replace: column -> {cell as it stands: cell as it should be}.
        visits: "all", or "first" when only a lead's first visit to each place counts.
        wins: "first", or "each" when every row of a won place is a win of its own: instalments, renewals,
            repeat purchases.
        value_known: "always", or "win" when the amount was filled in only at the win.
        began: the day on which recording began, when that is later than the first event.
        since: leads that came before this day are set aside, when their record is not like that of others.
        date_order: "day first" or "month first", for dates like 03/04/2026.
        decimal: "comma" or "point".
        zone: the time zone for moments that carry one.
        currency: three letters.
        period_start: first month of the fiscal year.
        encoding, sheet, query: how to open the file or data base.
    """

    columns: Columns = field(default_factory=Columns)
    stages: dict[str, str] | list[str] | None = None
    won: list[str] | str = field(default_factory=list)
    lost: list[str] | str = field(default_factory=list)
    where: dict[str, Word | list[Word]] = field(default_factory=dict)
    attributes: Attributes | None = None
    dates: dict[str, str] = field(default_factory=dict)
    outcome: Outcome | None = None
    replace: dict[str, dict[str, str]] = field(default_factory=dict)
    visits: Literal["all", "first"] = "all"
    wins: Literal["first", "each"] = "first"
    value_known: Literal["always", "win"] = "always"
    began: str | None = None
    since: str | None = None
    date_order: Literal["day first", "month first"] | None = None
    decimal: Literal["comma", "point"] | None = None
    zone: str = "UTC"
    currency: str | None = None
    period_start: int = Field(default=1, ge=1, le=12)
    encoding: str | None = None
    sheet: str | None = None
    query: str | None = None

    @property
    def ends(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Won and lost, as our names."""
        ours = dict(self.stages) if isinstance(self.stages, dict) else {}
        won, lost = ((end,) if isinstance(end, str) else tuple(end) for end in (self.won, self.lost))
        return (
            tuple(dict.fromkeys(ours.get(name, name) for name in won)),
            tuple(dict.fromkeys(ours.get(name, name) for name in lost)),
        )

    @property
    def ours(self) -> dict[str, str]:
        """The file's name of every place that counts -> our name; empty when all places count."""
        if self.stages is None:
            return {}
        named = dict(self.stages) if isinstance(self.stages, dict) else {name: name for name in self.stages}
        won, lost = self.ends
        return named | {name: name for name in won + lost if name not in named.values()}


def read_said(
    mapping: str | Path | Dictionary[str, object],
) -> tuple[dict[str, object], str, Path | None]:
    """Return what a mapping file says, its name, and its folder (None when it is given as a dictionary).

    Raises:
        FunnelError: unreadable, or not a list of keys.
    """
    if isinstance(mapping, Dictionary):
        return dict(mapping), "mapping", None
    content = read_yaml(mapping)
    if not isinstance(content, dict):
        raise FunnelError(f"{mapping}: expected keys such as `columns` and `stages`, not a list or a word")
    return content, str(mapping), Path(mapping).parent


def stated(said: dict[str, object], file: str) -> Mapping:
    """Return the mapping that a file's content makes.

    Raises:
        FunnelError: an unknown key, a wrong value, or a place both won and lost; names the key.
    """
    made = validated(Mapping, said, file)
    won, lost = made.ends
    both = set(won) & set(lost)
    if both:
        raise FunnelError(f"{file}: '{min(both)}' is named under both `won` and `lost`")
    if made.wins == "each" and not won:
        raise FunnelError(f"{file}: `wins: each` needs the names of the won places; give `won`")
    return made


TEXTS = ("channel", "segment", "owner", "currency")


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
            return to_amounts(table.column(name, role), where, self.mapping.decimal or "")
        if role in ("at", "expected_close"):
            return to_moments(table.column(name, role), where, self.first, self.mapping.zone)
        cells = table.text(name, role)
        return cells.replace(self.mapping.replace[name]) if name in self.mapping.replace else cells


def read_mapped(
    table: Table,
    mapping: Mapping,
    folders: tuple[Path, ...] = (),
    extra: Table | None = None,
    *,
    whole: bool = True,
) -> Raw:
    """Return the rows of a table whose columns a mapping names.

    Args:
        table: the history, one row per stage entered or, with `dates`, one row per lead.
        mapping: what its columns and stages mean.
        folders: where the attributes file may lie; the first that has it counts.
        extra: the attributes, where they are read already.
        whole: whether a stage or value without a row is suspicious; in a part of a file it is not.

    Raises:
        FunnelError: a column, stage or file that the mapping names does not exist; says the nearest.
    """
    table, findings = _where(table, mapping, whole)
    extra = _attributes_file(mapping, folders) if extra is None else extra
    order = {"day first": True, "month first": False}.get(mapping.date_order or "")
    sheets = Sheets(table, extra, mapping, _order(table, extra, mapping) if order is None else order)
    if mapping.dates or mapping.outcome:
        rows, odd = _by_lead(sheets)
        findings += odd
    else:
        rows = _by_event(sheets)
    rows = _with_attributes(rows, sheets)
    won, lost = mapping.ends
    rows, more = _only_ours(rows, mapping, table.file, whole)
    if mapping.value_known == "win" and "value" in rows.columns:
        rows["value"] = rows["value"].where(rows["stage"].isin(won))
    return Raw(
        file=table.file,
        rows=rows,
        source=table.file,
        stages=tuple(dict.fromkeys(mapping.ours.values())),
        won=won,
        lost=lost,
        began=None if mapping.began is None else beginning(mapping.began),
        since=None if mapping.since is None else beginning(mapping.since),
        currency=mapping.currency or _currency(sheets),
        limits=_limits(mapping, lost),
        findings=findings + more,
        period_start=mapping.period_start,
        only_first=mapping.visits == "first",
        again=mapping.wins == "each",
    )


def _where(table: Table, mapping: Mapping, whole: bool) -> tuple[Table, tuple[Finding, ...]]:
    frame, findings = table.frame, []
    for name, wanted in mapping.where.items():
        allowed = [str(value) for value in (wanted if isinstance(wanted, list) else [wanted])]
        cells = Table(frame, table.file, "").text(name, "where")
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
    return Table(frame, table.file, table.words), tuple(findings)


def _attributes_file(mapping: Mapping, folders: tuple[Path, ...]) -> Table | None:
    if mapping.attributes is None:
        return None
    name = mapping.attributes.file
    for folder in folders:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise FunnelError(
                f"attributes.file: {shown(name)} lies outside the folder of the mapping and the history"
            )
        if path.exists():
            return read_table(path, mapping.encoding)
    looked = " or ".join(sorted({f"'{folder}'" for folder in folders})) or "any folder"
    raise FunnelError(f"attributes.file: there is no {shown(name)} in {looked}")


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
    stated = (("lead", columns.lead), ("stage", columns.stage), ("at", columns.at))
    return pd.DataFrame({role: sheets.cells(name, role) for role, name in stated})


def _by_lead(sheets: Sheets) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Return one row for each date that a lead has; a lead without any date has one row without."""
    mapping = sheets.mapping
    lead = sheets.main.text(mapping.columns.lead, "lead")
    rows = pd.DataFrame({"lead": lead, "stage": "", "at": pd.Series(pd.NaT, lead.index, "datetime64[us]")})
    parts = [rows.assign(stage=place, at=sheets.cells(name, "at")) for place, name in mapping.dates.items()]
    parts = [part[part["at"].notna().to_numpy()] for part in parts]
    findings: tuple[Finding, ...] = ()
    if mapping.outcome is not None:
        part = rows.assign(
            stage=sheets.cells(mapping.outcome.stage, "stage"), at=sheets.cells(mapping.outcome.at, "at")
        )
        ended = part["stage"].isin(_names_of_ends(mapping)).to_numpy()
        odd = part[~ended & part["at"].notna().to_numpy()]
        findings = found(
            "rows with an end date but no end", odd, "set aside: the date only, the lead is open"
        )
        parts.append(part[ended])
    dated = pd.concat([rows.iloc[:0], *parts])
    undated = rows[~rows.index.isin(dated.index)].assign(stage=next(iter(mapping.dates), "no stage"))
    return pd.concat([dated, undated]), findings


def _names_of_ends(mapping: Mapping) -> set[str]:
    """Return the names of won and lost, ours and the file's."""
    ends = {place for group in mapping.ends for place in group}
    if not ends:
        raise FunnelError("mapping: `outcome` needs the names of the ends; give `won` and `lost`")
    return ends | {name for name, ours in mapping.ours.items() if ours in ends}


def _with_attributes(rows: pd.DataFrame, sheets: Sheets) -> pd.DataFrame:
    columns = sheets.mapping.columns
    for role in ATTRIBUTES:
        name = getattr(columns, role)
        if name is not None:
            rows[role] = sheets.cells(name, role).reindex(rows.index)
    return rows


def _only_ours(
    rows: pd.DataFrame, mapping: Mapping, file: str, whole: bool
) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Return the rows of the stages that the mapping names, under our names."""
    there = set(map(str, rows["stage"].unique()))
    won, lost = mapping.ends
    stated = mapping.ours or {name: name for name in won + lost}
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


def _currency(sheets: Sheets) -> str:
    columns = sheets.mapping.columns
    if columns.currency is not None:
        names = [str(name) for name in sheets.cells(columns.currency, "currency").dropna().unique() if name]
        if len(names) > 1:
            raise FunnelError(
                f"{sheets.main.file}, column '{columns.currency}': amounts in {', '.join(names[:6])} cannot "
                f"be added up; convert them, or choose with `where: {{{columns.currency}: {names[0]}}}`"
            )
        return names[0].upper() if names else ""
    for sheet in (sheets.main, sheets.extra):
        if sheet is not None and columns.value in sheet.frame.columns:
            return currency_of(sheet.frame[columns.value])
    return ""


def _limits(mapping: Mapping, lost: tuple[str, ...]) -> tuple[str, ...]:
    said = []
    if mapping.dates or mapping.outcome:
        said.append("One date per place: a stage that was entered again shows one of its dates only.")
        if not lost and not any(plain(name) in LOST for name in mapping.dates):
            said.append("No lost dates: leads that gave up look open, and their chance fades with age.")
    if mapping.columns.value and mapping.value_known == "win":
        said.append("Amounts are known only of won leads: open ones are worth what comparable wins were.")
    elif mapping.columns.value and (mapping.dates or mapping.outcome or mapping.attributes):
        said.append("Amounts are those shown now, not as they were known on earlier dates.")
    return tuple(said)

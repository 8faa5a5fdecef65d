"""The mapping file: which columns and stages of a company's own table mean what."""

from __future__ import annotations

import math
from collections.abc import Mapping as Dictionary
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked

from funnelsim.errors import FunnelError
from funnelsim.files import read_yaml, validated

STRICT = ConfigDict(extra="forbid", defer_build=True)  # checks are built when a mapping is first read
Word = str | int | float | bool
Share = Annotated[float, Field(gt=0, le=1)]


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
    deal: str | None = None
    turn: str | None = None


@checked(frozen=True, config=STRICT)
class Before:
    """The leads that came before these deals: their file, and its own mapping (a file, or the keys).

    That mapping names under `columns: {deal: ...}` the column with the deal that a lead became.
    """

    file: str
    mapping: str | dict[str, Any]


@checked(frozen=True, config=STRICT)
class Attributes:
    """A second file with one row per lead, and its column that names the lead."""

    file: str
    lead: str


@checked(frozen=True, config=STRICT)
class Outcome:
    """For a table with one row per lead: the columns that name the place it is in and the date of its end."""

    stage: str
    at: str | None = None


@checked(frozen=True, config=STRICT)
class Mapping:
    """What a mapping file says; every key but `columns` may be left out.

    Args:
        columns: our words -> the table's columns.
        stages: the file's names -> ours, in order (others are set aside and counted), or a list of names.
        won, lost: names of the ends, ours or the file's.
        handed_over: names of ends at which others take the lead on, such as sales: no win, no loss.
        where: column -> the value, or values, of the rows to use.
        attributes: a second file, one row per lead.
        before: a file of leads that became these deals; leads and deals are joined into one way.
        dates: for a table with one row per lead: place -> the column with the date of entering it.
        outcome: for such a table: where the place is told by one column and its date by another.
        row: "lead" where each row of such a table is a lead of its own, whatever its name.
        replace: column -> {cell as it stands: cell as it should be}.
        visits: "all", or "first" when only a lead's first visit to each place counts.
        wins: "first", or "each" when every row of a won place is a win of its own: instalments, renewals,
            repeat purchases.
        value_known: "always", or "win" when the amount was filled in only at the win.
        began: the day on which recording began, when that is later than the first event.
        since: leads that came before this day are set aside, when their record is not like that of others.
        date_order: "day first" or "month first", for dates like 03/04/2026.
        decimal: "comma" or "point".
        zone: the time zone in which moments that carry one are shown; UTC when not given.
        currency: three letters, "" where none is stated.
        rates: currency -> its worth in that currency, where the amounts are in several.
        margin: what of an amount is earned, 0 to 1: for all, or segment -> its own; amounts are margins then.
        cash_after: days between a win and its money; revenue is then of the day on which the money comes.
        teams: team -> the stages that it owns: marketing these, sales those.
        refunds: "subtract" or "set aside", for negative amounts of wins.
        period_start: first month of the fiscal year.
        encoding, sheet, query: how to open the file or data base.
        header: the number of the row with the names of the columns, where it is not found.
    """

    columns: Columns = field(default_factory=Columns)
    stages: dict[str, str] | list[str] | None = None
    won: list[str] | str = field(default_factory=list)
    lost: list[str] | str = field(default_factory=list)
    handed_over: list[str] | str = field(default_factory=list)
    where: dict[str, Word | list[Word]] = field(default_factory=dict)
    attributes: Attributes | None = None
    before: Before | None = None
    dates: dict[str, str] = field(default_factory=dict)
    outcome: Outcome | None = None
    row: Literal["lead"] | None = None
    replace: dict[str, dict[str, str]] = field(default_factory=dict)
    visits: Literal["all", "first"] = "all"
    wins: Literal["first", "each"] = "first"
    value_known: Literal["always", "win"] = "always"
    began: str | None = None
    since: str | None = None
    date_order: Literal["day first", "month first"] | None = None
    decimal: Literal["comma", "point"] | None = None
    zone: str | None = None
    currency: str | None = None
    rates: dict[str, float] = field(default_factory=dict)
    margin: Share | dict[str, Share] | None = None
    cash_after: Annotated[float, Field(ge=0, le=3650)] = 0.0
    teams: dict[str, list[str] | str] = field(default_factory=dict)
    refunds: Literal["subtract", "set aside"] | None = None
    period_start: int = Field(default=1, ge=1, le=12)
    encoding: str | None = None
    sheet: str | None = None
    header: Annotated[int, Field(ge=1)] | None = None
    query: str | None = None

    @property
    def ends(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Won and lost, as our names."""
        return self._ours_of(self.won), self._ours_of(self.lost)

    @property
    def handovers(self) -> tuple[str, ...]:
        """The ends at which others take the lead on, as our names."""
        return self._ours_of(self.handed_over)

    @property
    def owned(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Each team and its stages, as our names."""
        return tuple((team, self._ours_of(stages)) for team, stages in self.teams.items())

    def _ours_of(self, names: list[str] | str) -> tuple[str, ...]:
        ours = dict(self.stages) if isinstance(self.stages, dict) else {}
        every = (names,) if isinstance(names, str) else names
        return tuple(dict.fromkeys(ours.get(name, name) for name in every))

    @property
    def by_lead(self) -> bool:
        """Whether the table has one row per lead."""
        return bool(self.dates) or self.outcome is not None

    @property
    def ours(self) -> dict[str, str]:
        """The file's name of every place that counts -> our name; empty when all places count."""
        if self.stages is None:
            return {}
        named = dict(self.stages) if isinstance(self.stages, dict) else {name: name for name in self.stages}
        won, lost = self.ends
        ends = won + lost + self.handovers
        return named | {name: name for name in ends if name not in named.values()}


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


def files_named(mapping: str | Path, history: str | Path) -> list[Path]:
    """Return the files that a mapping file says to read beside the history, where they may lie.

    Args:
        mapping: the mapping file.
        history: what it maps; files are looked for beside both.

    Raises:
        FunnelError: the mapping file cannot be read.
    """
    said, _, _ = read_said(mapping)
    parts = {key: said[key] for key in ("attributes", "before") if isinstance(said.get(key), dict)}
    names = [part.get(key) for part in parts.values() for key in ("file", "mapping")]  # type: ignore[attr-defined]
    folders = (Path(mapping).parent, Path(history).parent)
    return [folder / name for name in names if isinstance(name, str) for folder in folders]


def stated(said: dict[str, object], file: str) -> Mapping:
    """Return the mapping that a file's content makes.

    Raises:
        FunnelError: an unknown key, a wrong value, or a place both won and lost; names the key.
    """
    made = validated(Mapping, said, file)
    won, lost = made.ends
    groups = {"won": set(won), "lost": set(lost), "handed_over": set(made.handovers)}
    for one, other in (("won", "lost"), ("won", "handed_over"), ("lost", "handed_over")):
        if groups[one] & groups[other]:
            both = min(groups[one] & groups[other])
            raise FunnelError(f"{file}: '{both}' is named under both `{one}` and `{other}`")
    if made.rates and not made.currency:
        raise FunnelError(f"{file}: `rates` needs the currency they lead to, such as `currency: EUR`")
    for code, rate in made.rates.items():
        if not 0 < rate < math.inf:
            raise FunnelError(f"{file}: rates: {code}: {rate} given, expected more than 0")
    owner: dict[str, str] = {}
    for team, stages in made.owned:
        for stage in stages:
            if stage in owner:
                raise FunnelError(f"{file}: teams: '{stage}' is owned by both '{owner[stage]}' and '{team}'")
            owner[stage] = team
    if made.cash_after and made.wins == "each":
        raise FunnelError(f"{file}: `cash_after` goes with one win a lead; rows of `wins: each` are payments")
    if made.wins == "each" and not won:
        raise FunnelError(f"{file}: `wins: each` needs the names of the won places; give `won`")
    return made

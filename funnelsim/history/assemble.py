"""Rows as a source tells them to a History: checked, put in order, every row accounted for."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.arrays import Flags
from funnelsim.errors import FunnelError, nearest
from funnelsim.history.log import (
    ATTRIBUTES,
    DAY,
    History,
    apart,
    as_of_moment,
    goes_on_after,
    open_leads,
    undone_wins,
    with_quality,
)
from funnelsim.history.quality import (
    NOTHING_READ,
    CellReading,
    Finding,
    Quality,
    example,
    found,
    grain_of,
    most_first,
    move_findings,
    spread,
    tally,
)
from funnelsim.history.vocabulary import guess_ends, lookalikes, outcome_of, plain, sounds_last

COPIES = "kept: each is a win of its own; if the file repeats its rows, take them out"
UNDONE = "the lead was lost later, so it is no revenue; if that is the churn of a customer, say `wins: each`"
MOST_PLACES = 200
MOST_CELLS = 20_000_000
PERSONAL = r"^(?:[^@\s]+@[^@\s]+\.[^@\s]+|\+[\d\s()/-]{7,})$"
DIGITS = 16
NAMED = re.compile(r": lead '.*", re.DOTALL)  # as `example` writes it
Moments = NDArray[np.datetime64]
LONGEST_SILENCE = 36_525  # days: a date a century after the last event is a typing error
# A pause that no business makes between one event and the next.
FAR = np.timedelta64(180, "D")
# Among dates typed by hand a pause of a month is suspicious where it is twice as long as any before it, where
# there are days enough to know the usual pauses, and where few dates lie behind it. Chosen so that a table of
# leads of a few weeks, followed until they closed, keeps all its dates; a wrong guess moves no state.
QUIET = 30
YEARS = 730  # however few the days: half of the dates come before such a pause, and no deal rests so long
TWICE = 2
MANY_DAYS = 20
FEW = 0.2
FEWEST = 3
NO_TIMES = (
    "Dates have no time of day: moves on one day are taken in the order in which leads usually pass the "
    "stages, and waits are whole days."
)
UNPAID = "Awaiting payment"  # the stage of a win whose money has not come
FUTURE = "kept: at the as-of date, as the row says that the lead is closed"


@dataclass(frozen=True)
class Raw:
    """What a reader understood of a file.

    Args:
        file: its name, for sentences.
        rows: columns lead, stage (text, "" where blank), at (moments, NaT where blank), and any of
            the attributes as that row shows them, and turn where the source knows which of several rows of
            one moment came first; the index is the row number in the file.
        source: how the file was understood, in words.
        stages: their order; () to find it from the moves.
        won, lost: names of the ends; () for both to guess them.
        handed_over: names of ends at which others take the lead on.
        began: when recording began; None for the first event.
        currency: three letters, "" where unknown.
        limits: what the source cannot tell, each in one sentence.
        findings: rows that the reader has set aside already.
        period_start: first month of the fiscal year.
        only_first: only a lead's first visit to each place counts.
        again: every row of a won place is a win of its own.
        since: leads whose first row is earlier are set aside.
        read: rows of the file at the door, before any was set aside; None to count those here.
        stamped: the latest moment that the source itself stamped; None where it stamps none.
        reading: how moments and amounts were understood.
        teams: who owns which stages.
        cash_after: days between a win and its money.
        met: see `met_first`, where more rows than these are known; None to count these.
    """

    file: str
    rows: pd.DataFrame
    source: str
    stages: tuple[str, ...] = ()
    won: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    handed_over: tuple[str, ...] = ()
    began: pd.Timestamp | None = None
    currency: str = ""
    limits: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    period_start: int = 1
    only_first: bool = False
    again: bool = False
    since: pd.Timestamp | None = None
    read: int | None = None
    stamped: pd.Timestamp | None = None
    reading: CellReading = NOTHING_READ
    met: pd.DataFrame | None = None
    teams: tuple[tuple[str, tuple[str, ...]], ...] = ()
    cash_after: float = 0.0


def assemble(
    raw: Raw,
    as_of: str | datetime.date | pd.Timestamp | None = None,
    known: pd.Timestamp | None = None,
) -> History:
    """Return the history that a reader's rows make.

    Args:
        raw: what the reader understood.
        as_of: what is later is set aside; the day of the last event when not given.
        known: until when the file as a whole tells; found from the rows when not given.

    Raises:
        FunnelError: no row can be used, or no place looks like a win.
    """
    moves = _moves(raw, as_of, known)
    events, findings = moves.events, moves.findings
    if events.empty:
        raise FunnelError(f"{raw.file}: no row can be used: {_reasons(findings)}")
    tables = (events,) if as_of is None else (events, by_moment(moves.every, moves.turns))
    won, lost = guess_ends(tables, raw.file, raw.stages, (raw.won, raw.lost), raw.handed_over)
    ends = won + lost + raw.handed_over
    stages = tuple(name for name in raw.stages if name not in ends) or guess_order(moves.met, ends, events)
    churns = raw.again or goes_on_after(events, won, lost)
    gone = undone_wins(events, () if churns else won, lost)
    kept, undone = apart(_record(events, won, raw.again), gone)
    events, unmade = _set_aside(events, gone, UNDONE, "undone wins")
    leads, updates = _attributes(moves.rows)
    history = History(
        events=kept,
        undone=undone,
        churns=churns,
        leads=leads,
        until=moves.until,
        stages=stages,
        won=won,
        lost=lost,
        handed_over=raw.handed_over,
        began=events["at"].min().normalize() if raw.began is None else raw.began,
        currency=raw.currency,
        source=raw.source,
        limits=_limits(raw, events, won + lost),
        period_start=raw.period_start,
        updates=updates,
        again=raw.again,
        teams=_teams(raw, stages),
    )
    findings += unmade + lookalikes(events, won, lost, raw.handed_over)
    findings += move_findings(events, history.waits, history.ends) + _zombies(history)
    reading = replace(raw.reading, until=moves.last if as_of is None else "", grain=moves.grain)
    read = raw.rows.index.nunique() + tally(raw.findings) if raw.read is None else raw.read
    history = paid_later(history, raw.cash_after)
    return with_quality(history, Quality(read, events.index.nunique(), findings, reading))


def _teams(raw: Raw, stages: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return who owns which stages.

    Raises:
        FunnelError: a team owns a stage that nobody entered.
    """
    for team, owned in raw.teams:
        for stage in owned:
            if stage not in stages:
                known = nearest(stage, stages)
                raise FunnelError(f"{raw.file}: teams: {team}: '{stage}' is no stage here; {known}")
    return raw.teams


def paid_later(history: History, days: float) -> History:
    """Return a history whose wins are of the day on which their money comes: until then a lead waits for it.

    A win that was undone later is one for whose money the lead waited in vain.

    Args:
        history: with wins on the days on which they were booked.
        days: until the money comes; 0 leaves all as it is.

    >>> a_day = pd.Timestamp("2026-01-01")
    >>> log = pd.DataFrame({"lead": ["a", "a"], "stage": ["Lead", "Won"], "at": [a_day, a_day]})
    >>> made = History(log, pd.DataFrame(index=["a"]), a_day + 40 * DAY, ("Lead",), ("Won",), (), a_day)
    >>> paid_later(made, 30).events.iloc[2:].to_dict("records")[0]
    {'lead': 'a', 'stage': 'Won', 'at': Timestamp('2026-01-31 00:00:00')}
    """
    if not days:
        return history
    every, wins = history.record, history.events[history.events["stage"].isin(history.won).to_numpy()]
    money = wins.assign(at=wins["at"] + days * DAY)
    money = money[(money["at"] < history.until).to_numpy()]
    booked = every.assign(stage=every["stage"].where(~every["stage"].isin(history.won), UNPAID))
    events = pd.concat([booked, money]).sort_values(["lead", "at"], kind="stable").reset_index(drop=True)
    limit = f"Revenue is of the day on which money comes, {days:g} days after the win: open until then."
    return replace(
        history, events=events, undone=history.undone.iloc[:0], stages=(*history.stages, UNPAID),
        cash_after=days, limits=(*history.limits, limit),
    )  # fmt: skip


def _limits(raw: Raw, events: pd.DataFrame, ends: tuple[str, ...]) -> tuple[str, ...]:
    """Return what the source cannot tell, and what was taken for granted."""
    guesses = _guess_limit(ends, raw.won + raw.lost)
    return (*raw.limits, *_handover_limit(events, raw.handed_over), *guesses, *_clock_limit(events))


@dataclass(frozen=True)
class _Moves:
    """Rows in order, those that are moves, those of any date, how places are passed, and what was found."""

    rows: pd.DataFrame
    events: pd.DataFrame
    every: pd.DataFrame
    met: pd.DataFrame
    turns: dict[str, int]
    until: pd.Timestamp
    last: str
    findings: tuple[Finding, ...]
    grain: str


def _near(until: pd.Timestamp, last: pd.Timestamp) -> pd.Timestamp:
    """Return the moment that was asked for, unless it lies a century after everything.

    Raises:
        FunnelError: it does.
    """
    if (until - last) / DAY > LONGEST_SILENCE:
        raise FunnelError(
            f"as-of in the year {(until - DAY).year}: the last event is of {last:%Y-%m-%d}, and what came of "
            "it after a hundred years nobody knows; name an earlier day"
        )
    return until


def _moves(raw: Raw, as_of: str | datetime.date | pd.Timestamp | None, known: pd.Timestamp | None) -> _Moves:
    """Return the rows that are known and complete, in order, and those of them that are moves."""
    rows, aside = complete(raw.rows)
    rows, spelling = _one_spelling(rows, raw.stages + raw.won + raw.lost + raw.handed_over)
    grain = grain_of(rows) if known is None else None
    known = last_day(rows, raw.file, stamped=raw.stamped) if known is None else known
    if grain is not None:
        known = grain.bounds(rows.loc[rows["at"] < known, "at"])[1].max()
    until = known if as_of is None else _near(as_of_moment(as_of), rows["at"].max())
    before = rows[(rows["at"] < until).to_numpy()]
    last = example(before.iloc[[int(before["at"].argmax())]]) if len(before) else ""
    if grain is not None:
        passed = turns_of(met_first(rows, bool(raw.stages)), raw.stages, raw.won + raw.lost + raw.handed_over)
        rows = spread(by_moment(rows, passed), grain, until)
    every, early = happened_ends(rows, max(known, until))
    late = (every["at"] >= until).to_numpy()
    rows, future = _set_aside(every, late, "after the as-of date", "future dates")
    met = met_first(rows, bool(raw.stages)) if raw.met is None else raw.met
    turns = turns_of(met, raw.stages, raw.won + raw.lost + raw.handed_over)
    rows, old = _only_since(by_moment(rows, turns), raw.since)
    each = raw.won if raw.again else ()
    same = rows["lead"].eq(rows["lead"].shift()) & rows["stage"].eq(rows["stage"].shift())
    same &= ~rows["stage"].isin(each)
    events, repeats = _set_aside(rows, same.to_numpy(), "the lead was in that stage already", "repeats")
    later = events.duplicated(["lead", "stage"]) & ~events["stage"].isin(each) & raw.only_first
    events, loops = _set_aside(events, later.to_numpy(), "only first visits count here", "later visits")
    copies = _copies(events, each)
    findings = (*raw.findings, *aside, *spelling, *early, *future, *old, *repeats, *loops, *copies)
    return _Moves(rows, events, every, met, turns, until, last, findings, grain.told if grain else "")


def _copies(events: pd.DataFrame, each: tuple[str, ...]) -> tuple[Finding, ...]:
    """Return the wins that are like another one in lead, place, moment and amount."""
    wins = events[events["stage"].isin(each).to_numpy()]
    columns = [name for name in ("lead", "stage", "at", "value") if name in wins.columns]
    return found("exact copies of a win", wins[wins.duplicated(columns).to_numpy()], COPIES)


def _record(events: pd.DataFrame, won: tuple[str, ...], again: bool) -> pd.DataFrame:
    """Return lead, stage and moment; where leads win again also the amount of that very win.

    A win without an amount is worth what was shown at a stage since the win before it, else nothing is known.
    """
    rows = events[["lead", "stage", "at"]]
    if not again or "value" not in events.columns:
        return rows
    win = events["stage"].isin(won)
    count = win.astype("int64")
    since = count.groupby(events["lead"].to_numpy()).cumsum() - count
    shown = events["value"].groupby([events["lead"].to_numpy(), since.to_numpy()]).ffill()
    return rows.assign(value=shown.where(win.to_numpy()))


def _set_aside(
    rows: pd.DataFrame, wrong: Flags, why: str, kind: str
) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Return the other rows, and what was found; a row of the file with another date in it stays used."""
    left, gone = rows[~wrong], rows[wrong]
    used = np.zeros(len(gone), dtype=bool)
    if len(gone) and not rows.index.is_unique:
        used = np.asarray(gone.index.isin(left.index))
    parts = found(f"{kind} in rows that are used", gone[used], f"not used: {why}")
    lost = gone[~used]
    return left, found(kind, lost[~lost.index.duplicated()], f"set aside: {why}") + parts


def _only_since(rows: pd.DataFrame, since: pd.Timestamp | None) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Return the rows of leads that came on or after a day."""
    if since is None:
        return rows, ()
    came = rows["at"].groupby(rows["lead"]).transform("min")
    return _set_aside(rows, (came < since).to_numpy(), "the lead came before `since`", "older leads")


def complete(rows: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Return the rows that have a lead, a stage and a date."""
    findings: tuple[Finding, ...] = ()
    for column, word in (("lead", "a lead"), ("stage", "a stage"), ("at", "a date")):
        blank = (rows[column].isna() | (rows[column] == "")).to_numpy()
        rows, more = _set_aside(rows, blank, "the cell is blank", f"rows without {word}")
        findings += more
    return rows, findings


def _one_spelling(rows: pd.DataFrame, stated: tuple[str, ...]) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Return rows where stages that differ by case and marks only are spelled as stated, or as most are."""
    spelled = rows["stage"].map(spellings(most_first(rows["stage"].value_counts()), stated)).astype("str")
    other = rows[(spelled != rows["stage"]).to_numpy()]
    return rows.assign(stage=spelled), found(
        "other spellings of a stage", other, "kept: under the usual spelling"
    )


def spellings(often: pd.Series, stated: tuple[str, ...]) -> dict[str, str]:
    """Return each name's spelling: as stated, else as most rows have it.

    Args:
        often: name -> rows, most rows first.

    >>> spellings(pd.Series({"Closed Won": 9, "closed-won": 1, "Open": 5}), ("open",))
    {'Closed Won': 'Closed Won', 'closed-won': 'Closed Won', 'Open': 'open'}
    """
    usual = {plain(name): name for name in stated if plain(name)}
    for name in map(str, often.index):
        usual.setdefault(plain(name) or name, name)
    return {name: usual[plain(name) or name] for name in map(str, often.index)}


def by_moment(rows: pd.DataFrame, turns: dict[str, int]) -> pd.DataFrame:
    """Return rows by lead and instant, those of one moment as the source tells, else by the place's turn.

    The file's own order tells nothing here, so that the same rows in any order make the same history; two
    rows of one place and moment stand by their other cells. Where the clock was put back, a lead's later
    row never shows an earlier time than the row before it.

    Args:
        rows: columns lead, stage, at, and any of instant, turn and the attributes.
        turns: place -> its turn, see `turns_of`.
    """
    key = "instant" if "instant" in rows.columns else "at"
    rows = rows.sort_values(["lead", key], kind="stable")
    tied = rows.duplicated(["lead", key], keep=False).to_numpy()
    if tied.any():
        some = rows[tied].assign(place=rows.loc[tied, "stage"].map(turns).to_numpy())
        known = ["lead", key, *(["turn"] if "turn" in rows.columns else []), "place", "stage"]
        more = [name for name in (*ATTRIBUTES, "deal") if name in rows.columns]
        order = np.arange(len(rows))
        order[tied] = order[tied][_sorted_positions(some, [*known, *more])]
        rows = rows.iloc[order]
    if key == "instant":
        rows = rows.assign(at=rows["at"].groupby(rows["lead"].to_numpy()).cummax())
    return rows


def _sorted_positions(rows: pd.DataFrame, columns: list[str]) -> NDArray[np.int64]:
    """Return the positions of rows sorted by some columns, blank cells last."""
    frame = rows[columns].set_axis(pd.RangeIndex(len(rows)), axis=0)
    return frame.sort_values(columns, kind="stable").index.to_numpy(dtype=np.int64)


def _attributes(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return each lead's attributes as last shown, and the changes of those not shown from the start."""
    leads = pd.DataFrame(index=pd.Index(rows["lead"].unique(), name="lead", dtype="str"))
    born = rows.drop_duplicates("lead").set_index("lead")["at"]
    changes = []
    for column in (name for name in (*ATTRIBUTES, "deal") if name in rows.columns):
        shown = rows.loc[(rows[column].notna() & (rows[column] != "")).to_numpy(), ["lead", "at", column]]
        same = shown["lead"].eq(shown["lead"].shift()) & shown[column].eq(shown[column].shift())
        shown = shown[~same.to_numpy()]
        first = ~shown["lead"].duplicated()
        moved = ~first | (shown["at"] > shown["lead"].map(born))
        moving = shown["lead"].isin(shown.loc[moved.to_numpy(), "lead"])
        leads[column] = shown.drop_duplicates("lead", keep="last").set_index("lead")[column]
        changes.append(shown[moving.to_numpy()])
    updates = pd.concat([rows.loc[[], ["lead", "at"]], *(change for change in changes if len(change))])
    return leads, updates.sort_values("at", kind="stable").reset_index(drop=True)


def _handover_limit(events: pd.DataFrame, places: tuple[str, ...]) -> tuple[str, ...]:
    """Return a sentence about leads that others took on."""
    count = int(events["stage"].isin(places).sum())
    named = ", ".join(f"'{name[:40]}'" for name in places)
    return (f"{count:,} leads were handed over ({named}): no win, no loss, no revenue.",) if places else ()


def _guess_limit(ends: tuple[str, ...], stated: tuple[str, ...]) -> tuple[str, ...]:
    """Return a sentence about ends that were guessed and whose name could also be that of a stage."""
    guessed = [name for name in ends if name not in stated and not outcome_of(name)]
    if not guessed:
        return ()
    names = ", ".join(f"'{name[:40]}'" for name in guessed)
    return (f"{names} taken for an end, as no lead goes on from there: name `won` and `lost` if it is not.",)


def _clock_limit(events: pd.DataFrame) -> tuple[str, ...]:
    return (NO_TIMES,) if (events["at"] == events["at"].dt.normalize()).all() else ()


def _zombies(history: History) -> tuple[Finding, ...]:
    waiting = open_leads(history)
    old = waiting[waiting["zombie"].to_numpy()]
    if old.empty:
        return ()
    oldest = old.sort_values("age").iloc[-1]
    text = f"lead '{str(oldest['lead'])[:40]}', {oldest['age']:.0f} days in '{str(oldest['stage'])[:40]}'"
    return (
        Finding("leads open longer than any closed one", len(old), text, "kept: open, their chance fades"),
    )


def _reasons(findings: tuple[Finding, ...]) -> str:
    return (
        "; ".join(f"{finding.count} {finding.kind} ({finding.example})" for finding in findings[:4])
        or "none is left"
    )


def met_first(rows: pd.DataFrame, stated: bool = False) -> pd.DataFrame:
    """Return how many leads first came to one place (row) strictly before another (column).

    On the diagonal stand the leads that came to the place at all. Of large histories evenly chosen leads
    are counted. Tables of the parts of a history add up.

    Args:
        rows: columns lead, stage, at or instant, in any order.
        stated: whether the places are known, however many they are.

    Raises:
        FunnelError: too many places to be stages.
    """
    names = sorted(map(str, rows["stage"].unique()))
    if len(names) > MOST_PLACES and not stated:
        raise FunnelError(
            f"{len(names):,} different stages ('{names[0][:40]}', ...); is it the right column?"
        )
    key = "instant" if "instant" in rows.columns else "at"
    lead, kinds = pd.factorize(rows["lead"], sort=True)
    every = max(1, len(kinds) * len(names) // MOST_CELLS)
    some = np.flatnonzero(lead % every == 0)
    place = pd.Index(names).get_indexer(pd.Index(rows["stage"].iloc[some]))
    moment = rows[key].iloc[some].to_numpy(dtype="datetime64[us]").astype(np.float64)
    first = np.full((len(kinds) // every + 1, len(names)), np.nan)
    latest = np.argsort(-moment, kind="stable")
    first[lead[some][latest] // every, place[latest]] = moment[latest]
    met = [(first[:, [number]] < first).sum(axis=0) for number in range(len(names))]
    table = np.array(met, dtype=np.int64).reshape(len(names), len(names))
    np.fill_diagonal(table, (~np.isnan(first)).sum(axis=0))
    return pd.DataFrame(table, index=pd.Index(names, dtype=object), columns=pd.Index(names, dtype=object))


def guess_order(
    met: pd.DataFrame, ends: tuple[str, ...], events: pd.DataFrame | None = None
) -> tuple[str, ...]:
    """Return the stages in the order in which leads usually pass them.

    A stage stands before another when more leads see it first; a stage's place is its mean share of
    such leads over all stages that occur together with it. So leads that enter late do not disturb it.
    Where moments tell nothing, a stage that more leads saw stands first.

    Args:
        met: see `met_first`.
        ends: places that are no stages.
        events: with a column stage: only places that are there; all when not given.
    """
    there = set(met.index) if events is None else set(events["stage"].unique())
    stages = [name for name in met.index if name in there and name not in ends]
    return tuple(_by_score(met.loc[stages, stages], last=()))


def turns_of(met: pd.DataFrame, stages: tuple[str, ...], ends: tuple[str, ...]) -> dict[str, int]:
    """Return the turn of each place among rows of one moment: stages as stated, all else as usually passed.

    Where stages are stated the ends come after them, so that no later row changes the turns; else ends come
    last, but for those from which leads usually go on, as from a win to onboarding.

    Args:
        met: see `met_first`.
        stages: in their order, where it is stated.
        ends: names of the ends, where they are stated.
    """
    ordered = _by_score(met, last=[name for name in met.index if name in ends or sounds_last(name)])
    if stages:
        first = [name for name in (*stages, *ends) if name in met.index]
        ordered = [*dict.fromkeys(first), *(name for name in ordered if name not in first)]
    return {name: turn for turn, name in enumerate(ordered)}


def _by_score(met: pd.DataFrame, last: Collection[str]) -> list[str]:
    """Return the places by the mean share of leads that see them first; `last` come last where none tell."""
    table = met.to_numpy(dtype=np.float64)
    leads = np.diag(table)
    before = table - np.diag(leads)
    both = before + before.T
    share = np.divide(before, both, out=np.zeros_like(both), where=both > 0)
    others = (both > 0).sum(axis=1)
    score = np.where(others > 0, share.sum(axis=1) / np.maximum(others, 1), 0.5)
    score[(others == 0) & met.index.isin(list(last))] = -1.0
    order = sorted(range(len(met)), key=lambda one: (-score[one], -leads[one], met.index[one]))
    return [str(met.index[one]) for one in order]


def protected(raw: Raw, personal: bool, anonymise: str | None) -> Raw:
    """Return rows whose leads, and with a key also whose owners, name no person.

    Args:
        raw: what a reader understood.
        personal: whether e-mail addresses and phone numbers may stay as names of leads.
        anonymise: a secret key; leads and owners become its HMAC-SHA256, so that files hashed with the
            same key still belong together.

    Raises:
        FunnelError: the key is empty.
    """
    if anonymise is not None:
        if not anonymise:
            raise FunnelError("anonymise: an empty key; expected a secret of your own")
        columns = [column for column in ("lead", "owner", "deal") if column in raw.rows.columns]
        hashed = {column: _hashed(raw.rows[column], anonymise) for column in columns}
        return replace(raw, rows=raw.rows.assign(**hashed), findings=_unnamed(raw.findings))
    lead = raw.rows["lead"]
    if personal or not lead.str.fullmatch(PERSONAL).any():
        return raw
    number = pd.factorize(lead, sort=True)[0] + 1
    width = len(str(number.max()))
    named = pd.Series([f"lead {n:0{width}d}" for n in number], index=lead.index, dtype="str")
    limit = "Leads were named by e-mail addresses or phone numbers: they are numbered instead."
    rows = raw.rows.assign(lead=named.mask(lead == "", ""))
    return replace(raw, rows=rows, limits=(*raw.limits, limit), findings=_unnamed(raw.findings))


def _unnamed(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Return findings whose examples name the row alone, which is enough to look the lead up in the file."""
    return tuple(replace(one, example=NAMED.sub("", one.example)) for one in findings)


def _hashed(names: pd.Series, key: str) -> pd.Series:
    """Return each name's keyed hash; blank stays blank."""
    secret = key.encode("utf-8")
    unique = {
        name: hmac.new(secret, str(name).encode("utf-8"), hashlib.sha256).hexdigest()[:DIGITS] if name else ""
        for name in names.unique()
    }
    return names.map(unique).astype("str")


def last_day(
    rows: pd.DataFrame, file: str, size: int | None = None, stamped: pd.Timestamp | None = None
) -> pd.Timestamp:
    """Return the end of the last day with events; dates that were typed into the future are no last day.

    A few dates more than half a year beyond all others are in the future. So are dates typed by hand that
    lie later than anything the source itself stamped, or, where it stamps nothing, a few of them behind a
    gap of more than a month that is also twice as long as any before it.

    Args:
        rows: column at, and typed where some dates are typed by hand.
        file: its name, for the sentence.
        size: the number of rows, where these are only the latest of them.
        stamped: the latest moment that the source itself stamped.

    Raises:
        FunnelError: there is no row.
    """
    size = len(rows) if size is None else size
    if size == 0:
        raise FunnelError(f"{file}: no row has a lead, a stage and a date")
    at = rows["at"].to_numpy(dtype="datetime64[us]")
    typed = rows["typed"].to_numpy(dtype=bool) if "typed" in rows.columns else np.zeros(at.size, dtype=bool)
    if typed.all():
        return _end_of_day(_without_far(at, size))
    last = _without_far(at[~typed], size)
    later = np.sort(at[typed & (at > last)])
    if stamped is not None:
        later = later[later < _end_of_day(max(last, np.datetime64(stamped, "us"))).to_datetime64()]
    else:
        later = _before_a_gap(at[at <= last], later, max(FEW * typed.sum(), FEWEST))
    return _end_of_day(later[-1] if later.size else last)


def _end_of_day(moment: np.datetime64) -> pd.Timestamp:
    return pd.Timestamp(moment).normalize() + DAY


def _without_far(at: Moments, size: int) -> np.datetime64:
    """Return the last moment, without a few that lie half a year beyond all others."""
    times = np.sort(at)
    tail = times[-max(FEWEST, size // 200) - 1 :]
    far = np.flatnonzero(np.diff(tail) > FAR)
    last: np.datetime64 = tail[int(far[0])] if far.size and size > MANY_DAYS else times[-1]
    return last


def _before_a_gap(before: Moments, later: Moments, few: float) -> Moments:
    """Return those of the later moments that come before a gap that is too long to be one of business."""
    days = np.unique(np.concatenate([before, later]).astype("datetime64[D]").astype(np.int64))
    gaps = np.diff(days)
    known = int(np.searchsorted(days, before.max().astype("datetime64[D]").astype(np.int64)))
    for place in range(known, gaps.size):
        beyond = later.astype("datetime64[D]").astype(np.int64) >= days[place + 1]
        quiet = place >= MANY_DAYS and gaps[place] > max(QUIET, TWICE * gaps[:place].max())
        years = gaps[place] > YEARS and beyond.sum() * 2 < beyond.size
        if (quiet and beyond.sum() <= few) or years:
            return np.asarray(later[~beyond], dtype="datetime64[us]")
    return later


def happened_ends(rows: pd.DataFrame, until: pd.Timestamp) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Return rows whose ends were typed into the future on the last day known: they have happened by then.

    Args:
        rows: columns lead, stage, at, and typed where some dates are typed by hand; the index is the row of
            the file.
        until: until when the file tells.
    """
    if "typed" not in rows.columns or not rows["typed"].any():
        return rows, ()
    typed = rows["typed"].to_numpy(dtype=bool)
    start = rows["at"].where(~typed).groupby(rows.index).transform("max")
    future = typed & (rows["at"] >= until).to_numpy() & ~(start >= until).to_numpy()
    latest = start.where(start > until - DAY, until - DAY)
    moved = rows.assign(at=rows["at"].where(~future, latest))
    return moved, found("closed with a date in the future", rows[future], FUTURE)

"""The measures that marketing and sales speak of, each with one stated meaning."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.arrays import Floats, Integers
from funnelsim.errors import FunnelError, nearest
from funnelsim.history.log import DAY, History, bookings, days_since, open_leads, spells

COLUMNS = ["metric", "scope", "value", "unit", "low", "high", "leads", "note"]
Line = tuple[str, str, float, str, float, float, int, str]
NORMAL_95 = 1.959964
HORIZON = 90.0  # days: a conversion is read within a quarter, the span that plans are made for
# By convention: a record has slips of the hand, and a stage on the way sends more than a tenth on.
MOSTLY = 0.9
COUNTED = ("impressions", "clicks", "visits", "bounces")  # that a table of spend may hold too
MOST_PARTS, OTHERS = 30, "all others"  # rows that a reader takes in; the smallest parts stand together


def metrics(
    history: History,
    horizon_days: float = HORIZON,
    spend: pd.DataFrame | None = None,
    target: float | None = None,
    booked: float = 0.0,
) -> pd.DataFrame:
    """Return the measures of a funnel; shares are of an entry cohort within a horizon, never of closed deals.

    Args:
        history: what happened.
        horizon_days: days after entering within which something must happen to count.
        spend: columns channel and spend (money over the whole record), for cost per lead and ROI.
        target: money to be won in the coming period, for the coverage.
        booked: what of it is booked already.

    Returns:
        metric, scope (a stage, a channel or "all"), value, unit, low and high (95 %, nan where a plain
        count), leads (how many stand behind it), note.

    Raises:
        FunnelError: the horizon is not positive, or `spend` lacks a column.
    """
    if not horizon_days > 0:
        raise FunnelError(f"horizon_days: {horizon_days} given, expected more than 0")
    lines = [
        *_entrances(history),
        *_follow_ups(history, horizon_days),
        *_conversions(history, horizon_days),
        *_flow(history),
        *_money(history, horizon_days, None if target is None else target - booked),
        *_returns(history, horizon_days),
        *_by_channel(history, spend),
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def _count(metric: str, scope: str, value: float, unit: str, leads: int, note: str = "") -> Line:
    return metric, scope, float(value), unit, np.nan, np.nan, int(leads), note


def _share(metric: str, scope: str, cohort: Cohort, horizon: float) -> Line:
    """Return the share that reached the target within the horizon; nan when nobody was followed so long."""
    seen = float(cohort.days.max()) if cohort.days.size else 0.0
    note = f"within {horizon:g} days of entering"
    reached, ended = aalen_johansen(cohort, 1), aalen_johansen(cohort, 2)
    share, low, high = reached.at(horizon)
    if seen < horizon and share + ended.at(horizon)[0] < 1 - 1e-9:
        share, low, high, note = np.nan, np.nan, np.nan, f"{note}: seen for {seen:.0f} only"
    return metric, scope, share, "share", low, high, cohort.days.size, note


def _entrances(history: History) -> list[Line]:
    first = history.events.drop_duplicates("lead")
    first = first[(first["at"] >= history.began).to_numpy()]
    days = max((history.until - history.began) / DAY, 1.0)
    rate = f"{30 * len(first) / days:,.1f} in 30 days"
    lines = [_count("entrances", "all", len(first), "leads", len(first), rate)]
    counts = first["stage"].value_counts()
    return lines + [
        _count("entrances", place, counts[place], "leads", counts[place], "enter the funnel here")
        for place in history.waits + history.ends
        if place in counts.index
    ]


def _follow_ups(history: History, horizon: float) -> list[Line]:
    """Return the share of leads that leave their entry stage forward."""
    visits = spells(history)
    visits = visits[visits["entry"].to_numpy()]
    cohort = Cohort(
        (visits["stop"] - visits["start"]).to_numpy(),
        np.where(went_on(history, visits), 1, np.where(visits["exit"] == "", 0, 2)),
        visits["since"].to_numpy(),
    )
    return [_share("follow-ups", "all", cohort, horizon)]


def _conversions(history: History, horizon: float) -> list[Line]:
    """Return the share that goes on from each stage, and that wins from entry and from each stage."""
    lines, off = [], side_rooms(history)
    for stage in history.stages:
        on = first_passage(history, stage, _beyond(history, stage, off))
        lines.append(_share("conversion", stage, on, horizon))
    name, goal = ("win rate", history.won) if _sells(history) else ("hand-over rate", history.handed_over)
    starts = [None, *history.stages]
    lines += [_share(name, stage or "all", first_passage(history, stage, goal), horizon) for stage in starts]
    return lines


def went_on(history: History, visits: pd.DataFrame) -> NDArray[np.bool_]:
    """Return of each visit whether it ended in going on: to a place that lies beyond its stage.

    Args:
        visits: of this history, with columns stage and exit.
    """
    off = side_rooms(history)
    on = [f"{stage}\n{place}" for stage in history.stages for place in _beyond(history, stage, off)]
    moves = visits["stage"] + "\n" + visits["exit"]  # one text a move: no name holds a line's end
    found: NDArray[np.bool_] = moves.isin(on).to_numpy()
    return found


def _beyond(history: History, stage: str, off: Container[str]) -> tuple[str, ...]:
    """Return the places to which a lead goes on from a stage: later ones, wins and hand-overs.

    Stages beside the way (`off`) are none of them; whoever stands in one goes on by coming back.
    """
    later = history.stages[0 if stage in off else history.stages.index(stage) + 1 :]
    return tuple(one for one in later if one not in off) + history.won + history.handed_over


def side_rooms(history: History) -> frozenset[str]:
    """Return the stages beside the way, such as Dormant: of ten moves from there nine lead back."""
    visits = spells(history)
    place = {name: number for number, name in enumerate(history.stages)}
    earns = set(history.won + history.handed_over)
    off: set[str] = set()
    for number, stage in reversed(list(enumerate(history.stages))):
        to = visits["exit"][(visits["stage"] == stage).to_numpy()]
        back = (to.map(place) < number).sum()
        on = to.isin(earns.union(history.stages[number + 1 :]) - off).sum()
        if back > MOSTLY * (back + on):
            off.add(stage)
    return frozenset(off)


def _sells(history: History) -> bool:
    """Return whether leads can be won here: where all are handed over, a win rate of 0 would say nothing."""
    return bool(history.won) or not history.handed_over


def _flow(history: History) -> list[Line]:
    """Return the mean days of a visit to each stage, open visits counted for as long as they last."""
    visits = spells(history)
    lines = []
    for stage in history.stages:
        rows = visits[(visits["stage"] == stage).to_numpy()]
        left = aalen_johansen(
            Cohort(
                (rows["stop"] - rows["start"]).to_numpy(),
                (rows["exit"] != "").to_numpy().astype(np.int64),
                rows["since"].to_numpy(),
            ),
            1,
        )
        mean, end = _restricted_mean(left)
        seen = f"{end:.0f}" if end >= 1 else f"{end:.2g}"
        note = f"of a visit's first {seen} days: nobody left later"
        lines.append(_count("flow rate", stage, mean, "days", len(rows), note))
    return lines


def _restricted_mean(left: Incidence) -> tuple[float, float]:
    """Return the area under the share still there, up to the last day on which anybody left, and that day."""
    if not left.days.size:
        return np.nan, 0.0
    still = np.concatenate([[1.0], 1.0 - left.share[:-1]])
    return float(np.sum(still * np.diff(left.days, prepend=0.0))), float(left.days[-1])


def _total(values: pd.Series) -> float:
    """Return the sum, nan where no amount at all is known of any of them."""
    return float(values.sum(min_count=min(len(values), 1)))


def _money(history: History, horizon: float, gap: float | None) -> list[Line]:
    wins, waiting, unit = bookings(history), open_leads(history), history.currency
    waiting = waiting[~waiting["stage"].isin(history.won).to_numpy()]
    if not _sells(history):
        return _handovers(history)
    year = wins[(wins["at"] >= history.until - 365 * DAY).to_numpy()]
    order, valued = float(wins["value"].mean()), int(wins["value"].notna().sum())
    lines = [
        _count("wins", "all", len(wins), "wins", wins["lead"].nunique()),
        *_handovers(history),
        _count("average order value", "all", order, unit, valued, "revenue / orders"),
        _count("total revenue", "all", _total(wins["value"]), unit, len(wins), "over the whole record"),
        _count("total revenue", "last 365 days", _total(year["value"]), unit, len(year)),
    ]
    won = first_passage(history, None, history.won)
    share = aalen_johansen(won, 1).at(horizon)[0]
    days = won.days[(won.cause == 1) & (won.days > 0)]
    cycle = float(days.mean()) if days.size else np.nan
    worth, zombies = _total(waiting["value"]), int(waiting["zombie"].sum())
    old = f"{zombies} open for longer than any closed"
    velocity, how = worth * share / cycle if cycle else np.nan, "open value x win rate / cycle length"
    lines += [
        *_lifetimes(history, share, order, horizon, won.days.size),
        _count("cycle length", "all", cycle, "days", days.size, "entry to win, of those won"),
        _count("open pipeline", "all", worth, unit, len(waiting), old),
        _count("pipeline velocity", "all", velocity, f"{unit} a day".strip(), len(waiting), how),
    ]
    if gap is not None:
        times, how = np.nan if gap <= 0 else worth / gap, "open value / gap: target less booked"
        lines.append(_count("pipeline coverage", "all", times, "times", len(waiting), how))
    return lines


def lifetime_value(
    order: float, again: float, *, first: float = 1.0, gap_days: float = 0.0, discount: float = 0.0
) -> float:
    """Return what a customer, or a lead, brings over its life, purchases being a renewal process.

    first x order / (1 - again x phi), phi = 1 / (1 + log(1 + discount) gap / 365) being the worth of money
    that comes after an exponential gap of that mean, the first purchase being now.

    Args:
        order: money of a purchase (its margin, where that is wanted).
        again: chance that another purchase follows one, below 1.
        first: chance that a lead buys at all; 1 for a customer.
        gap_days: mean days between purchases.
        discount: of money, a year.

    >>> lifetime_value(100, 0.6, first=0.3), lifetime_value(100, 0.6)
    (75.0, 250.0)
    >>> round(lifetime_value(100, 0.6, gap_days=90, discount=0.1), 6)
    241.676124
    """
    if not 0 <= again < 1:
        return np.nan
    worth = 1 / (1 + np.log1p(discount) * gap_days / 365)
    return float(first * order / (1 - again * worth))


def _next_purchases(history: History) -> Cohort:
    """Follow every win to the same lead's next one (1), to its end (2), or to the as-of date (0)."""
    codes = pd.factorize(history.events["lead"])[0]
    day = days_since(history.events["at"], history.until)
    won, turn = history.events["stage"].isin(history.won).to_numpy(), np.arange(codes.size)
    rows = np.flatnonzero(won)
    after = np.append(rows[1:], 0)
    same = np.append(codes[rows[1:]] == codes[rows[:-1]], False)[: rows.size]
    last = np.searchsorted(codes, codes[rows], side="right") - 1
    gone = ~same & history.events["stage"].isin(history.lost).to_numpy()[last] & (turn[last] > rows)
    stops = np.where(same, day[after], np.where(gone, day[last], 0.0))
    cause = np.where(same, 1, np.where(gone, 2, 0)).astype(np.int64)
    return Cohort(stops - day[rows], cause, np.zeros(rows.size))


def _returns(history: History, horizon: float) -> list[Line]:
    """Return the share of purchases that another follows, and after which the customer was lost."""
    if not history.again:
        return []
    cohort = _next_purchases(history)
    lost = Cohort(cohort.days, np.array([0, 2, 1])[cohort.cause], cohort.since)
    return [_share("retention", "all", cohort, horizon), _share("churn", "all", lost, horizon)]


def _lifetimes(history: History, share: float, order: float, horizon: float, leads: int) -> list[Line]:
    """Return the lifetime value of a lead and, where customers come back, of a customer."""
    unit, head = history.currency, f"a lead, first bought in {horizon:g} days"
    if not history.again:
        return [_count("lifetime value", "all", share * order, unit, leads, f"{head}; it buys once")]
    cohort = _next_purchases(history)
    found = aalen_johansen(cohort, 1)
    again = float(found.share[-1]) if found.share.size else 0.0
    note = f"another purchase follows one in {again:.0%}, as seen so far; extrapolated"
    a_lead, customer = (lifetime_value(order, again, first=first) for first in (share, 1.0))
    return [
        _count("lifetime value", "all", a_lead, unit, leads, f"{head}; {note}"),
        _count("lifetime value", "customers", customer, unit, cohort.days.size, note),
    ]


def _handovers(history: History) -> list[Line]:
    """Return how many leads others took on: no wins, and no revenue."""
    events = history.events
    came = {end: events.loc[(events["stage"] == end).to_numpy(), "lead"] for end in history.handed_over}
    return [
        _count("hand-overs", end, len(leads), "leads", leads.nunique(), "no wins, no revenue")
        for end, leads in came.items()
    ]


def _by_channel(history: History, spend: pd.DataFrame | None) -> list[Line]:
    """Return leads, costs, ROI and, where the table counts them, clicks and visits of each channel.

    Where the table says when money was spent, only leads and wins of that time stand against it.
    """
    if spend is None:
        return []
    if not {"channel", "spend"} <= set(spend.columns):
        raise FunnelError(f"spend: columns {list(spend.columns)} given, expected channel and spend")
    spend, came, wins = _while_spent(history, spend)
    channel = history.leads.get("channel", pd.Series("", index=history.leads.index)).fillna("unknown")
    of_lead, of_win = channel.reindex(came["lead"]), wins["lead"].map(channel)
    lines = []
    for channel_name, rows in spend.groupby("channel"):
        name = str(channel_name)
        here = wins[(of_win == name).to_numpy()]
        leads, customers, revenue = int((of_lead == name).sum()), here["lead"].nunique(), here["value"].sum()
        unit, money = history.currency, float(rows["spend"].sum())
        lines += [
            _count("cost per lead", name, money / leads if leads else np.nan, unit, leads),
            _count("cost per customer", name, money / customers if customers else np.nan, unit, customers),
            _count("ROI", name, (revenue - money) / money if money else np.nan, "times", len(here)),
            *_clicks(name, rows, leads),
        ]
    return lines


def _while_spent(history: History, spend: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the spend until now, and the first events and the wins of the time that it is of."""
    came, wins = history.events.drop_duplicates("lead"), bookings(history)
    if "start" not in spend.columns:
        return spend, came, wins
    spend = spend[(spend["start"] < history.until).to_numpy()]
    starts = np.sort(spend["start"].unique())
    step = np.median(np.diff(starts)) if starts.size > 1 else np.timedelta64(7, "D")
    first, last = (starts[0], starts[-1] + step) if starts.size else (history.until, history.until)
    inside = (((rows["at"] >= first) & (rows["at"] < last)).to_numpy() for rows in (came, wins))
    return spend, came[next(inside)], wins[next(inside)]


def _clicks(name: str, rows: pd.DataFrame, leads: int) -> list[Line]:
    """Return which share of those who saw, clicked or visited went on, or left at once."""
    seen, clicks, visits, bounces = (
        float(rows[column].sum()) if column in rows and rows[column].notna().any() else np.nan
        for column in COUNTED
    )
    came = clicks if np.isnan(visits) else visits
    told = (
        ("click rate", clicks, seen, "clicks / times shown"),
        ("bounce rate", bounces, visits, "left at once / visits"),
        ("visits to leads", float(leads), came, "leads that came meanwhile / visits, or clicks"),
    )
    return [
        _count(metric, name, part / whole, "share", round(whole), note)
        for metric, part, whole, note in told
        if part >= 0 and whole > 0
    ]


def metrics_by(
    history: History, part: pd.Series, horizon_days: float = HORIZON, spend: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the measures of each part of a business, side by side: every one by the rule of the whole.

    Args:
        history: what happened.
        part: by lead, the name of its part: channel, segment, owner, period of entry; blank is unknown.
        horizon_days: see `metrics`.
        spend: channel and spend, where parts are channels.

    Returns:
        part, then a column for each measure of a whole business and, with spend, of a channel; low and high
        are the 95 % interval of the win rate. The MOST_PARTS largest, most leads first; the rest together.
    """
    named = part.reindex(history.leads.index).astype(object).fillna("").replace("", "unknown").astype(str)
    sizes = named.value_counts()
    kept = list(sizes.index[:MOST_PARTS])
    named = named.where(named.isin(kept), OTHERS)
    rows = []
    for name in dict.fromkeys([*kept, *([OTHERS] if len(sizes) > MOST_PARTS else [])]):
        own = metrics(of_leads(history, named.index[named == name]), horizon_days)
        own = own[(own["scope"] == "all").to_numpy()]
        row: dict[str, object] = {"part": name, **dict(zip(own["metric"], own["value"], strict=True))}
        share = own[own["metric"].isin(["win rate", "hand-over rate"])]
        rows.append(row | {"low": share["low"].sum(min_count=1), "high": share["high"].sum(min_count=1)})
    table = pd.DataFrame(rows)
    if spend is not None:
        costs = pd.DataFrame(_by_channel(history, spend), columns=COLUMNS)
        wide = costs.pivot(index="scope", columns="metric", values="value")
        table = table.merge(wide, how="left", left_on="part", right_index=True)
    return table


def of_leads(history: History, leads: pd.Index) -> History:
    """Return the history of some of the leads."""
    parts = {}
    for name in ("events", "updates", "undone"):
        frame = getattr(history, name)
        kept = frame[frame["lead"].isin(leads).to_numpy()]
        parts[name] = kept if name == "undone" else kept.reset_index(drop=True)
    return replace(history, leads=history.leads.loc[leads], **parts)


def of_teams(history: History) -> History:
    """Return the history with a stage for each team: a lead stays in it while the team has it.

    Raises:
        FunnelError: no teams are named.
    """
    if not history.teams:
        raise FunnelError("teams: none are named; say in the mapping who owns which stages, as `teams`")
    team_of = {stage: team for team, stages in history.teams for stage in stages}
    events = history.events.assign(stage=history.events["stage"].map(lambda name: team_of.get(name, name)))
    same = (
        (events["lead"] == events["lead"].shift()) & (events["stage"] == events["stage"].shift())
    ).to_numpy()
    stages = tuple(dict.fromkeys(team_of.get(stage, stage) for stage in history.stages))
    return replace(history, events=events[~same].reset_index(drop=True), stages=stages)


def metrics_by_team(history: History, horizon_days: float = HORIZON) -> pd.DataFrame:
    """Return what each team did: leads that it had, sent on and that were won, and its days with them.

    Args:
        history: with teams.
        horizon_days: see `metrics`.

    Returns:
        part, leads, conversion (share sent on within the horizon) with low and high (95 %), win rate (from
        the team's first having them), flow rate (mean days).

    Raises:
        FunnelError: no teams are named.
    """
    told = metrics(of_teams(history), horizon_days)
    rows = []
    for team, _ in history.teams:
        own = told[(told["scope"] == team).to_numpy()].set_index("metric")
        sent = own.loc["conversion"]
        row: dict[str, object] = {"part": team, "leads": sent["leads"]}
        row |= {
            name: own.loc[name, "value"]
            for name in ("conversion", "win rate", "flow rate")
            if name in own.index
        }
        rows.append(row | {"low": sent["low"], "high": sent["high"]})
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Cohort:
    """Leads followed from one moment each.

    Args:
        days: (leads,) days from the start to what happened, or to the as-of date.
        cause: (leads,) 1 reached the target, 2 ended otherwise, 0 still open.
        since: (leads,) days after the start at which observation began (0 normally).
    """

    days: Floats
    cause: Integers
    since: Floats


@dataclass(frozen=True)
class Incidence:
    """Cumulative incidence of one cause at rising days.

    Args:
        days: (times,) days at which anything happened.
        share: (times,) share of leads with this cause by then.
        error: (times,) its standard error.
        leads: how many were followed.
    """

    days: Floats
    share: Floats
    error: Floats
    leads: int

    def at(self, day: float) -> tuple[float, float, float]:
        """Return the share by a day, and its 95 % interval on the log-log scale."""
        number = int(np.searchsorted(self.days, day, side="right")) - 1
        share = float(self.share[number]) if number >= 0 else 0.0
        error = float(self.error[number]) if number >= 0 else 0.0
        if 0.0 < share < 1.0:
            width = NORMAL_95 * error / (share * np.log(share))
            with np.errstate(over="ignore"):
                return share, float(share ** np.exp(-width)), float(share ** np.exp(width))
        most = 1.0 - 0.025 ** (1.0 / max(self.leads, 1))
        return (share, 0.0, most) if share < 0.5 else (share, 1.0 - most, 1.0)


def aalen_johansen(cohort: Cohort, cause: int) -> Incidence:
    """Return the share of leads with a cause by each day; open leads count for as long as they were seen.

    F_k(t) = sum over t_j <= t of S(t_j-) d_jk / n_j, where n_j leads are at risk at t_j, d_jk of them
    have cause k, and S is the share with no cause yet. Leads that enter late are at risk from then on.

    Args:
        cohort: leads followed.
        cause: the cause asked for.

    Source: Aalen and Johansen 1978; variance of Marubini and Valsecchi 1995, formula 10.12.

    >>> cohort = Cohort(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 0, 2, 1]), np.zeros(4))
    >>> aalen_johansen(cohort, 1).share.tolist()
    [0.25, 0.25, 0.625]
    """
    happened = np.unique(cohort.days[cohort.cause > 0])
    at_risk = (cohort.days.size - np.searchsorted(np.sort(cohort.days), happened, side="left")).astype(float)
    late = np.sort(cohort.since[cohort.since > 0])
    at_risk -= late.size - np.searchsorted(late, happened, side="left")

    def count(which: NDArray[np.bool_]) -> Floats:
        place = np.searchsorted(happened, cohort.days[which])
        return np.bincount(place, minlength=happened.size).astype(np.float64)

    every, ours = count(cohort.cause > 0), count(cohort.cause == cause)
    at_risk = np.maximum(at_risk, np.maximum(every, 1.0))
    still = np.cumprod(1.0 - every / at_risk)
    before = np.concatenate([[1.0], still[:-1]])[: still.size]
    share = np.cumsum(before * ours / at_risk)
    left = at_risk - every
    common = np.divide(every, at_risk * left, out=np.zeros_like(every), where=left > 0)
    own = before**2 * (at_risk - ours) * ours / at_risk**3
    mixed = before * ours / at_risk**2
    variance = (
        share**2 * np.cumsum(common)
        - 2.0 * share * np.cumsum(share * common)
        + np.cumsum(share**2 * common)
        + np.cumsum(own)
        - 2.0 * share * np.cumsum(mixed)
        + 2.0 * np.cumsum(share * mixed)
    )
    return Incidence(happened, share, np.sqrt(np.maximum(variance, 0.0)), cohort.days.size)


def first_passage(history: History, start: str | None, targets: tuple[str, ...]) -> Cohort:
    """Follow every lead from its first visit to a stage until it first reaches one of the targets.

    Args:
        start: a stage; None for the first event of each lead, which may be a target itself: at day 0.
        targets: places; a lead that stands at an end without having reached one of them ended otherwise.

    Raises:
        FunnelError: a place is unknown.
    """
    known = history.waits + history.ends
    for place in (*targets, *(() if start is None else (start,))):
        if place not in known:
            raise FunnelError(f"'{place}' is no place of this history; {nearest(place, known)}")
    codes = pd.factorize(history.events["lead"])[0]
    stage = history.events["stage"]
    day = days_since(history.events["at"], history.until)
    turn, none = np.arange(codes.size), codes.size
    leads = int(codes.max()) + 1 if codes.size else 0

    def first(rows: NDArray[np.bool_]) -> Integers:
        found = np.full(leads, none)
        np.minimum.at(found, codes[rows], turn[rows])
        return found

    begins = first(np.ones(codes.size, dtype=bool) if start is None else (stage == start).to_numpy())
    wait = 0 if start is None else 1
    reached = first(
        stage.isin(targets).to_numpy() & (turn >= begins[codes] + wait if codes.size else turn > 0)
    )
    last = np.searchsorted(codes, np.arange(leads), side="right") - 1
    ended = stage.isin(history.ends).to_numpy()[last] & (last >= begins + wait)
    day = np.append(day, 0.0)
    stops = np.where(reached < none, day[reached], np.where(ended, day[last], 0.0))
    cause = np.where(reached < none, 1, np.where(ended, 2, 0))
    began = days_since(pd.Series([history.began]), history.until)[0]
    kept = (begins < none) & (stops >= began)
    length = (stops - day[begins])[kept]
    return Cohort(length, cause[kept].astype(np.int64), np.clip(began - day[begins[kept]], 0.0, length))

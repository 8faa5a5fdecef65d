"""Goals from history: what a good period was for each person and team, and what is expected of this one.

What a person wins, and what leads a team sends on, in a period has a negative binomial law: Poisson luck, a
spread that all share, and a mean that is known by so many counts only. Money adds amounts to that law. A good
period is its 75 % quantile; the present one is held against it with all that is expected of it, so that its
first day says as much as its last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from funnelsim.arrays import Flags, Floats, Integers
from funnelsim.calibration.counting import group_numbers
from funnelsim.calibration.posterior import strength
from funnelsim.calibration.shocks import excess_spread
from funnelsim.forecasting.deals import Stakes
from funnelsim.forecasting.distribution import Lump, distributions, quantiles, reached
from funnelsim.forecasting.people import UNKNOWN, lead_table
from funnelsim.forecasting.periods import Period, past_periods
from funnelsim.forecasting.situation import Situation
from funnelsim.history.log import DAY, WINS, History, bookings, open_leads, shows_amounts, spells
from funnelsim.history.metrics import went_on
from funnelsim.show import words

GOOD = 0.75  # one period in four was better: ambitious, and reached before
PAST = 8  # whole periods that are looked back on: two years of quarters, so that every season counts twice
LEAST = 2  # of them that somebody must have been there for: one period is no habit
ALONE = 1.0  # pseudo-count of who has nobody to be compared with
RECENT = 90.0  # days, or the last whole period: who gets new leads now, not who got them a year ago
SOME = 10.0  # wins at everybody's mean amount that a person's own mean is drawn to, as people's skill is
LEVELS = 20  # even steps of what is not known of a mean: a quantile moves by under 1 % with more
MOST = 2000  # equally likely amounts that stand for those of past wins
NAMED = 2  # people that a sentence names
MONEY, SENT = "money", "leads sent on"
GOALS = (
    "who", "kind", "counts", "periods", "usual", "good", "so_far", "open", "new", "expected", "p_good",
    "over",
)  # fmt: skip


@dataclass(frozen=True)
class Tally:
    """Who did how much in which period.

    Args:
        who: names.
        seen: (who, periods) counts of whole periods, oldest first; nan where somebody was not there yet.
        now: (who,) counts of the present period so far.
    """

    who: tuple[str, ...]
    seen: Floats
    now: Floats

    @property
    def whose(self) -> list[int]:
        """Who was there for enough periods, and did anything in them."""
        known = np.isfinite(self.seen).sum(axis=1) >= LEAST
        return np.flatnonzero(known & (np.nansum(self.seen, axis=1) > 0)).tolist()


@dataclass(frozen=True)
class Habit:
    """The law of what each does in a period.

    Args:
        usual: (who,) mean of a period.
        known: (who,) shape of the Gamma law of what that mean may be.
        spread: deviation of the factor on a whole period, shared by all.
    """

    usual: Floats
    known: Floats
    spread: float

    @property
    def shape(self) -> Floats:
        """Shape of the negative binomial law of a period's count, (who,)."""
        shape: Floats = 1.0 / (self.spread**2 + 1.0 / self.known)
        return shape

    def reach(self, goal: Floats, share: float) -> Floats:
        """Return the chance of at least so many counts in a share of a period, (who,)."""
        from scipy.stats import nbinom

        mean = np.maximum(self.usual * share, 1e-12)
        chance: Floats = nbinom.sf(np.ceil(goal) - 1, self.shape, self.shape / (self.shape + mean))
        return chance


@dataclass(frozen=True)
class Look:
    """Where a company stands in a period: its record, whole periods before, and the share that is over."""

    place: Situation
    history: History
    past: tuple[Period, ...]
    over: float

    @property
    def period(self) -> Period:
        """The present period."""
        return self.place.periods[0]


def goals_of(place: Situation, stakes: Stakes | None = None) -> pd.DataFrame:
    """Return what a good period was for each person and team, and what is expected of the present one.

    A person's expected wins are those so far, the chances of his open deals, and leads to come: those of each
    group in the shares in which people got its leads of the last period (90 days at least). Where deals have
    no chances, and of teams, the usual pace counts for the days that are left.

    Args:
        place: where the company stands.
        stakes: what may bring money in its first period, where single deals have chances.

    Returns:
        who, kind (person, team), counts (wins, money, or leads sent on), periods (looked back on), usual
        (mean, shrunk to that of all where few), good (75 % quantile), so_far, open (from open deals), new
        (from leads to come; both nan where the usual pace is taken), expected (by the period's end), p_good
        (chance of a good one), over (share of the period's days that is gone). Nobody without a win, or a
        lead sent on, in all of them. Empty without a history.
    """
    history, period = place.history, place.periods[0]
    nobody = pd.DataFrame(columns=list(GOALS))
    if history is None or history.again:
        return nobody
    past = past_periods(period.start, place.kind, PAST, history.period_start)
    past = tuple(one for one in past if one.start >= history.began)
    if len(past) < LEAST:
        return nobody
    over = (history.until - period.start) / (period.end - period.start)
    look = Look(place, history, past, float(np.clip(over, 0.0, 1.0)))
    sent = _sent_on(look)
    teams = _by_pace(sent, habits(sent.seen[sent.whose]), "team", SENT, look.over)
    parts = [part for part in (_people_rows(look, stakes), teams) if len(part)]
    table = pd.concat(parts, ignore_index=True) if parts else nobody
    return table.assign(over=look.over)[list(GOALS)]


def _by_pace(counts: Tally, habit: Habit, kind: str, what: str, over: float) -> pd.DataFrame:
    """Return rows of `goals_of` for counts of which the usual pace is expected in the days that are left."""
    used, left, good = counts.whose, 1.0 - over, _good(habit)
    now = counts.now[used]
    frame = {
        "who": [counts.who[row] for row in used], "kind": kind, "counts": what,
        "periods": np.isfinite(counts.seen[used]).sum(axis=1), "usual": habit.usual, "good": good,
        "so_far": now, "open": np.nan, "new": np.nan, "expected": now + left * habit.usual,
        "p_good": habit.reach(good - now, left),
    }  # fmt: skip
    return pd.DataFrame(frame)


def _people_rows(look: Look, stakes: Stakes | None) -> pd.DataFrame:
    """Return rows of `goals_of` for people: by wins, and by money where amounts are known."""
    wins = _wins_of(look)
    if not wins.whose:
        return pd.DataFrame()
    habit = habits(wins.seen[wins.whose])
    tables = [_by_pace(wins, habit, "person", WINS, look.over)]
    if shows_amounts(look.history):
        tables.append(_by_pace_in_money(look, tables[0], habit))
    lumps = {} if stakes is None else _lumps_of(look, stakes, list(tables[0]["who"]))
    told = [_with_chances(table, lumps) for table in tables if len(table)]
    sorted_ = [table.sort_values("good", ascending=False, kind="stable") for table in told]
    return pd.concat(sorted_, ignore_index=True)


def _by_pace_in_money(look: Look, counted: pd.DataFrame, habit: Habit) -> pd.DataFrame:
    """Return the rows of people by money.

    A win that shows no amount adds none, as it adds none to what is booked.
    """
    wins, start = bookings(look.history), look.period.start
    wins = wins[((wins["at"] >= look.past[0].start) & (wins["at"] < look.period.end)).to_numpy()]
    lead = look.history.leads.reindex(wins["lead"])
    owner, column = lead["owner"].astype(object).to_numpy(), look.place.model.grouped_by
    group = np.zeros(len(lead), dtype=np.int64)
    if column:
        group = pd.factorize(lead[column].astype(object).fillna("").to_numpy())[0]
    value, before = wins["value"].fillna(0.0).to_numpy(dtype=np.float64), (wins["at"] < start).to_numpy()
    if not value[before].sum() > 0:
        return counted.iloc[:0]
    rows = []
    for law, row in enumerate(counted.to_dict("records")):
        mine = owner == row["who"]
        lump = money_of(habit, law, amounts_like(value[before], group[before], mine[before]))
        good = float(quantiles(distributions(lump)["total"], np.array([GOOD]))[0])
        usual, now = float(lump.expected.mean()), float(value[mine & ~before].sum())
        left = replace(lump, mean_new=lump.mean_new * (1.0 - look.over))
        told = {"counts": MONEY, "usual": usual, "good": good, "so_far": now}
        rows.append(
            row | told | {"expected": now + (1.0 - look.over) * usual, "p_good": _chance(left, good - now)}
        )
    return pd.DataFrame(rows, columns=counted.columns)


def amounts_like(value: Floats, group: Integers, mine: Flags) -> Floats:
    """Return equally likely amounts of somebody's wins: his own, and SOME of everybody's like them.

    Everybody's are taken from the groups (segments) in which he wins, in his own mix: who sells to large
    customers is not drawn to what small ones pay.

    Args:
        value, group: (wins,) amount and group of each.
        mine: (wins,) which are his.
    """
    size = np.bincount(group).astype(np.float64)
    mix = np.bincount(group[mine], minlength=len(size)) / mine.sum()
    weight = mine + SOME * mix[group] / size[group]
    order = np.argsort(value, kind="stable")
    share = np.cumsum(weight[order]) / weight.sum()
    middle = (np.arange(MOST) + 0.5) / MOST
    found: Floats = value[order][np.minimum(np.searchsorted(share, middle), len(order) - 1)]
    return found


def _chance(lump: Lump, missing: float) -> float:
    """Return the chance that so much comes in; sure where nothing is missing."""
    return float(reached(lump, missing).mean()) if missing > 0 else 1.0


def _with_chances(table: pd.DataFrame, lumps: dict[str, Lump]) -> pd.DataFrame:
    """Return rows of people with what open deals and leads to come should bring, where that is known."""
    rows = []
    for row in table.to_dict("records"):
        lump = lumps.get(str(row["who"]))
        if lump is not None:
            lump = lump if row["counts"] == MONEY else in_wins(lump)
            still = float(lump.chance.mean(axis=0) @ lump.amount)
            whole = float(lump.expected.mean())
            chance = _chance(lump, float(row["good"] - row["so_far"]))
            row |= {"open": still, "new": whole - still, "expected": row["so_far"] + whole, "p_good": chance}
        rows.append(row)
    return pd.DataFrame(rows, columns=table.columns)


def in_wins(lump: Lump) -> Lump:
    """Return what may bring money as what may bring wins."""
    return replace(lump, amount=np.ones(len(lump.amount)), atoms=np.ones((len(lump.atoms), 1)))


def _lumps_of(look: Look, stakes: Stakes, who: list[str]) -> dict[str, Lump]:
    """Return what may bring money in the present period through each person.

    Kinds of leads to come are the groups, and then each group at each other price.
    """
    lump, groups, shares = stakes.first, len(look.place.model.groups), _shares(look)
    if shares is None:
        return {}
    owner = open_leads(look.history)["owner"].astype(object).fillna("").to_numpy()[stakes.first_coin]
    found = {}
    for name in who:
        own, share = owner == name, shares.get(name, np.zeros(groups))
        kinds = np.append(share, np.repeat(share, len(lump.atoms) // groups - 1))
        chance, born = np.ascontiguousarray(lump.chance[:, own]), lump.mean_new * kinds
        found[name] = Lump(lump.amount[own], chance, born, lump.atoms, lump.spread)
    return found


def _shares(look: Look) -> dict[str, Floats] | None:
    """Return each owner's share of the leads that came lately, (groups,); of all where a group had none."""
    model, leads = look.place.model, lead_table(look.history)
    recent = min((look.past[-1].start - look.history.until) / DAY, -RECENT)
    leads = leads[(leads["day"] >= recent).to_numpy()]
    if leads.empty:
        return None
    group = group_numbers(leads[model.grouped_by] if model.grouped_by else None, model.groups, len(leads))
    owner, names = pd.factorize(leads["owner"], sort=True)
    count = np.zeros((len(names), len(model.groups)))
    np.add.at(count, (owner, group), 1.0)
    count = np.where(count.sum(axis=0) > 0, count, count.sum(axis=1, keepdims=True))
    return {str(name): row for name, row in zip(names, count / count.sum(axis=0), strict=True)}


def habits(seen: Floats) -> Habit:
    """Return the law of a period's count of each.

    With n periods, total S and all's mean m, a mean has the law Gamma(k + S, k / m + n), k from how much
    people differ (k = 1 for one alone). Tally vary by Poisson luck and a spread s that all share, so that
    the next one is negative binomial of mean (k + S) / (k / m + n) and shape 1 / (s^2 + 1 / (k + S)).

    Args:
        seen: (who, periods) counts, oldest first; nan where somebody was not there.

    Source: shrinkage: Clayton and Kaldor 1987, doi:10.2307/2532003.
    """
    if not seen.size:
        return Habit(np.zeros(0), np.zeros(0), 0.0)
    number, total = np.isfinite(seen).sum(axis=1), np.nansum(seen, axis=1)
    mean = float(total.sum() / max(number.sum(), 1))
    k = float(strength(total, number * mean)) if len(seen) > 1 else ALONE
    newest = seen[:, ::-1]
    fair = np.where(np.isfinite(newest), (total / np.maximum(number, 1))[:, None], 0.0)
    pairs = [excess_spread(np.nan_to_num(row), due) for row, due in zip(newest, fair, strict=True)]
    spread = float(np.sqrt(np.average(np.square(pairs), weights=total)))
    return Habit((k + total) / (k / mean + number), k + total, spread)


def good_periods(seen: Floats) -> tuple[Floats, Floats]:
    """Return the usual and the good count of a period of each, (who,), see `habits`.

    >>> [part.round(1).tolist() for part in good_periods(np.array([[20.0, 24.0, 16.0, 20.0]]))]
    [[20.0], [23.0]]
    """
    habit = habits(seen)
    return habit.usual, _good(habit)


def _good(habit: Habit) -> Floats:
    """Return the count that one period in four beats, (who,)."""
    from scipy.stats import nbinom

    good: Floats = nbinom.ppf(GOOD, habit.shape, habit.shape / (habit.shape + habit.usual))
    return good


def money_of(habit: Habit, law: int, amounts: Floats) -> Lump:
    """Return what somebody's period may bring: wins of an uncertain mean, times equally likely amounts.

    Args:
        habit: the laws of all.
        law: number of his own among them.
        amounts: (wins,) money of each.
    """
    from scipy.special import gammaincinv

    even = gammaincinv(habit.known[law], (np.arange(LEVELS) + 0.5) / LEVELS)
    mean = habit.usual[law] * even / even.mean()
    return Lump(np.zeros(0), np.zeros((LEVELS, 0)), mean[:, None], amounts[None], habit.spread)


def _between(moments: pd.Series, names: pd.Series, who: list[str], periods: tuple[Period, ...]) -> Floats:
    """Return how many moments of each name lie in each period, (who, periods)."""
    table = np.zeros((len(who), len(periods)))
    for column, period in enumerate(periods):
        inside = ((moments >= period.start) & (moments < period.end)).to_numpy()
        table[:, column] = names[inside].value_counts().reindex(who).fillna(0.0).to_numpy()
    return table


def _wins_of(look: Look) -> Tally:
    """Return the wins of each owner who had a lead in the last periods, from the first whole period on."""
    history, past, now = look.history, look.past, look.period
    if "owner" not in history.leads.columns:
        return Tally((), np.zeros((0, len(past))), np.zeros(0))
    owner, visits = history.leads["owner"].astype(object).fillna(""), spells(history)
    begun = history.until + pd.to_timedelta(visits["start"], unit="D")
    first = begun.groupby(visits["lead"].map(owner).astype(object)).min()
    who = [str(name) for name in first.index if name not in UNKNOWN]
    wins = bookings(history)
    names = wins["lead"].map(owner)
    seen = _between(wins["at"], names, who, past)
    for row, name in enumerate(who):
        seen[row, [one.start < first[name] for one in past]] = np.nan
    return Tally(tuple(who), seen, _between(wins["at"], names, who, (now,))[:, 0])


def _sent_on(look: Look) -> Tally:
    """Return the leads that each team sent on: that went on from its stages to others' or to a good end."""
    history, past, now = look.history, look.past, look.period
    visits, who = spells(history), [team for team, _ in history.teams]
    team_of = {stage: team for team, stages in history.teams for stage in stages}
    here, there = visits["stage"], visits["exit"]
    leaves = (here.map(team_of).notna() & (here.map(team_of) != there.map(team_of))).to_numpy()
    rows = visits[went_on(history, visits) & leaves]
    at = history.until + pd.to_timedelta(rows["stop"], unit="D")
    names = rows["stage"].map(team_of)
    return Tally(
        tuple(who), _between(at, names, who, past), _between(at, names, who, (now,))[:, 0]
    )  # fmt: skip


def goal_words(goals: pd.DataFrame, period: str, kind: str, currency: str) -> Iterator[str]:
    """Say for whom a good period is more likely than not, what was counted, and how far teams have come.

    Args:
        goals: see `goals_of`.
        period: name of the present one.
        kind: week, month, quarter or year.
        currency: of money, "" where none is stated.
    """
    people, teams = (goals[goals["kind"] == one] for one in ("person", "team"))
    if len(people):
        ways = [(what, people[people["counts"] == what]) for what in (WINS, MONEY)]
        ways = [(what, rows) for what, rows in ways if len(rows)]
        likely = ", ".join(f"{int((rows['p_good'] > 0.5).sum())} by {what}" for what, rows in ways)
        number = f"{len(ways[0][1])} people" if len(ways[0][1]) > 1 else "one person"
        yield f"A good {kind}, as one in four was, is more likely than not for {likely}, of {number}."
        nearest = "; ".join(f"by {what} {_nearest(rows, currency)}" for what, rows in ways)
        by_chance = people["open"].notna().all()
        still = "open deals and leads to come" if by_chance else "the usual pace for the days that are left"
        over = words.percent(float(people["over"].iloc[0]))
        yield (
            f"Nearest are {nearest}. Counted are wins so far, and {still}: {over} of {words.name(period)} "
            "is over."
        )
    for row in teams.to_dict("records"):
        good, so_far, expected = (words.digits(row[name]) for name in ("good", "so_far", "expected"))
        yield (
            f"A good {kind} of {words.name(row['who'])}, as one in four was, had {good} leads sent on; "
            f"{so_far} so far, {expected} at the usual pace by its end: chance "
            f"{words.percent(row['p_good'])}, {words.percent(row['over'])} of the {kind} being over."
        )


def _nearest(rows: pd.DataFrame, currency: str) -> str:
    """Say for whom a good period is likeliest."""
    rows = rows.sort_values("p_good", ascending=False, kind="stable").head(NAMED)
    named = []
    for row in rows.to_dict("records"):
        unit = currency if row["counts"] == MONEY else WINS
        expected, good = (words.amount(row[name], unit) for name in ("expected", "good"))
        named.append(
            f"{words.name(row['who'])} ({words.percent(row['p_good'])}: {expected}, good from {good})"
        )
    return ", ".join(named)


def goals_table(goals: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return a row of each person and team, money beside counts, as people read it, and kinds of columns."""
    heads = {
        "who": "who", "counts": "counts", "usual": "usual", "good": "good", "so_far": "so far",
        "open": "open deals", "new": "leads to come", "expected": "expected", "p_good": "chance",
    }  # fmt: skip
    kinds = dict.fromkeys(list(heads.values())[2:], "number") | {"chance": "share"}
    counts, money = goals[goals["counts"] != MONEY], goals[goals["counts"] == MONEY].set_index("who")
    table = counts[list(heads)].rename(columns=heads)
    for name in ("good", "so_far", "expected", "p_good") if len(money) else ():
        head = f"{heads[name]}, money"
        alone = money[name].reindex(counts["who"]).to_numpy()
        table[head] = np.where(counts["kind"] == "person", alone, np.nan)
        kinds[head] = "share" if name == "p_good" else "money"
    return table.dropna(axis="columns", how="all"), kinds

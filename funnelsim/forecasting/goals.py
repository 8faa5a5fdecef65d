"""Goals from history: what a good period was for each person and team, and how far this one has come.

What a person wins, and what leads a team sends on, in a period has a negative binomial law: Poisson luck, a
spread that all share, and a mean that is known by so many counts only. A good period is its 75 % quantile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats
from funnelsim.calibration.posterior import strength
from funnelsim.calibration.shocks import excess_spread
from funnelsim.forecasting.forecast import Forecast
from funnelsim.forecasting.people import UNKNOWN
from funnelsim.forecasting.periods import Period, past_periods
from funnelsim.forecasting.situation import Situation
from funnelsim.history.log import History, bookings, spells
from funnelsim.history.metrics import went_on
from funnelsim.show import words

GOOD = 0.75  # one period in four was better: ambitious, and reached before
PAST = 8  # whole periods that are looked back on: two years of quarters, so that every season counts twice
LEAST = 2  # of them that somebody must have been there for: one period is no habit
ALONE = 1.0  # pseudo-count of who has nobody to be compared with
GOALS = ("who", "kind", "counts", "periods", "usual", "good", "so_far", "open", "in_sight", "over")


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


def goals_of(place: Situation, found: Forecast) -> pd.DataFrame:
    """Return what a good period was for each person and team, and what the present one has in sight.

    Args:
        place: where the company stands.
        found: its forecast, of which the chances of open deals are taken.

    Returns:
        who, kind (person, team), counts (wins, or leads sent on), periods (looked back on), usual (mean,
        shrunk to that of all where few), good (75 % quantile), so_far, open (wins that open deals should
        still bring in the period), in_sight (both; nan for teams), over (share of the period's days that is
        gone). Nobody without a win, or a lead sent on, in all of them. Empty without a history.
    """
    history, period = place.history, place.periods[0]
    if history is None or history.again:
        return pd.DataFrame(columns=list(GOALS))
    past = past_periods(period.start, place.kind, PAST, history.period_start)
    past = tuple(one for one in past if one.start >= history.began)
    if len(past) < LEAST:
        return pd.DataFrame(columns=list(GOALS))
    gone = (history.until - period.start) / (period.end - period.start)
    parts = [
        _rows(_wins_of(history, past, period), "person", "wins", _still(place, found)),
        _rows(_sent_on(history, past, period), "team", "leads sent on", None),
    ]
    table = pd.concat(parts, ignore_index=True).assign(over=float(np.clip(gone, 0.0, 1.0)))
    return table[list(GOALS)]


def _rows(counts: Tally, kind: str, what: str, still: pd.Series | None) -> pd.DataFrame:
    """Return rows of `goals_of` for people, or for teams."""
    known = np.isfinite(counts.seen)
    used = (known.sum(axis=1) >= LEAST) & (np.nansum(counts.seen, axis=1) > 0)
    usual, good = good_periods(counts.seen[used])
    who = [name for name, kept in zip(counts.who, used, strict=True) if kept]
    more = np.full(len(who), np.nan) if still is None else still.reindex(who).fillna(0.0).to_numpy()
    frame = {
        "who": who, "kind": kind, "counts": what, "periods": known.sum(axis=1)[used], "usual": usual,
        "good": good, "so_far": counts.now[used], "open": more,
        "in_sight": counts.now[used] + more,
    }  # fmt: skip
    return pd.DataFrame(frame).sort_values("good", ascending=False, kind="stable")


def good_periods(seen: Floats) -> tuple[Floats, Floats]:
    """Return the usual and the good count of a period of each, (who,).

    With n periods, total S and all's mean m, a mean has the law Gamma(k + S, k / m + n), k from how much
    people differ (k = 1 for one alone). Tally vary by Poisson luck and a spread s that all share, so that
    the next one is negative binomial of mean (k + S) / (k / m + n) and shape 1 / (s^2 + 1 / (k + S)).

    Args:
        seen: (who, periods) counts, oldest first; nan where somebody was not there.

    Source: shrinkage: Clayton and Kaldor 1987, doi:10.2307/2532003.

    >>> [part.round(1).tolist() for part in good_periods(np.array([[20.0, 24.0, 16.0, 20.0]]))]
    [[20.0], [23.0]]
    """
    from scipy.stats import nbinom

    if not seen.size:
        return np.zeros(0), np.zeros(0)
    number, total = np.isfinite(seen).sum(axis=1), np.nansum(seen, axis=1)
    mean = float(total.sum() / max(number.sum(), 1))
    k = float(strength(total, number * mean)) if len(seen) > 1 else ALONE
    usual = (k + total) / (k / mean + number)
    newest = seen[:, ::-1]
    fair = np.where(np.isfinite(newest), (total / np.maximum(number, 1))[:, None], 0.0)
    pairs = [excess_spread(np.nan_to_num(row), due) for row, due in zip(newest, fair, strict=True)]
    spread = float(np.average(np.square(pairs), weights=total))
    shape = 1.0 / (spread + 1.0 / (k + total))
    good: Floats = nbinom.ppf(GOOD, shape, shape / (shape + usual))
    return usual, good


def _between(moments: pd.Series, names: pd.Series, who: list[str], periods: tuple[Period, ...]) -> Floats:
    """Return how many moments of each name lie in each period, (who, periods)."""
    table = np.zeros((len(who), len(periods)))
    for column, period in enumerate(periods):
        inside = ((moments >= period.start) & (moments < period.end)).to_numpy()
        table[:, column] = names[inside].value_counts().reindex(who).fillna(0.0).to_numpy()
    return table


def _wins_of(history: History, past: tuple[Period, ...], now: Period) -> Tally:
    """Return the wins of each owner who had a lead in the last periods, from the first whole period on."""
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


def _sent_on(history: History, past: tuple[Period, ...], now: Period) -> Tally:
    """Return the leads that each team sent on: that went on from its stages to others' or to a good end."""
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


def _still(place: Situation, found: Forecast) -> pd.Series:
    """Return the wins that open deals should still bring in the first period, by owner."""
    chance = f"P(win {place.periods[0].label})"
    if "owner" not in found.deals.columns or chance not in found.deals.columns:
        return pd.Series(dtype=np.float64)
    return found.deals.groupby("owner")[chance].sum()


def goal_words(goals: pd.DataFrame, span: str) -> Iterator[str]:
    """Say who has a good period in sight, of the people that there are, and how far teams have come."""
    people, teams = (goals[goals["kind"] == kind] for kind in ("person", "team"))
    if len(people):
        near = people[people["in_sight"] >= people["good"]]
        names = ": " + ", ".join(words.name(name) for name in near["who"]) if len(near) else ""
        yield f"{len(near)} of {len(people)} people have a good {span} in sight{names}."
    for row in teams.to_dict("records"):
        yield (
            f"A good {span} of {words.name(row['who'])} was {words.digits(row['good'])} leads sent on; "
            f"{words.digits(row['so_far'])} so far, {words.percent(row['over'])} of the {span} being over."
        )

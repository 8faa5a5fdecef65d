"""People compared on their own mix of leads, by result and by pace, as far as luck lets them be told apart.

Nobody is judged by few deals: unless people as a whole differ more than luck explains, no one stands out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtrc, gammaincinv

from funnelsim.arrays import Flags, Floats, Integers
from funnelsim.calibration.counting import Visits, count_visits, visits_of
from funnelsim.calibration.posterior import expected_leavers, posterior_table, stream, strength
from funnelsim.calibration.values import sized
from funnelsim.forecasting.situation import Situation
from funnelsim.history.log import DAY, History, bookings, days_since, known_at, spells
from funnelsim.history.metrics import Cohort, aalen_johansen
from funnelsim.model.funnel import Funnel
from funnelsim.model.rates import Counts
from funnelsim.show import words

ALPHA = 0.05  # of companies of equal people, in so many somebody is told apart: half by result, half by pace
# From five expected wins on a person enters the comparison: of five, none or ten are still luck.
FEWEST = 5.0
# What is common to leads of a channel, a size or a quarter is shrunk by ten wins, as weekdays are.
COMMON, ROUNDS = 10.0, 20
DRAWS = 4000  # by which chances to be best are known within one in a hundred
SURE = 0.975  # that one is better than another: as a two-sided interval of 95 % says it
TAILS = (0.025, 0.975)
NEWCOMER = 90.0  # days after the record began from which somebody's first lead makes him new
TENURES = (0.0, 90.0, 180.0, 365.0, np.inf)
UNKNOWN = ("", "unknown")
PEOPLE = (
    "owner", "leads", "wins", "expected", "ratio", "skill", "low", "high", "p_best", "group", "verdict",
    "why",
)  # fmt: skip
PACE = ("owner", "stage", "left", "expected", "ratio", "pace", "low", "high", "verdict")
ONBOARDING = ("tenure", "people", "leads", "wins", "expected", "ratio", "low", "high")


@dataclass(frozen=True)
class People:
    """How people do, each beside what leads like his own would bring in other hands.

    Args:
        results: owner, leads, wins, expected (of such leads by now), ratio, skill (the ratio, shrunk to 1 as
            far as luck asks) with low and high (95 %), p_best, group (who shares a number cannot be told
            apart), verdict (above, below, too few, or "" where it may be luck), why.
        pace: the same by stage: leads that left it, beside those that others' leads of such ages would have.
        onboarding: newcomers' wins by time since their first lead.
        luck: the chance that people who are alike differ so much by result; nan where nobody is compared.
    """

    results: pd.DataFrame
    pace: pd.DataFrame
    onboarding: pd.DataFrame
    luck: float


def people_of(place: Situation) -> People:
    """Return how people do; empty frames where no owner is known, or only one."""
    history = place.history
    results, pace, onboarding = (pd.DataFrame(columns=list(names)) for names in (PEOPLE, PACE, ONBOARDING))
    nobody = People(results, pace, onboarding, np.nan)
    if history is None or "owner" not in history.leads.columns or history.again:
        return nobody
    leads = lead_table(history)
    if leads["owner"].nunique() < 2:
        return nobody
    results, luck, leads = results_of(leads)
    model = place.model
    visited = spells(sized(history, model.sizes))
    began = float((history.began - history.until) / DAY)
    column = model.grouped_by or "segment"
    visits = visits_of(visited, model.funnel, model.groups, grouped_by=column, began=began)
    owner = visited["owner"].to_numpy(dtype=object)
    bins = np.array(model.counts.edges if model.counts is not None else (0.0, 1.0, 7.0, 30.0, 90.0))
    pace = pace_of_people(visits, owner, model.funnel, len(model.groups), bins)
    return People(results, pace, onboarding_of(leads, began), luck)


def lead_table(history: History) -> pd.DataFrame:
    """Return leads with an owner: owner, segment, channel, entry (stage), size, day, won (day, inf if not).

    The size, a third of the segment's amounts, counts only where most leads show one as they come in: who
    gets an amount on the way has come far already.
    """
    visited = spells(history)
    first = visited[visited["entry"].to_numpy() & (visited["since"] <= 0).to_numpy()]
    first = first[~first["owner"].isin(UNKNOWN).to_numpy()].drop_duplicates("lead").reset_index(drop=True)
    table = first[["lead", "owner", "segment", "channel"]].astype(object)
    table["entry"], table["day"] = first["stage"].astype(object), first["start"]
    at = pd.Series(history.until + pd.to_timedelta(first["start"], unit="D"))
    value = known_at(history, "value", first["lead"], at, exact=True)
    amount = pd.to_numeric(value, errors="coerce").to_numpy(dtype=np.float64)
    table["size"] = _thirds(amount, table["segment"]) if np.isfinite(amount).mean() > 0.5 else "all"
    wins = bookings(history).drop_duplicates("lead").set_index("lead")["at"]
    won = wins.reindex(first["lead"]).reset_index(drop=True)
    table["won"] = np.nan_to_num(days_since(won, history.until), nan=np.inf)
    return table


def _thirds(amount: Floats, segment: pd.Series) -> list[str]:
    """Return in which third of its segment's amounts each lead lies, "unknown" where none is shown."""
    rank = pd.Series(amount).groupby(segment.to_numpy()).rank(pct=True).to_numpy()
    return ["unknown" if np.isnan(x) else f"third {int(np.ceil(3 * x))}" for x in rank]


def results_of(leads: pd.DataFrame) -> tuple[pd.DataFrame, float, pd.DataFrame]:
    """Return how many of each person's leads were won, beside what such leads win by now in all hands.

    A lead of age C counts with F(C), the share of its segment and way in that is won by that age (those lost
    stay in the denominator), times factors of its channel, size and quarter. These and the owners' own are
    fitted together, in turns, so that who has the good leads takes nothing from them. The person's multiplier
    has a Gamma law of shape k, fitted to all, and k + wins after seeing his; binomial wins vary less than
    Poisson ones, by the mean of 1 - F. Unless a chi-squared test finds people unlike, nobody stands out.

    Args:
        leads: owner, segment, channel, entry, size, day (negative), won (day; inf where not).

    Returns:
        See `People.results`; the chance of so much luck; the leads with the column fair.

    Source: indirect standardisation and shrinkage: Clayton and Kaldor 1987, doi:10.2307/2532003.
    """
    known = leads.reset_index(drop=True).copy()
    won = np.isfinite(known["won"].to_numpy(dtype=np.float64)).astype(np.float64)
    known["fair"] = _adjusted(known, won, _by_age(known))
    fair = known["fair"].to_numpy(dtype=np.float64)
    codes, owners = pd.factorize(known["owner"], sort=True)
    count, wins, due = (_sums(codes, x, len(owners)) for x in (np.ones(len(codes)), won, fair))
    spread = _sums(codes, fair * (1 - np.minimum(fair, 1.0)), len(owners)) / np.maximum(due, 1e-9)
    compared = due >= FEWEST
    table = pd.DataFrame({"owner": list(map(str, owners)), "leads": count, "wins": wins, "expected": due})
    table["ratio"] = wins / np.maximum(due, 1e-9)
    level, luck = _judged(wins, due, np.maximum(spread, 0.05), compared, ALPHA / 2)
    return _ranked(pd.concat([table, level], axis=1), luck < ALPHA / 2), luck, known


def _by_age(leads: pd.DataFrame) -> Floats:
    """Return the share of leads of the same segment and way in that is won by each lead's present age."""
    age = -leads["day"].to_numpy(dtype=np.float64)
    took = leads["won"].to_numpy(dtype=np.float64) + age
    won, fair = np.isfinite(took), np.zeros(len(leads))
    key = leads["segment"].astype(str) + "|" + leads["entry"].astype(str)
    few = pd.Series(won).groupby(key.to_numpy()).sum()
    key = key.where(~key.isin(few[few < FEWEST].index), leads["segment"].astype(str))
    for rows in key.groupby(key.to_numpy()).indices.values():
        days = np.where(won[rows], took[rows], age[rows])
        share = aalen_johansen(Cohort(days, won[rows].astype(np.int64), np.zeros(len(rows))), 1)
        place = np.searchsorted(share.days, age[rows], side="right")
        fair[rows] = np.append(0.0, share.share)[place]
    return fair


def _adjusted(leads: pd.DataFrame, won: Floats, fair: Floats) -> Floats:
    """Return what is expected of each lead by its channel, size and quarter too, whoever has it."""
    quarter = (leads["day"].to_numpy(dtype=np.float64) // 91).astype(np.int64)
    kinds = [pd.factorize(column)[0] for column in (leads["channel"], leads["size"], quarter)]
    owner = pd.factorize(leads["owner"], sort=True)[0]
    factors = [np.ones(code.max() + 1) for code in kinds]
    hands = np.ones(owner.max() + 1)
    for _ in range(ROUNDS):
        for turn, code in enumerate(kinds):
            rest = fair * hands[owner]
            for other, values in enumerate(factors):
                rest = rest * (values[kinds[other]] if other != turn else 1.0)
            seen, due = (_sums(code, x, len(factors[turn])) for x in (won, rest))
            factors[turn] = (COMMON + seen) / (COMMON + due)
        rest = fair * np.prod([values[code] for values, code in zip(factors, kinds, strict=True)], axis=0)
        seen, due = (_sums(owner, x, len(hands)) for x in (won, rest))
        k = float(strength(seen, due))
        hands = (k + seen) / (k + due)
    rest = fair * np.prod([values[code] for values, code in zip(factors, kinds, strict=True)], axis=0)
    adjusted: Floats = rest * (won.sum() / max(float(rest.sum()), 1e-9))
    return adjusted


def _sums(code: Integers, amount: Floats, number: int) -> Floats:
    return np.bincount(code, amount, number).astype(np.float64)


def _judged(
    seen: Floats, due: Floats, spread: Floats, compared: Flags, alpha: float
) -> tuple[pd.DataFrame, float]:
    """Return skill, low, high and verdict of each, and the chance that equal ones differ so much.

    Args:
        seen, due: (people,) counts, and what was expected.
        spread: (people,) their variance over that of Poisson counts.
        compared: (people,) who has enough to be compared.
        alpha: below which chance they are unlike.
    """
    observed, fair, enough = seen / spread, due / spread, compared
    number, luck = int(enough.sum()), np.nan
    if number >= 2:
        scaled = fair[enough] * observed[enough].sum() / max(float(fair[enough].sum()), 1e-9)
        luck = float(chdtrc(number - 1, ((observed[enough] - scaled) ** 2 / scaled).sum()))
    k = float(strength(observed[enough], fair[enough])) if number >= 2 else COMMON
    skill = (k + observed) / (k + fair)
    low, high = (gammaincinv(k + observed, tail) / (k + fair) for tail in TAILS)
    unlike = np.isfinite(luck) and luck < alpha
    told = np.where(unlike & (low > 1), "above", np.where(unlike & (high < 1), "below", ""))
    told = np.where(enough, told, "too few")
    shape = {"shape": k + observed, "scale": 1 / (k + fair)}
    return pd.DataFrame({"skill": skill, "low": low, "high": high, "verdict": told, **shape}), luck


def _ranked(table: pd.DataFrame, unlike: bool) -> pd.DataFrame:
    """Return the table with chances to be best, groups that cannot be told apart, and words; best first."""
    table = table.sort_values("skill", ascending=False, kind="stable").reset_index(drop=True)
    shape, scale = (table[name].to_numpy(dtype=np.float64) for name in ("shape", "scale"))
    draws = stream(1, "people").gamma(shape, scale, (DRAWS, len(table)))
    enough = (table["verdict"] != "too few").to_numpy()
    draws[:, ~enough] = -np.inf
    best = np.bincount(draws.argmax(axis=1), minlength=len(table)) / DRAWS
    table["p_best"] = np.where(enough, best, np.nan)
    group: list[int] = []
    leader = -1
    for one in range(len(table)):
        apart = leader < 0 or (unlike and float((draws[:, leader] > draws[:, one]).mean()) >= SURE)
        if enough[one] and apart:
            leader = one
            group.append((group[-1] if group else 0) + 1)
        else:
            group.append(group[-1] if group else 1)
    table["group"] = pd.Series(group, dtype="Int64").where(enough)
    table["why"] = [
        f"{row['wins']:,.0f} of {row['leads']:,.0f} leads won by now, {row['expected']:.1f} of such leads in "
        "all hands"
        for row in table.to_dict("records")
    ]
    return table[list(PEOPLE)]


def pace_of_people(
    visits: Visits, owner: NDArray[np.object_], funnel: Funnel, groups: int, bins: Floats
) -> pd.DataFrame:
    """Return how fast leads leave each stage in each person's hands, beside leads of such ages in all hands.

    Args:
        visits: all visits.
        owner: (visits,) whose lead it is.
        funnel: the map.
        groups: how many kinds of lead have rates of their own.
        bins: edges of ages, days.

    Returns:
        See `People.pace`; stages in the funnel's order.
    """
    rows = np.flatnonzero(~np.isin(owner.astype(str), UNKNOWN))
    codes, owners = pd.factorize(owner[rows].astype(str), sort=True)
    if len(owners) < 2:
        return pd.DataFrame(columns=list(PACE))
    seen, due = _leavers(visits.rows(rows), codes.astype(np.int64), len(owners), funnel, groups, bins)
    stages = [
        one for one, name in enumerate(funnel.stages) if name not in funnel.earns and seen[:, one].sum()
    ]
    parts = []
    for stage in stages:
        fair = due[:, stage] * seen[:, stage].sum() / max(float(due[:, stage].sum()), 1e-9)
        level, _ = _judged(
            seen[:, stage], fair, np.ones(len(owners)), fair >= FEWEST, ALPHA / 2 / len(stages)
        )
        table = pd.DataFrame({"owner": owners, "stage": funnel.stages[stage]})
        table["left"], table["expected"] = seen[:, stage], fair
        table["ratio"] = seen[:, stage] / np.maximum(fair, 1e-9)
        parts.append(pd.concat([table, level], axis=1).rename(columns={"skill": "pace"})[list(PACE)])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(PACE))


def _leavers(
    visits: Visits, owner: Integers, people: int, funnel: Funnel, groups: int, bins: Floats
) -> tuple[Floats, Floats]:
    """Return leads that left each stage, and that all hands' rates expect of them, (people, stages)."""
    shape = (people * groups, *funnel.targets.shape)
    own = Visits(
        visits.stage, owner * groups + visits.group, visits.exit, visits.start, visits.since, visits.dwell
    )
    counts = count_visits(own, shape, bins)
    spent = counts.spent if counts.spent is not None else np.zeros_like(counts.exposure)
    events, exposure, stayed = (
        part.reshape(people, groups, *part.shape[1:]).sum(axis=0)
        for part in (counts.events, counts.exposure, spent)
    )
    pooled = Counts(counts.edges, events, exposure, stayed)
    rate = np.tile(posterior_table(pooled, funnel), (people, 1, 1, 1))
    found = [counts.events.sum(axis=(2, 3)), expected_leavers(counts, rate).sum(axis=(2, 3))]
    seen, due = (part.reshape(people, groups, -1).sum(axis=1) for part in found)
    return seen, due


def onboarding_of(leads: pd.DataFrame, began: float) -> pd.DataFrame:
    """Return newcomers' wins by the days between their first lead and the lead, beside all hands'.

    Args:
        leads: with the column fair, see `results_of`.
        began: first day of the record; whose first lead came within 90 days of it may have been there before.

    Returns:
        tenure, people, leads, wins, expected, ratio, low and high (95 %); no rows without newcomers.
    """
    first = leads.groupby("owner")["day"].transform("min")
    new = leads[(first >= began + NEWCOMER).to_numpy()]
    rows = []
    for low, high in pairwise(TENURES):
        days = new["day"] - first.loc[new.index]
        part = new[((days >= low) & (days < high)).to_numpy()]
        if part.empty:
            continue
        wins, due = float(np.isfinite(part["won"]).sum()), float(part["fair"].sum())
        ends = gammaincinv(wins + 0.5, np.array(TAILS)) / max(due, 1e-9)
        tenure = f"{low:.0f} to {high:.0f} days" if np.isfinite(high) else f"from {low:.0f} days on"
        rows.append((tenure, part["owner"].nunique(), len(part), wins, due, wins / max(due, 1e-9), *ends))
    return pd.DataFrame(rows, columns=list(ONBOARDING))


def people_words(found: People) -> Iterator[str]:
    """Say who stands out beyond luck, by result and by pace, or that nobody does."""
    compared = found.results[found.results["verdict"] != "too few"]
    if len(compared) < 2:
        return
    odd = compared[compared["verdict"].isin(["above", "below"])]
    if odd.empty:
        yield (
            f"By results, {len(compared)} people cannot be told apart on their own mix of leads: equal ones "
            f"would differ so much in {words.percent(found.luck)} of cases."
        )
    for said, verdict in (("more", "above"), ("fewer", "below")):
        rows = odd[odd["verdict"] == verdict]
        if len(rows):
            yield f"On their own mix of leads, {_named(rows)} won {said} than luck explains."
    slow = found.pace[found.pace["verdict"] == "below"]
    for stage, rows in slow.groupby("stage", sort=False):
        names = ", ".join(words.name(name) for name in rows["owner"])
        yield f"Leads leave {words.name(stage)} later than others' in the hands of {names}."


def _named(rows: pd.DataFrame) -> str:
    told: Sequence[str] = [
        f"{words.name(row['owner'])} ({row['skill']:.2f} times, {row['low']:.2f} to {row['high']:.2f})"
        for row in rows.to_dict("records")
    ]
    return ", ".join(told)

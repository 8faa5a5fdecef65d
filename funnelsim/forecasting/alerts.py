"""Alerts that may be looked at every week: what changed since when, how sure that is, and what it costs.

Counts since a watch began are held against what was known before it. With a Gamma law of shape k on the
rate, counts S where mu were expected have the likelihood M(k) = Gamma(k+S)/Gamma(k) k^k / (k+mu)^(k+S),
but for what all laws share. Unchanged, the rate has the law that the record before the watch left of it
(shape a); after a change it has a wide one (shape 2), below 1 only for a fall, above 1 only for a rise.
The mean over all weeks j in which the change may have come, e = mean_j M(a; before j) M(2; from j on) /
M(a; all), is an e-process: whenever one looks, an unchanged company shows e >= 1 / alpha with a chance of
alpha at most.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincc, gammaincinv, gammaln, logsumexp

from funnelsim.arrays import Flags, Floats, Integers
from funnelsim.calibration.counting import Visits, count_visits, counts_between, visits_of
from funnelsim.calibration.intake import SHARE_HALF_LIFE, block_counts, block_days, came_in, coming_leads
from funnelsim.calibration.posterior import Posterior, expected_leavers, mean_rates, posterior
from funnelsim.calibration.shocks import MOST_WINDOWS, excess_spread
from funnelsim.calibration.values import sized
from funnelsim.forecasting.attribution import Bench
from funnelsim.forecasting.forecast import choose_engine
from funnelsim.forecasting.periods import TOTAL, days_of
from funnelsim.forecasting.situation import Situation
from funnelsim.forecasting.split import FOREVER, wins_some_day
from funnelsim.history.log import DAY, spells
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import IntakeChange, Model, expected
from funnelsim.model.rates import Counts, RateTable, constant_table, model_incidence
from funnelsim.show import words

WIDE = 2.0  # shape of the law of a changed rate: a half or a fifth are as likely as nine tenths
ALPHA = 0.05  # of unchanged companies, so many may see an alert within a year of weekly looks
# Of these, four fifths are left to falls, so that good news makes them hardly later.
OF_FALLS, RISES = 0.8, ("conversion", "intake")  # that leads leave a stage sooner need not be good
# A year is watched where the record is thrice as long, so that every season is, and rates are fitted to two;
# four weeks at least, and a month of weeks is a window in which a company runs hot or cold.
LONGEST, SHORTEST, PART, MONTH = 52, 4, 3, 4
FEWEST = 5.0  # expected in the watch: of fewer even none at all proves nothing
LATER = 2.0  # times what a period has at stake that all of them must have to be told beside it
LIVES = 60  # replications where leads queue: enough to tell a tenth of the revenue
TAILS = (0.025, 0.975)
ADVICE = {
    "conversion": "ask what changed there: offer, price, people, kind of lead",
    "speed": "look for what leads wait for there",
    "intake": "check the campaign, the form, and the record of this way in",
}
KEEP = {"conversion": "find out what is done there, and keep it", "intake": "see that somebody calls them"}
ALERTS = (
    "kind", "stage", "segment", "channel", "since", "seen", "expected", "ratio", "low", "high", "e", "luck",
    "stake", "share", "whole", "why", "advice",
)  # fmt: skip


@dataclass(frozen=True)
class Watched:
    """Counts of one thing, week by week since the watch began, and what was expected of it.

    Args:
        kind: "conversion", "speed" or "intake".
        stage, segment, channel: what of; "" for all.
        seen: (weeks,) counts.
        fair: (weeks,) what was expected of the leads at risk by what was known before.
        shape: of the Gamma law of mean 1 on what was expected, from what was not known; inf where stated.
        noise: variance of a month's counts over that of Poisson counts, 1 or more.
        later: (weeks,) what the model of today expects of the same leads.
        exits: numbers of the exits that are counted; none where leads come in.
    """

    kind: str
    stage: str
    segment: str
    channel: str
    seen: Floats
    fair: Floats
    shape: float
    noise: float
    later: Floats
    exits: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


Found: TypeAlias = tuple[Watched, float]  # what changed, and its evidence


def mixture_log(count: Floats, fair: Floats, shape: float) -> Floats:
    """Return log M of counts under a Gamma law of mean 1 on the rate; shape inf is a known rate."""
    if np.isinf(shape):
        return -np.asarray(fair, dtype=np.float64)
    found: Floats = (
        gammaln(shape + count)
        - gammaln(shape)
        + shape * np.log(shape)
        - (shape + count) * np.log(shape + fair)
    )
    return found


def e_process(count: float, fair: float, shape: float = WIDE) -> float:
    """Return how much likelier counts are with any rate than with the known one.

    Gamma(k+S)/Gamma(k) k^k / (k+mu)^(k+S) exp(mu).

    Args:
        count: S, what was seen.
        fair: mu, what the known rate expects.
        shape: k.

    Source: Howard, Ramdas, McAuliffe and Sekhon 2021, doi:10.1214/20-AOS1991.

    >>> round(e_process(30, 20), 6), round(e_process(0, 5), 5)
    (1.759728, 12.11536)
    """
    return float(np.exp(mixture_log(np.array(count), np.array(fair), shape) + fair))


def change_logs(watched: Watched, rise: bool = False) -> Floats:
    """Return the logarithm of the evidence that the rate fell, or rose, as each week began, (weeks,).

    Counts that differ more than Poisson counts do weigh less: seen, expected and shape are divided by their
    noise. Of counts with a common Gamma factor in each month, that leaves evidence of a fall too small.
    """
    seen, fair, shape = (
        watched.seen / watched.noise,
        watched.fair / watched.noise,
        watched.shape / watched.noise,
    )
    after, due = np.cumsum(seen[::-1])[::-1], np.cumsum(fair[::-1])[::-1]
    whole = mixture_log(after[0], due[0], shape)
    before = mixture_log(after[0] - after, due[0] - due, shape)
    part = gammaincc if rise else gammainc
    side = np.log(np.maximum(part(WIDE + after, WIDE + due), 1e-300)) - np.log(part(WIDE, WIDE))
    found: Floats = before + mixture_log(after, due, WIDE) + side - whole
    return found


def evidence(watched: Watched, rise: bool = False) -> float:
    """Return e: the mean over all weeks in which the rate may have fallen, or risen."""
    logs = change_logs(watched, rise)
    return float(np.exp(min(logsumexp(logs) - np.log(len(logs)), 700.0)))


def e_bh(values: Floats, alpha: float) -> Flags:
    """Return which of many e-values are discoveries: at most a share alpha of them is false, on average.

    The largest k such that k of them are at least n / (k alpha), however they depend on each other.

    Source: Wang and Ramdas 2022, doi:10.1111/rssb.12489.

    >>> e_bh(np.array([100.0, 1.0, 50.0, 20.0]), 0.05).tolist()
    [True, False, True, False]
    """
    order = np.argsort(-values, kind="stable")
    rank = np.arange(1, len(values) + 1)
    enough = np.flatnonzero(values[order] >= len(values) / (rank * alpha))
    found = np.zeros(len(values), dtype=bool)
    if enough.size:
        found[order[: enough[-1] + 1]] = True
    return found


def discoveries(
    watched: Sequence[Watched],
) -> tuple[list[tuple[Watched, float]], list[tuple[Watched, float]]]:
    """Return what fell and what rose, each with its evidence: one list of e-values, weighted, and one level.

    e-BH asks only that e-values of what did not change are 1 in the mean over all of them, so weights of mean
    1 leave it its promise: four fifths for falls, a fifth for rises.

    Args:
        watched: of the same weeks.

    Source: Wang and Ramdas 2022, doi:10.1111/rssb.12489.
    """
    tried = [one for one in watched if one.fair.sum() >= FEWEST]
    good = [one for one in tried if one.kind in RISES]
    if not tried:
        return [], []
    falls, rises = ([(one, evidence(one, up)) for one in part] for part, up in ((tried, False), (good, True)))
    number, spent = len(falls) + len(rises), OF_FALLS if good else 1.0
    weights = np.repeat(
        [spent * number / len(falls), (1 - spent) * number / max(len(rises), 1)], [len(falls), len(rises)]
    )
    values = weights * np.array([e for _, e in (*falls, *rises)])
    hits = e_bh(values, weekly_level(len(tried[0].seen)))
    picked = [pair for pair, hit in zip((*falls, *rises), hits, strict=True) if hit]
    down = int(hits[: len(falls)].sum())
    return picked[:down], picked[down:]


def weekly_level(weeks: int, alpha: float = ALPHA) -> float:
    """Return the level of a single look at the last weeks, so that a year of weekly looks keeps alpha.

    Each look weighs the changes of `weeks` weeks alike; those of a year's 52 looks began in weeks + 52, and
    the mean of their evidence exceeds the level's inverse with a chance of (weeks + 52) / weeks times it.

    >>> weekly_level(52)
    0.025
    """
    return alpha * weeks / (weeks + LONGEST)


def watch_weeks(days: float) -> int:
    """Return for how many weeks a record of so many days is watched; 0 where it is too short.

    >>> watch_weeks(1100), watch_weeks(300), watch_weeks(60)
    (52, 14, 0)
    """
    weeks = int(min(days / 7 / PART, LONGEST))
    return weeks if weeks >= SHORTEST else 0


def weekly_counts(visits: Visits, shape: tuple[int, int, int], bins: Floats, weeks: int) -> list[Counts]:
    """Return leavers and leads at risk of each of the last weeks, oldest first."""
    stop, found = visits.start + visits.dwell, []
    for back in range(weeks, 0, -1):
        window = (-7.0 * back, -7.0 * (back - 1) if back > 1 else np.inf)
        alive = np.flatnonzero((visits.start < window[1]) & (stop >= window[0]))
        found.append(count_visits(visits.rows(alive), shape, bins, window=window))
    return found


def onward(funnel: Funnel, table: RateTable) -> Flags:
    """Return which exits lead on: to a place from which more leads win, or are handed over, (stages, exits).

    So a stage in which leads are parked lies behind, wherever it stands in the list.
    """
    goals, targets = (*funnel.earns, *funnel.handed_over), funnel.targets
    chances = np.zeros(len(funnel.places))
    for edges, rate in zip(table.edges, table.rate[0], strict=True):
        forever = [
            model_incidence(own, rates, np.array([FOREVER]))[:, 0]
            for own, rates in zip(edges, rate, strict=True)
        ]
        chances += wins_some_day(funnel, forever, goals)
    here: Flags = (chances[targets] > chances[: len(targets), None]) & (targets >= 0)
    return here


def watched_exits(
    before: Counts, past: Sequence[Counts], watch: Sequence[Counts], funnel: Funnel, groups: Sequence[str],
    table: RateTable | None = None,
) -> Iterator[Watched]:  # fmt: skip
    """Return what is watched of a fitted funnel's stages: leads going on, and leads leaving, by segment.

    Args:
        before: all that was counted before the watch.
        past: its last weeks, oldest first, by which noise is judged.
        watch: the weeks of the watch, oldest first.
        funnel, groups: the map and the kinds of lead.
        table: of today's model; by default what was known before.
    """
    pool = posterior(before, funnel)
    rate = mean_rates(pool)
    today = rate if table is None else table.rate[0]
    seen = np.array([week.events.sum(axis=-1) for week in watch])
    fair = np.array([expected_leavers(week, rate) for week in watch])
    later = np.array([expected_leavers(week, today).sum(axis=-1) for week in watch])
    old = np.array([week.events.sum(axis=-1) for week in past])
    usual = np.array([expected_leavers(week, rate).sum(axis=-1) for week in past])
    whole = fair.sum(axis=0)
    edges = np.broadcast_to(before.edges, (*rate.shape[:2], before.edges.size))
    for stage, kind, exits in _kinds(funnel, constant_table(edges, rate)):
        for name, rows in _parts(groups):
            cut = np.ix_(np.arange(len(watch)), rows, np.array([stage]), exits)
            back = np.ix_(np.arange(len(past)), rows, np.array([stage]), exits)
            due = fair.sum(axis=-1)[cut].sum(axis=(1, 2, 3))
            noise = _noise(old[back].sum(axis=(1, 2, 3)), usual[back].sum(axis=(1, 2, 3)), due)
            shape = _shape(pool, whole, rows, stage, exits)
            yield Watched(
                kind, funnel.stages[stage], name, "", seen[cut].sum(axis=(1, 2, 3)), due, shape, noise,
                later[cut].sum(axis=(1, 2, 3)), exits,
            )  # fmt: skip


def _kinds(funnel: Funnel, table: RateTable) -> Iterator[tuple[int, str, Integers]]:
    """Return what is watched of each stage: its number, the kind, and the exits that are counted."""
    for stage, leads_on in enumerate(onward(funnel, table)):
        every = np.flatnonzero(funnel.targets[stage] >= 0)
        if funnel.stages[stage] in funnel.earns or not every.size:
            continue
        good = np.flatnonzero(leads_on)
        if 0 < good.size < every.size:
            yield stage, "conversion", good
        yield stage, "speed", every


def _parts(groups: Sequence[str]) -> Iterator[tuple[str, Integers]]:
    yield "", np.arange(len(groups))
    if len(groups) > 1:
        yield from ((name, np.array([number])) for number, name in enumerate(groups))


def _shape(pool: Posterior, fair: Floats, rows: Integers, stage: int, exits: Integers) -> float:
    """Return the shape of the Gamma law with the variance that the posterior gives what is expected.

    Args:
        fair: (groups, stages, exits, bins) expected over the whole watch.
    """
    due = fair[rows][:, stage][:, exits]
    total = float(due.sum())
    if total <= 0:
        return np.inf
    variance = float((due.sum(axis=0) ** 2 / np.maximum(pool.shape[stage][exits], 1e-9)).sum())
    if len(fair) > 1:
        events = pool.events[rows][:, stage][:, exits]
        by_group, by_age = pool.by_group[stage][exits], pool.by_age[rows][:, stage][:, exits]
        variance += float((due.sum(axis=-1) ** 2 / (by_group + events.sum(axis=-1))).sum())
        variance += float((due**2 / (by_age[..., None] + events)).sum())
    return total**2 / variance


def _noise(old: Floats, usual: Floats, due: Floats) -> float:
    """Return by how much a month's counts vary more than Poisson counts, from the weeks before the watch."""
    months = len(old) // MONTH
    if not months:
        return 1.0
    seen, fair = (part[-months * MONTH :].reshape(months, MONTH).sum(axis=1)[::-1] for part in (old, usual))
    return 1.0 + excess_spread(seen, fair) ** 2 * MONTH * float(due.mean())


def watched_intake(
    day: Floats, channel: Sequence[str] | NDArray[np.object_], began: float, weeks: int, model: Model | None
) -> Iterator[Watched]:
    """Return what is watched of the leads that come in: all of them, and those of each channel.

    What is expected is the forecast of the intake as it was known when the watch began, split by the
    channels' shares.

    Args:
        day: (leads,) day on which each came, negative.
        channel: (leads,) by which way; "" where nobody says.
        began: first day of the record.
        weeks: of the watch.
        model: of today; None where no money at stake is asked for.
    """
    start, names = -7.0 * weeks, np.asarray(channel, dtype=object)
    old, block = day < start, block_days(began - start)
    if not old.any() or (start - began) // block < 2:
        return
    coming = coming_leads(day[old] - start, began - start, block, 7.0 * weeks)
    path = np.repeat(coming.expected / block, block)
    fair, number = path[: 7 * weeks].reshape(weeks, 7).sum(axis=1), len(coming.counts)
    usual = (coming.level * coming.season)[:number]
    weight = 2.0 ** ((day - start) / SHARE_HALF_LIFE) * old
    kinds = sorted(set(names) - {""})
    for name in ("", *(kinds if len(kinds) > 1 else ())):
        ours = np.ones(len(day), dtype=bool) if name == "" else names == name
        share = float(weight[ours].sum() / weight.sum())
        blocks = block_counts(day[ours & old] - start, began - start, block)[-number:]
        fit = coming.counts * float((ours & old).sum() / old.sum()) if name else usual
        noise = 1.0 + excess_spread(blocks[::-1], fit[::-1]) ** 2 * block / 7 * float(fair.mean()) * share
        enough = float(weight[ours].sum()) ** 2 / max(float((weight[ours] ** 2).sum()), 1e-9)
        shape = 1.0 / (coming.spread**2 + 1.0 / max(enough, 1e-9))
        seen = counts_between(day[ours], np.arange(start, 0.5, 7.0))
        later = np.full(weeks, np.nan) if model is None else _today(model, name, path, share, weeks)
        yield Watched("intake", "", "", name, seen, fair * share, shape, noise, later)


def _today(model: Model, channel: str, path: Floats, share: float, weeks: int) -> Floats:
    """Return what today's model would have expected of a way in over the watch, (weeks,).

    Its rate of the coming quarter over the one that was expected of that quarter when the watch began.
    """
    ahead = 7 * LONGEST // 4
    old = float(path[7 * weeks : 7 * weeks + ahead].sum()) * share
    now = float(expected(model.entries, ahead)[_ways(model, channel)].sum())
    fair = path[: 7 * weeks].reshape(weeks, 7).sum(axis=1) * share
    scaled: Floats = fair * (now / max(old, 1e-9))
    return scaled


def _ways(model: Model, channel: str) -> list[int]:
    """Return the numbers of a channel's ways in; of all without a channel."""
    return [one for one, cell in enumerate(model.entries.cells) if not channel or cell.channel == channel]


def watched_stated(
    visits: Visits, day: Floats, channel: NDArray[np.object_], stated: Model, weeks: int
) -> Iterator[Watched]:
    """Return what is watched of a stated funnel's lives: leads on, leads leaving, leads coming in.

    Nothing is unknown of the rates, so that e is the plain e-process of a known rate.

    Args:
        visits: of the lives, days since their end.
        day, channel: of the leads that came in.
        stated: as of the day on which the lives began.
        weeks: of the watch, the last ones.
    """
    funnel, groups = stated.funnel, stated.groups
    fair = _stated_fair(visits, stated.table, funnel, weeks)
    edges = np.arange(-7.0 * weeks, 0.5, 7.0)
    stop = visits.start + visits.dwell
    for stage, kind, exits in _kinds(funnel, stated.table):
        for name, rows in _parts(groups):
            left = (visits.stage == stage) & np.isin(visits.group, rows) & np.isin(visits.exit, exits)
            due = fair[:, rows][:, :, stage][:, :, exits].sum(axis=(1, 2))
            seen = counts_between(stop[left], edges)
            yield Watched(kind, funnel.stages[stage], name, "", seen, due, np.inf, 1.0, due, exits)
    length = int(-day.min(initial=-7.0 * weeks)) + 1
    path = expected(stated.entries, max(length, 7 * weeks))[:, -7 * weeks :]
    names = sorted({cell.channel for cell in stated.entries.cells} - {""})
    for name in ("", *(names if len(names) > 1 else ())):
        ours = np.ones(len(day), dtype=bool) if name == "" else channel == name
        due = path[_ways(stated, name)].sum(axis=0).reshape(weeks, 7).sum(axis=1)
        shape = np.inf if stated.entries.spread <= 0 else 1 / stated.entries.spread**2
        yield Watched("intake", "", "", name, counts_between(day[ours], edges), due, shape, 1.0, due)


def _stated_fair(visits: Visits, table: RateTable, funnel: Funnel, weeks: int) -> Floats:
    """Return leavers that stated rates expect in each week, (weeks, groups, stages, exits)."""
    groups, stages = table.edges.shape[:2]
    found = np.zeros((weeks, groups, stages, funnel.targets.shape[1]))
    starts = np.arange(-7.0 * weeks, -0.5, 7.0)
    for group, stage in np.ndindex(groups, stages):
        rows = np.flatnonzero((visits.group == group) & (visits.stage == stage))
        start, since, dwell = visits.start[rows], visits.since[rows], visits.dwell[rows]
        edges = table.edges[group, stage][np.isfinite(table.edges[group, stage])]
        rates = table.rate[0, group, stage][:, : edges.size]
        for week, first in enumerate(starts):
            alive = (start < first + 7.0) & (start + dwell > first)
            low = np.clip(first - start[alive], since[alive], dwell[alive])
            high = np.clip(first + 7.0 - start[alive], since[alive], dwell[alive])
            for taken, rate in enumerate(rates):
                found[week, group, stage, taken] = (_run(edges, rate, high) - _run(edges, rate, low)).sum()
    return found


def _run(edges: Floats, rate: Floats, age: Floats) -> Floats:
    """Return the integral of a rate up to each age."""
    passed = np.append(0.0, np.cumsum(rate[:-1] * np.diff(edges)))
    bin_ = np.searchsorted(edges, age, side="right") - 1
    return np.asarray(passed[bin_] + rate[bin_] * (age - edges[bin_]))


def watched_of(place: Situation) -> list[Watched]:
    """Return all that is watched of a company, or of a stated funnel's lives."""
    history = place.history
    if history is None:
        return []
    visited = spells(sized(history, place.model.sizes))
    began = float((history.began - history.until) / DAY)
    stated = place.given if place.given is not None and place.given.counts is None else None
    weeks = int(min(-began // 7, LONGEST)) if stated is not None else watch_weeks(-began)
    if not weeks or visited.empty:
        return []
    model = place.model
    column = model.grouped_by or "segment"
    visits = visits_of(visited, model.funnel, model.groups, grouped_by=column, began=began)
    came = came_in(visited, began)
    day = came["start"].to_numpy(dtype=np.float64)
    channel = came["channel"].to_numpy(dtype=object)
    if stated is not None:
        return list(watched_stated(visits, day, channel, stated, weeks))
    bins, shape = model.table.edges[0, 0], (len(model.groups), *model.funnel.targets.shape)
    before = count_visits(visits, shape, bins, window=(-np.inf, -7.0 * weeks))
    whole = weekly_counts(visits, shape, bins, min(int(-began // 7), weeks + MOST_WINDOWS * MONTH))
    exits = watched_exits(before, whole[:-weeks], whole[-weeks:], model.funnel, model.groups, model.table)
    return [*exits, *watched_intake(day, channel, began, weeks, model)]


def alerts_of(
    place: Situation, watched: Sequence[Watched], span: str, mean: float, rise: bool = False
) -> pd.DataFrame:
    """Return what fell, or rose, since when, how sure that is, and what it costs, or brings, if it stays so.

    Args:
        place: where the company stands.
        watched: see `watched_of`.
        span: period, or "total", that money at stake is told of.
        mean: money expected of it.
        rise: whether good news is asked for.

    Returns:
        kind (conversion, speed, intake), stage, segment, channel ("" for all), since (first day of the week
        in which it most likely began), seen and expected since, ratio with low and high (95 %), e, luck (at
        most such a share of unchanged companies sees this at one look), stake (money of the span, by the
        rates before less the rates since; of a rise the other way round), share (of its mean), whole (the
        same of all periods together, where there are more), why, advice; most at stake first.
    """
    falls, rises = discoveries(watched)
    worse = {(one.stage, one.channel) for one, _ in falls}
    better = [(one, e) for one, e in rises if (one.stage, one.channel) not in worse]
    rows = [_row(place, one, e, span, mean, rise) for one, e in _merged(better if rise else falls)]
    table = pd.DataFrame(rows, columns=list(ALERTS))
    table = table[(table["low"] > 1).to_numpy()] if rise else table  # what rose and fell again is no news
    order = (
        table[["stake", "whole"]]
        .fillna(0.0)
        .sort_values(["stake", "whole"], ascending=False, kind="stable")
        .index
    )
    return table.loc[order].reset_index(drop=True)


def _merged(found: list[tuple[Watched, float]]) -> list[tuple[Watched, float]]:
    """Return the surest of the alerts on one stage, and of all intake and its channels the surer side."""
    best: dict[str, tuple[Watched, float]] = {}
    for one, e in found:
        key = one.stage or f"intake {one.channel}"
        if key not in best or e > best[key][1]:
            best[key] = (one, e)
    whole = best.pop("intake ", None)
    channels = [e for one, e in best.values() if one.kind == "intake"]
    if whole is not None and whole[1] > max(channels, default=0.0):
        best = {key: pair for key, pair in best.items() if pair[0].kind != "intake"}
        best["intake "] = whole
    return list(best.values())


def _row(place: Situation, one: Watched, e: float, span: str, mean: float, rise: bool) -> dict[str, object]:
    """Return a row of `alerts_of`."""
    week = int(np.argmax(change_logs(one, rise)))
    weeks = len(one.seen)
    since = (place.model.as_of - pd.Timedelta(days=7 * (weeks - week))).normalize()
    seen, fair = float(one.seen[week:].sum()), float(one.fair[week:].sum())
    low, high = gammaincinv(seen / one.noise + 0.5, np.array(TAILS)) * one.noise / fair
    gap = at_stake(place, one, seen / fair, fair / max(float(one.later[week:].sum()), 1e-9))
    gap = -gap if rise else gap
    stake = float(gap.sum() if span == TOTAL else gap[0])
    whole = np.nan if span == TOTAL or len(gap) == 1 else float(gap.sum())
    ratio = f"{words.digits(seen)} where {words.digits(fair)} were expected"
    what = _what(one, rise)
    return {
        "kind": one.kind, "stage": one.stage, "segment": one.segment, "channel": one.channel, "since": since,
        "seen": seen, "expected": fair, "ratio": seen / fair, "low": float(low), "high": float(high), "e": e,
        "luck": min(1.0, 1.0 / e), "stake": stake, "share": stake / mean if mean > 0 else np.nan,
        "whole": whole,
        "why": f"{what}: {ratio} since about {since:%Y-%m-%d}",
        "advice": (KEEP if rise else ADVICE)[one.kind],
    }  # fmt: skip


def _what(one: Watched, rise: bool) -> str:
    """Say what fell, or rose."""
    of = f" ({words.name(one.segment)})" if one.segment else ""
    if rise and one.kind == "intake":
        return f"channel {words.name(one.channel)} surged" if one.channel else "intake surged"
    if rise:
        return f"conversion of {words.name(one.stage)}{of} rose, leads that went on"
    if one.kind == "intake":
        return f"channel {words.name(one.channel)} dried up" if one.channel else "intake is off"
    if one.kind == "speed":
        return f"{words.name(one.stage)}{of} slowed, leads that left"
    return f"conversion of {words.name(one.stage)}{of} fell, leads that went on"


def at_stake(place: Situation, one: Watched, ratio: float, back: float) -> Floats:
    """Return the money that each period brings less at the rates since a change than at those before it.

    Args:
        ratio: counts since over what was expected of them.
        back: what was expected over what today's model expects: a part of the change is in its rates.
    """
    if not place.model.funnel.earns:
        return np.full(len(place.periods), np.nan)
    before, since = (mean_money(_changed(place.model, one, factor), place) for factor in (back, back * ratio))
    return before - since


def _changed(model: Model, one: Watched, factor: float) -> Model:
    """Return a model with the rates, or the intake, of what is watched multiplied."""
    if one.kind == "intake":
        change = IntakeChange(tuple(_ways(model, one.channel)), 0.0, np.inf, factor)
        return replace(model, entries=replace(model.entries, changes=(*model.entries.changes, change)))
    stage, rate = model.funnel.stages.index(one.stage), model.table.rate.copy()
    groups = [n for n, name in enumerate(model.groups) if not one.segment or name == one.segment]
    for group in groups:
        rate[:, group, stage, one.exits] *= factor
    return replace(model, table=model.table.with_rate(rate))


def mean_money(model: Model, place: Situation) -> Floats:
    """Return what each period should bring at the model's own rates, (periods,): exact, or by lives."""
    edges, plain = days_of(place.periods, model.as_of), replace(model, counts=None)
    if choose_engine(model, None) == "exact" and model.due is None:
        bench = Bench(plain, place.deals, edges, 1, 1, np.ones((1, len(place.periods))))
    else:
        bench = Bench.of(plain, place.deals, edges, LIVES, 1)
    mean: Floats = bench.money(plain).mean(axis=0)
    return mean


def alert_words(
    alerts: pd.DataFrame, unit: str, span: str, until: str = "", rise: bool = False
) -> Iterator[str]:
    """Say of each alert what fell, or rose, how sure that is, and what it costs, or brings.

    Args:
        alerts: see `alerts_of`.
        unit: of money.
        span: name of the period that money at stake is told of.
        until: name of the last period, where there are more.
        rise: whether it is good news.
    """
    head = "Good news: " if rise else ""
    for row in alerts.to_dict("records"):
        odds = (
            "in under one of 1,000" if row["luck"] < 1e-3 else f"in at most {words.percent(row['luck'])} of"
        )
        why = head + row["why"] if rise else f"{row['why'][0].upper()}{row['why'][1:]}"
        yield f"{why}; by luck {odds} looks{_stake_words(row, unit, span, until, rise)}: {row['advice']}."


def _stake_words(row: dict[Hashable, Any], unit: str, span: str, until: str, rise: bool) -> str:
    """Say what hangs on an alert in the span, and in all periods where most of it comes later."""
    stake, whole = float(row["stake"]), float(row["whole"])
    if np.isnan(stake):
        return ""
    end, last = (" more", "if it stays") if rise else ("", "at stake")
    now = f"{words.amount(stake, unit)}{end} of {span}" if stake > 0 else f"nothing of {span}"
    if whole > LATER * max(stake, 0.0):
        return f"; {now}, and {words.amount(whole, unit)}{end} of all periods until the end of {until} {last}"
    later = "" if stake > 0 else ", as what it brings comes later still"
    return f"; {now} {last}{later}"

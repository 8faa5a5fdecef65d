"""How far a history can be trusted: what was counted in it beside the fitted rates, and that in words."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from funnelsim.arrays import Flags, Floats, Integers
from funnelsim.calibration.counting import Visits, count_visits, visits_of
from funnelsim.calibration.due import DATES
from funnelsim.calibration.posterior import (
    Posterior,
    at_risk,
    draw_rates,
    effective_exposure,
    expected_leavers,
    mean_rates,
    posterior,
    stream,
)
from funnelsim.calibration.values import sized
from funnelsim.errors import FunnelError, nearest
from funnelsim.history.log import ATTRIBUTES, DAY, History, open_leads, spells
from funnelsim.history.metrics import NORMAL_95, Cohort, aalen_johansen
from funnelsim.model.funnel import winning_exits
from funnelsim.model.model import Model, OpenDeals
from funnelsim.model.rates import Counts, model_incidence

SLICINGS = ("age", "segment", "month", "cohort")
SHARES = (0.10, 0.25, 0.50, 0.75, 0.90)
CURVE = ["stage", "exit", "days", "fitted", "observed", "low", "high"]

# The limits below are conventions: they decide what is told, and no number of a forecast depends on them.
# Sentences: with dozens of slices, three standard errors pass by luck once in 370; less than 15 % or five
# points would change nobody's plan; a share of under 30 visits is known to no better than 18 points.
NOTABLE_Z, NOTABLE_RATIO, NOTABLE_GAP, NOTABLE_P = 3.0, 0.15, 0.05, 0.01
FEW_VISITS, MOST_NAMED = 30, 3
# A chance that fewer than twenty past leads speak of is uncertain by eleven points.
THIN = 20
# Three thirds of five expected leavers each, the least that a chi-squared test bears (Cochran 1954).
FEW_LEAVERS = 15.0
# A batch must stand out of what busy weekdays, small stages and short records show by themselves.
BATCH_LEAVERS, BATCH_SHARE, BATCH_TIMES_MEAN = 20, 0.05, 10.0
# Curves are drawn at 200 points up to the age by which all but one visit in 200 is over.
POINTS, FAR = 200, 0.995
# Ages are rounded to nine decimals of a day (`visits_of`): this much before an edge is before it.
EDGE = 1e-9


@dataclass(frozen=True, eq=False)
class Trust:
    """A history beside the model that was fitted to it: all that is asked of both is answered from here.

    Args:
        history, model: the two.
        frame: one row per stage visit (see `history.log.spells`).
        visits: the same as arrays.
        counts: leavers and days at risk, every observation weighing alike.
        pool, rate: the posterior of the rates, and its mean per day (groups, stages, exits, bins); the
            level of wins is not in them.
    """

    history: History
    model: Model
    frame: pd.DataFrame
    visits: Visits
    counts: Counts
    pool: Posterior
    rate: Floats

    @functools.cached_property
    def expected(self) -> Floats:
        """Leavers that the rates expect of the leads at risk, (groups, stages, exits, bins)."""
        return expected_leavers(self.counts, self.rate)

    @functools.cached_property
    def cohorts(self) -> tuple[Cohort, ...]:
        """The visits to each stage, causes being exits counted from 1."""
        return tuple(_cohort(self, stage) for stage in range(len(self.model.funnel.stages)))

    @functools.cached_property
    def curves(self) -> pd.DataFrame:
        """What `incidence_frame` returns, worked out once; never to be changed."""
        return _curves(self)


def trust_of(history: History, model: Model) -> Trust:
    """Put a history beside the model that was fitted to it.

    Raises:
        FunnelError: the model was stated and not fitted, so there is nothing to compare.
    """
    if model.counts is None:
        raise FunnelError(f"the model '{model.funnel.name}' was stated, not fitted: nothing to compare with")
    frame = spells(sized(history, model.sizes))
    began = (history.began - history.until) / DAY
    column = model.grouped_by or "segment"
    visits = visits_of(frame, model.funnel, model.groups, grouped_by=column, began=began)
    counts = count_visits(visits, model.counts.events.shape[:3], model.counts.edges)
    pool = posterior(model.counts, model.funnel)
    return Trust(history, model, frame, visits, counts, pool, mean_rates(pool))


def incidence_frame(trust: Trust) -> pd.DataFrame:
    """Return, per stage and exit, the share that has left by each day: fitted, and as counted.

    Groups are pooled: at each age the fitted rate is the mean over the groups' leads at risk there.

    Returns:
        stage, exit, days, fitted, observed (Aalen-Johansen), low, high (its 95 % band); up to the age by
        which all but a few of the visits are over. Bin edges are among the days, and nothing lies within
        the first bin: rates do not tell when on the first day leads move.
    """
    return trust.curves.copy(deep=False)


def fitted_and_observed(trust: Trust, group: str, longest: float = 120.0) -> pd.DataFrame:
    """Return, for one group, the share that has left each stage by each exit, fitted and counted.

    The counted share (Aalen-Johansen) weighs all visits alike, as does a model with an infinite half-life;
    the fitted one has the model's level of wins in it.

    Args:
        group: name of the group.
        longest: greatest age in days.

    Returns:
        The columns of `incidence_frame`, with one row per exit and age at which anybody took it.

    Raises:
        FunnelError: the model has no such group.
    """
    number, model = _place(group, trust.model.groups, "group"), trust.model
    parts = []
    for stage, edges in enumerate(model.table.edges[number]):
        cohort = _cohort(trust, stage, number)
        for taken in range(len(model.funnel.exits[stage])):
            days = np.unique(cohort.days[(cohort.cause == taken + 1) & (cohort.days <= longest)])
            left = model_incidence(edges, model.table.rate[0, number, stage], days)[taken]
            parts.append(_curve(trust, stage, taken, days, left, cohort))
    return _stacked(parts)


def dwell_times(trust: Trust) -> pd.DataFrame:
    """Return, per stage, the days by which a tenth, a quarter, half ... of leads has left it, as counted.

    Returns:
        stage, leads, and "0.10", "0.25", "0.50", "0.75", "0.90" (nan where so many have never left).
    """
    rows = []
    for stage, cohort in zip(trust.model.funnel.stages, trust.cohorts, strict=True):
        left = aalen_johansen(Cohort(cohort.days, np.minimum(cohort.cause, 1), cohort.since), 1)
        position = np.searchsorted(left.share, np.array(SHARES) - 1e-12)
        days = np.append(left.days, np.nan)[np.minimum(position, len(left.days))]
        rows.append((stage, len(cohort.days), *days))
    return pd.DataFrame(rows, columns=["stage", "leads", *(f"{share:.2f}" for share in SHARES)])


def winner_ages(trust: Trust) -> pd.DataFrame:
    """Return, per stage, the age by which half, and nine in ten, of later winners had moved on.

    Returns:
        stage, half, ninety (days), winners; stages that no winner passed are left out.
    """
    events = trust.history.events
    won = set(events.loc[events["stage"].isin(trust.history.won).to_numpy(), "lead"])
    frame = trust.frame.assign(days=trust.visits.dwell)
    over = frame[frame["lead"].isin(won).to_numpy() & (frame["exit"] != "").to_numpy()]
    days = over.groupby("stage")["days"]
    table = pd.DataFrame({"half": days.quantile(0.5), "ninety": days.quantile(0.9), "winners": days.size()})
    order = [stage for stage in trust.model.funnel.stages if stage in table.index]
    return table.loc[order].rename_axis("stage").reset_index()


def past_visits(trust: Trust, stage: Integers, age: Floats) -> Integers:
    """Return how many past visits to a stage were watched at an age, and lasted longer, for each pair.

    Args:
        stage: (leads,) stage numbers.
        age: (leads,) days in the stage.
    """
    number = np.zeros(len(age), dtype=np.int64)
    for one in np.unique(stage):
        mine, here = stage == one, trust.visits.stage == one
        dwell, since = np.sort(trust.visits.dwell[here]), np.sort(trust.visits.since[here])
        lasted = len(dwell) - np.searchsorted(dwell, age[mine], side="right")
        unseen = len(since) - np.searchsorted(since, age[mine], side="right")
        number[mine] = lasted - unseen
    return number


def thin_share(trust: Trust, deals: OpenDeals, weight: Floats | None = None) -> float:
    """Return the share of open deals at ages that fewer than 20 past visits to their stage outlasted.

    Args:
        deals: the open pipeline.
        weight: (deals,) what each deal counts for, such as the money expected of it; all alike by default.

    Returns:
        A share of the weight; nan when there is none.
    """
    weights = np.ones(len(deals)) if weight is None else np.nan_to_num(weight)
    thin = past_visits(trust, deals.stage, deals.age) < THIN
    return float(weights[thin].sum() / weights.sum()) if weights.sum() > 0 else np.nan


def exit_shares(trust: Trust, days: float, draws: int = 200, seed: int = 1) -> pd.DataFrame:
    """Return the share of visits that leave each stage by each exit within some days, and how sure that is.

    Returns:
        group, stage, exit, share, low and high (80 % interval over posterior draws).
    """
    model, at = trust.model, np.array([days])
    drawn = draw_rates(model, draws, stream(seed, "rates"))[:, 0]
    rows = []
    for g, group in enumerate(model.groups):
        for s, (stage, exits) in enumerate(zip(model.funnel.stages, model.funnel.exits, strict=True)):
            edges = model.table.edges[g, s]
            share = model_incidence(edges, model.table.rate[0, g, s], at)[:, 0]
            shares = [model_incidence(edges, rate, at)[:, 0] for rate in drawn[:, g, s]]
            low, high = np.quantile(shares, [0.1, 0.9], axis=0)
            rows += [(group, stage, place, share[x], low[x], high[x]) for x, place in enumerate(exits)]
    return pd.DataFrame(rows, columns=["group", "stage", "exit", "share", "low", "high"])


def group_factors(trust: Trust, stage: str, exit: str) -> pd.DataFrame:
    """Return how often each group took an exit, compared with what the rates of all would give.

    factor = (k + seen) / (k + expected): with few leads close to 1, with many close to seen / expected.

    Returns:
        group, seen, expected, raw (seen / expected), factor.

    Raises:
        FunnelError: no such stage or exit.
    """
    funnel, pool = trust.model.funnel, trust.pool
    row = _place(stage, funnel.stages, "stage")
    x = _place(exit, funnel.exits[row], "exit")
    rate = pool.shape[row, x] / pool.exposure[row, x]
    expected = (rate * pool.at_risk[:, row]).sum(axis=-1)
    seen, k = pool.events[:, row, x].sum(axis=-1), pool.by_group[row, x]
    table = pd.DataFrame(
        {"group": trust.model.groups, "seen": seen, "expected": expected, "raw": seen / expected}
    )
    return table.assign(factor=(k + seen) / (k + expected))


def batch_days(trust: Trust) -> pd.DataFrame:
    """Return the days on which a batch of leads took an exit.

    A batch has at least twenty leavers, a twentieth of all who ever took the exit, and ten times as many as
    a day has on average.

    Returns:
        stage, exit, day, leavers, share (of all who took the exit), busiest first.

    >>> from funnelsim.calibration.calibrate import fit_model
    >>> from funnelsim.history.read import read_history
    >>> from funnelsim.sample import sample_path
    >>> history = read_history(sample_path())
    >>> len(batch_days(trust_of(history, fit_model(history))))
    0
    """
    frame = trust.frame[trust.frame["exit"] != ""]
    day = (trust.history.until + frame["stop"] * DAY).dt.normalize()
    counts = frame.groupby(["stage", "exit", day.rename("day")]).size().rename("leavers").reset_index()
    everyone = counts.groupby(["stage", "exit"])["leavers"].transform("sum")
    counts["share"] = counts["leavers"] / everyone
    watched = max(-float((frame["start"] + frame["since"]).min()), 1.0) if len(frame) else 1.0
    large = (counts["leavers"] >= BATCH_LEAVERS) & (counts["share"] >= BATCH_SHARE)
    batches = counts[large & (counts["leavers"] >= BATCH_TIMES_MEAN * everyone / watched)]
    return batches.sort_values("leavers", ascending=False, kind="stable").reset_index(drop=True)


def observed_expected(trust: Trust, by: str) -> pd.DataFrame:
    """Return leavers and wins, observed and expected under the fitted rates, slice by slice.

    Args:
        by: "age" (in the stage), "segment" (the model's groups), "month" (of the move) or "cohort"
            (quarter in which the lead came).

    Returns:
        One row per slice: `by`, leavers, leavers_expected, wins, wins_expected, ratio (of leavers),
        wins_ratio, z and wins_z: (observed - expected) / sqrt(expected).

    Raises:
        FunnelError: an unknown slicing.
    """
    if by not in SLICINGS:
        raise FunnelError(f"slices by '{by}' are unknown; {nearest(by, SLICINGS)}")
    win = winning_exits(trust.model.funnel)[:, :, None]
    rows = []
    for label, observed, expected in _slices(trust, by):
        wins, wins_expected = float((observed * win).sum()), float((expected * win).sum())
        rows.append((label, float(observed.sum()), float(expected.sum()), wins, wins_expected))
    table = pd.DataFrame(rows, columns=[by, "leavers", "leavers_expected", "wins", "wins_expected"])
    for prefix, column in (("", "leavers"), ("wins_", "wins")):
        fair = table[f"{column}_expected"].where(table[f"{column}_expected"] > 0)
        table[f"{prefix}ratio"] = table[column] / fair
        table[f"{prefix}z"] = (table[column] - fair) / np.sqrt(fair)
    return table


def previous_dwell(trust: Trust) -> pd.DataFrame:
    """Test whether the time that a lead took in its previous stage tells how it leaves the present one.

    Visits that followed another stage are divided into thirds by how long that one took, among visits
    of the same group and previous stage. Within group, previous stage and age bin all thirds should
    leave alike: X2 = sum (O - E)^2 / E over thirds and exits with at least 15 leavers, with two degrees of
    freedom an exit. The rates know nothing of earlier stages, so a small p is a caution.

    Returns:
        One row per stage, exit and third: stage, exit, previous (fast, middling, slow), leavers, expected,
        ratio, p (of the stage).

    Source: the log-rank test for several groups, Peto and Peto 1972, doi:10.2307/2344317.
    """
    columns = ["stage", "exit", "previous", "leavers", "expected", "ratio", "p"]
    known, third, stratum, strata = _thirds(trust)
    if not known.any():
        return pd.DataFrame(columns=columns)
    bins, (stages, exits) = _finer(trust.counts.edges), trust.model.funnel.targets.shape
    part = replace(trust.visits.rows(np.flatnonzero(known)), group=(third * strata + stratum)[known])
    counts = count_visits(part, (3 * strata, stages, exits), bins)
    shape = (3, strata, stages, exits, bins.size)
    events = counts.events.reshape(shape)
    units = at_risk(counts).reshape(3, strata, stages, 1, bins.size)
    # Where all leave at the very edge of a bin nobody spends time in it: the leavers were at risk.
    units = np.where(units.sum(0) > 0, units, events.sum(axis=3, keepdims=True))
    share = np.divide(units, units.sum(0), out=np.zeros_like(units), where=units.sum(0) > 0)
    observed, expected = (x.sum(axis=(1, 4)) for x in (events, share * events.sum(0)))
    rows = [row for stage in range(stages) for row in _by_third(trust, stage, observed, expected)]
    return pd.DataFrame(rows, columns=columns)


def findings(trust: Trust, deals: OpenDeals | None = None) -> tuple[str, ...]:
    """Return what a history can and cannot bear, in sentences: fit, drift, memory, thin ages, limits.

    Args:
        deals: its open pipeline; without it nothing is said of the ages of open deals.
    """
    return (
        *_fit_words(trust),
        *_slice_words(trust),
        *_memory_words(trust),
        *batch_words(trust),
        *(() if deals is None or not len(deals) else _thin_words(trust, deals)),
        *_zombie_words(trust.history),
        *(note for note in trust.model.notes if note.startswith(DATES)),
        *trust.history.limits,
        *_gap_words(trust.history),
    )


def batch_words(trust: Trust) -> tuple[str, ...]:
    """Say of each exit that was taken in batches when the largest was, and what follows for the forecast."""
    sentences = []
    for (stage, taken), rows in batch_days(trust).groupby(["stage", "exit"], sort=False):
        largest, share = rows.iloc[0], float(rows["share"].sum())
        more = f", and {share:.0%} on {len(rows)} such days" if len(rows) > 1 else ""
        sentences.append(
            f"Batches: {largest['leavers']:,} moves from {stage} to {taken} fell on "
            f"{largest['day']:%Y-%m-%d}, {largest['share']:.0%} of all{more}; rates spread them over the "
            "ages of those leads. A batch to come is a planned event: state it as a scenario with a `rate` "
            "lever between its dates."
        )
    return tuple(sentences)


def _cohort(trust: Trust, stage: int, group: int | None = None) -> Cohort:
    """Return the visits to a stage, of all groups or of one."""
    visits = trust.visits
    here = visits.stage == stage
    if group is not None:
        here &= visits.group == group
    return Cohort(visits.dwell[here], visits.exit[here] + 1, visits.since[here])


def _curves(trust: Trust) -> pd.DataFrame:
    """Work out the shares that have left: see `incidence_frame`."""
    days = effective_exposure(trust.counts)
    share = days / np.maximum(days.sum(axis=0), 1e-12)
    pooled = (trust.rate * share[:, :, None, :]).sum(axis=0)
    parts = []
    for stage, cohort in enumerate(trust.cohorts):
        if len(cohort.days) < 2:
            continue
        ages = _ages(trust.counts.edges, float(np.quantile(cohort.days, FAR)))
        left = model_incidence(trust.counts.edges, pooled[stage], ages)
        # A lead that leaves at the edge of a bin is counted in the bin that begins there.
        parts += [
            _curve(trust, stage, taken, ages, left[taken], cohort, before=EDGE)
            for taken in range(len(trust.model.funnel.exits[stage]))
        ]
    return _stacked(parts)


def _curve(
    trust: Trust, stage: int, taken: int, days: Floats, fitted: Floats, cohort: Cohort, before: float = 0.0
) -> pd.DataFrame:
    """Return the rows of one exit: the fitted share beside the one counted up to just before each day."""
    counted = aalen_johansen(cohort, taken + 1)
    bands = np.array([counted.at(day - before) for day in days]).reshape(-1, 3)
    exits = trust.model.funnel.exits[stage]
    frame = pd.DataFrame({"stage": trust.model.funnel.stages[stage], "exit": exits[taken], "days": days})
    return frame.assign(fitted=fitted, observed=bands[:, 0], low=bands[:, 1], high=bands[:, 2])


def _stacked(parts: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=CURVE)


def _ages(edges: Floats, last: float) -> Floats:
    """Return the days at which curves are compared: 0, the end of the first bin, and many up to the last."""
    first = float(edges[1]) if edges.size > 1 else 0.0
    many = np.linspace(0.0, max(last, first), POINTS)
    return np.unique(np.concatenate([[0.0], many[many >= first], edges[edges <= max(last, first)]]))


def _slices(trust: Trust, by: str) -> Iterator[tuple[str, Floats, Floats]]:
    """Yield label, observed and expected leavers, each (..., stages, exits, ...), of every slice."""
    counts, events, expected = trust.counts, trust.counts.events, trust.expected
    if by == "age":
        for b, (low, high) in enumerate(itertools.pairwise(np.append(counts.edges, np.inf))):
            label = f"{low:g} to {high:g} days" if np.isfinite(high) else f"{low:g} days and more"
            yield label, events[..., [b]], expected[..., [b]]
    elif by == "segment":
        for g, name in enumerate(trust.model.groups):
            yield name, events[[g]], expected[[g]]
    else:
        for label, visits, window in _months(trust) if by == "month" else _entry_quarters(trust):
            part = count_visits(visits, events.shape[:3], counts.edges, window=window)
            yield label, part.events, expected_leavers(part, trust.rate)


def _entry_quarters(trust: Trust) -> Iterator[tuple[str, Visits, tuple[float, float]]]:
    """Yield the quarters in which leads came, and all visits of those that came in each."""
    came = trust.history.until + trust.frame.groupby("lead")["start"].transform("min") * DAY
    quarter = came.dt.to_period("Q").astype(str).str.replace("Q", " Q").to_numpy()
    for name in np.unique(quarter):
        yield str(name), trust.visits.rows(np.flatnonzero(quarter == name)), (-np.inf, np.inf)


def _months(trust: Trust) -> Iterator[tuple[str, Visits, tuple[float, float]]]:
    """Yield the months on record, all visits, and a month's first day and end since the as-of date."""
    until = trust.history.until
    first = until + float((trust.visits.start + trust.visits.since).min()) * DAY
    starts = pd.date_range(first.normalize().replace(day=1), until, freq="MS", inclusive="left")
    edges = np.append(np.asarray((starts - until) / DAY, dtype=np.float64), 0.0)
    for month, window in zip(starts, itertools.pairwise(edges), strict=True):
        yield f"{month:%Y-%m}", trust.visits, window


def _thirds(trust: Trust) -> tuple[Flags, Integers, Integers, int]:
    """Return which visits follow one watched in full, their third and stratum, and the number of strata."""
    frame, visits = trust.frame, trust.visits
    lead, stage = pd.factorize(frame["lead"])[0], frame["stage"].to_numpy(dtype=object)
    before = np.arange(len(frame)) - 1
    known = (lead == lead[before]) & (frame["exit"].to_numpy(dtype=object)[before] == stage)
    known &= visits.since[before] == 0
    known[:1] = False
    pair = pd.Series(visits.group * len(trust.model.funnel.stages) + visits.stage[before])
    took = pd.Series(visits.dwell[before]).where(known)
    rank = took.groupby([pair, visits.stage]).rank(method="average")
    size = took.groupby([pair, visits.stage]).transform("count")
    third = np.clip(np.ceil(3 * rank / (size + 1)) - 1, 0, 2).fillna(0).astype(np.int64)
    stratum, names = pd.factorize(pair.to_numpy())
    return known, np.asarray(third), stratum.astype(np.int64), len(names)


def _finer(edges: Floats) -> Floats:
    """Return bins four times as fine: where most leave early in a wide bin, O - E varies by more than E."""
    ends = np.append(edges, 2 * edges[-1] + 1)
    finer: Floats = np.append((edges[:, None] + np.diff(ends)[:, None] * np.arange(4) / 4).ravel(), ends[-1])
    return finer


def _by_third(
    trust: Trust, stage: int, observed: Floats, expected: Floats
) -> list[tuple[str, str, str, float, float, float, float]]:
    """Return the rows of one stage; observed and expected are (thirds, stages, exits)."""
    name, exits = trust.model.funnel.stages[stage], trust.model.funnel.exits[stage]
    enough = [x for x in range(len(exits)) if observed[:, stage, x].sum() >= FEW_LEAVERS]
    left, fair = observed[:, stage, enough], np.maximum(expected[:, stage, enough], 1e-9)
    p = float(chdtrc(2 * len(enough), ((left - fair) ** 2 / fair).sum())) if enough else 1.0
    return [
        (name, exits[x], pace, left[k, i], fair[k, i], left[k, i] / fair[k, i], p)
        for i, x in enumerate(enough)
        for k, pace in enumerate(("fast", "middling", "slow"))
    ]


def _place(name: str, names: tuple[str, ...], role: str) -> int:
    if name not in names:
        raise FunnelError(f"{role} '{name}' is unknown; {nearest(name, names)}")
    return names.index(name)


def _fit_words(trust: Trust) -> tuple[str, ...]:
    """Say where the fitted shares lie farthest from the counted ones, at the edges of the age bins."""
    visits = pd.Series(trust.frame["stage"]).value_counts()
    at_edges = trust.curves["days"].isin(trust.counts.edges[1:]) | (trust.counts.edges.size == 1)
    curves = trust.curves[at_edges & (trust.curves["stage"].map(visits) >= FEW_VISITS)]
    if curves.empty:
        return ("Fit: no stage was visited often enough to compare the rates with what was counted.",)
    gap = (curves["fitted"] - curves["observed"]).to_numpy()
    band = (curves["high"] - curves["low"]).to_numpy() / (2 * NORMAL_95)
    real = np.abs(gap) * (np.abs(gap) > 2 * band)
    worst = curves.iloc[int(np.argmax(real if real.any() else np.abs(gap)))]
    size = 100 * abs(worst["fitted"] - worst["observed"])
    where = f"{worst['stage']} to {worst['exit']} at day {worst['days']:g}"
    if real.max() < NOTABLE_GAP:
        return (f"Fit: rates and counted shares agree within {size:.1f} points ({where}) or within luck.",)
    way = "more" if worst["fitted"] > worst["observed"] else "fewer"
    why = "rates follow recent leads, so the process has changed"
    return (f"Fit: the rates let {size:.0f} points {way} leads leave than were counted ({where}); {why}.",)


def _slice_words(trust: Trust) -> tuple[str, ...]:
    """Say in which segments, months, ages and cohorts wins ran clearly off the rates."""
    sentences = []
    part = "in segment" if trust.model.sizes is None else "of leads with an"
    kinds = {"segment": part, "month": "in", "cohort": "of leads that came in", "age": "at an age of"}
    for by, words in kinds.items():
        table = observed_expected(trust, by)
        off = (table["wins_z"].abs() > NOTABLE_Z) & ((table["wins_ratio"] - 1).abs() > NOTABLE_RATIO)
        clear = table[off].sort_values("wins_z", key=np.abs, ascending=False)
        listed = [
            f"{words} {row[by]} {row['wins']:.0f} ({row['wins_expected']:.0f} expected)"
            for _, row in clear.head(MOST_NAMED).iterrows()
        ]
        more = f", and {len(clear) - MOST_NAMED} more" if len(clear) > MOST_NAMED else ""
        if listed:
            sentences.append(f"Wins off the rates: {', '.join(listed)}{more}.")
    if not sentences:
        return ("Wins: as many as the rates expect, by segment, month, entry cohort and age.",)
    return tuple(sentences)


def _memory_words(trust: Trust) -> tuple[str, ...]:
    """Say at which stages the time taken in the stage before tells how leads go on."""
    table = previous_dwell(trust)
    stages = table.drop_duplicates("stage")
    # Bonferroni: with several stages tested, each has the less of a chance to be clear by luck.
    clear = stages[stages["p"] < NOTABLE_P / max(len(stages), 1)]
    if stages.empty:
        return ()
    if clear.empty:
        tested = f"({len(stages)} stages tested)"
        return (f"Memory: how long the stage before took tells nothing clear about the next one {tested}.",)
    sentences = []
    for stage in clear["stage"]:
        here = table[table["stage"] == stage]
        wide = here.pivot_table(index="exit", columns="previous", values="ratio")
        taken = str((wide["fast"] - wide["slow"]).abs().idxmax())
        fast, slow = wide.loc[taken, ["fast", "slow"]]
        sentences.append(
            f"Memory: at {stage}, leads that came fast leave to {taken} {fast:.2f} times as often as "
            f"expected, slow ones {slow:.2f} times (p = {here['p'].iloc[0]:.1g}); the rates do not know it."
        )
    return tuple(sentences)


def _thin_words(trust: Trust, deals: OpenDeals) -> tuple[str, ...]:
    share, money = thin_share(trust, deals), thin_share(trust, deals, deals.value)
    if share == 0:
        return (f"Thin ages: none; at every open deal's age, {THIN} past leads or more went on.",)
    amount = f" and {money:.0%} of the amount shown" if np.isfinite(money) else ""
    ages = f"ages that fewer than {THIN} past leads outlasted"
    return (f"Thin ages: {share:.0%} of open deals{amount} are at {ages}; their chances rest on little.",)


def _zombie_words(history: History) -> tuple[str, ...]:
    leads = open_leads(history)
    old = int(leads["zombie"].sum())
    if not old:
        return ()
    return (f"Never closed: {old:,} of {len(leads):,} open leads are older than any visit that ever ended.",)


def _gap_words(history: History) -> tuple[str, ...]:
    """Say what the export does not hold."""
    held = history.leads.columns[history.leads.notna().any().to_numpy()]
    missing = [name.replace("_", " ") for name in ATTRIBUTES if name not in held]
    sentences = []
    if missing:
        sentences.append(f"Not in the export: {', '.join(missing)}.")
    if history.lost and not history.events["stage"].isin(history.lost).any():
        sentences.append("The export records no loss: a lead that is lost looks like one that waits.")
    return tuple(sentences)

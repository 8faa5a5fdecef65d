"""What a history says against its own model: leavers and wins, observed over expected."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.arrays import Flags, Floats
from funnelsim.calibration.counting import OTHER, Visits, count_visits, visits_of
from funnelsim.calibration.due import DATES
from funnelsim.calibration.posterior import (
    draw_rates,
    effective_exposure,
    posterior,
    posterior_table,
    winning_exits,
)
from funnelsim.errors import FunnelError, nearest
from funnelsim.history.log import DAY, History, open_leads, spells
from funnelsim.history.metrics import NORMAL_95, Cohort, aalen_johansen, stage_incidence
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import Model, OpenDeals
from funnelsim.model.rates import Counts

SLICINGS = ("age", "segment", "month", "cohort")
PACES = ("fast", "middling", "slow")
FEW_LEAVERS = 15.0


@dataclass(frozen=True)
class Trust:
    """A history beside the rates that were fitted to it.

    Args:
        frame: one row per stage visit (see `history.spells`).
        visits: the same as arrays.
        counts: leavers and days at risk, every observation weighing alike.
        rate: (groups, stages, exits, bins) fitted rates per day.
        funnel: the map.
        groups: names of the groups.
        until: the as-of moment.
    """

    frame: pd.DataFrame
    visits: Visits
    counts: Counts
    rate: Floats
    funnel: Funnel
    groups: tuple[str, ...]
    until: pd.Timestamp


def trust_of(history: History, model: Model) -> Trust:
    """Put a history beside the model that was fitted to it.

    Raises:
        FunnelError: the model was stated and not fitted, so there is nothing to compare.
    """
    if model.counts is None:
        raise FunnelError(f"the model '{model.funnel.name}' was stated, not fitted: nothing to compare with")
    frame = spells(history)
    began = (history.began - history.until) / DAY
    column = model.grouped_by or "segment"
    visits = visits_of(frame, model.funnel, model.groups, grouped_by=column, began=began)
    counts = count_visits(visits, model.counts.events.shape[:3], model.counts.edges)
    rate = posterior_table(model.counts, model.funnel)
    return Trust(frame, visits, counts, rate, model.funnel, model.groups, history.until)


def at_risk(counts: Counts) -> Floats:
    """Return what leavers are compared with: leads that began the first bin, days at risk in the others.

    Many leads leave within minutes of coming; their days at risk say nothing, their number does.
    """
    units = counts.exposure.copy()
    if counts.spent is not None and counts.edges.size > 1:
        stayed = (counts.exposure - counts.spent)[..., 0] / counts.edges[1]
        units[..., 0] = counts.events[..., 0].sum(axis=2) + stayed
    return units


def expected_leavers(counts: Counts, rate: Floats) -> Floats:
    """Return leavers that rates expect of the leads at risk, shape (groups, stages, exits, bins).

    Args:
        counts: their leads at risk.
        rate: (groups, stages, exits, bins) per day.
    """
    chance = rate.copy()
    if counts.spent is not None and counts.edges.size > 1:
        total = rate[..., 0].sum(axis=2, keepdims=True)
        left = -np.expm1(-total * counts.edges[1])
        chance[..., 0] = rate[..., 0] * np.divide(left, total, out=np.zeros_like(total), where=total > 0)
    expected: Floats = chance * at_risk(counts)[:, :, None, :]
    return expected


def observed_expected(record: Trust, by: str) -> pd.DataFrame:
    """Return leavers and wins, observed and expected under the fitted rates, slice by slice.

    Args:
        record: a history beside its model.
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
    wins = winning_exits(record.funnel)[:, :, None]
    rows = []
    for label, observed, expected in _slices(record, by):
        won, due = float((observed * wins).sum()), float((expected * wins).sum())
        rows.append((label, float(observed.sum()), float(expected.sum()), won, due))
    table = pd.DataFrame(rows, columns=[by, "leavers", "leavers_expected", "wins", "wins_expected"])
    for name, seen, due_name in (("", "leavers", "leavers_expected"), ("wins_", "wins", "wins_expected")):
        due_of = table[due_name].where(table[due_name] > 0)
        table[f"{name}ratio"] = table[seen] / due_of
        table[f"{name}z"] = (table[seen] - due_of) / np.sqrt(due_of)
    return table


def previous_dwell(record: Trust) -> pd.DataFrame:
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
    known, third, stratum, strata = _thirds(record)
    if not known.any():
        return pd.DataFrame(columns=columns)
    bins, (stages, exits) = _finer(record.counts.edges), record.funnel.targets.shape
    part = _chosen(record.visits, known, group=third * strata + stratum)
    counted = count_visits(part, (3 * strata, stages, exits), bins)
    shape = (3, strata, stages, exits, bins.size)
    events = counted.events.reshape(shape)
    units = at_risk(counted).reshape(3, strata, stages, 1, bins.size)
    # Where all leave at the very edge of a bin nobody spends time in it: the leavers were at risk.
    units = np.where(units.sum(0) > 0, units, events.sum(axis=3, keepdims=True))
    share = np.divide(units, units.sum(0), out=np.zeros_like(units), where=units.sum(0) > 0)
    observed, expected = (x.sum(axis=(1, 4)) for x in (events, share * events.sum(0)))
    rows = [row for stage in range(stages) for row in _by_third(record.funnel, stage, observed, expected)]
    return pd.DataFrame(rows, columns=columns)


def past_visits(record: Trust, stage: NDArray[np.int64], age: Floats) -> NDArray[np.int64]:
    """Return how many past visits to a stage were watched at an age, and lasted longer, for each pair.

    Args:
        stage: (leads,) stage numbers.
        age: (leads,) days in the stage.
    """
    found = np.zeros(len(age), dtype=np.int64)
    for number in np.unique(stage):
        mine, here = stage == number, record.visits.stage == number
        dwell, since = np.sort(record.visits.dwell[here]), np.sort(record.visits.since[here])
        lasted = len(dwell) - np.searchsorted(dwell, age[mine], side="right")
        unseen = len(since) - np.searchsorted(since, age[mine], side="right")
        found[mine] = lasted - unseen
    return found


def _slices(record: Trust, by: str) -> list[tuple[str, Floats, Floats]]:
    """Return label, observed and expected leavers, each (..., stages, exits, ...), of every slice."""
    seen, due = record.counts.events, expected_leavers(record.counts, record.rate)
    if by == "age":
        edges = record.counts.edges
        labels = [f"{a:g} to {b:g} days" for a, b in itertools.pairwise(edges)]
        labels.append(f"{edges[-1]:g} days and more")
        return [(label, seen[..., [b]], due[..., [b]]) for b, label in enumerate(labels)]
    if by == "segment":
        return [(name, seen[[g]], due[[g]]) for g, name in enumerate(record.groups)]
    shape = record.counts.events.shape[:3]
    if by == "cohort":
        came = record.until + record.frame.groupby("lead")["start"].transform("min") * DAY
        quarter = came.dt.to_period("Q").astype(str).str.replace("Q", " Q").to_numpy()
        parts = [(str(name), _chosen(record.visits, quarter == name)) for name in np.unique(quarter)]
        counted = [(name, count_visits(part, shape, record.counts.edges)) for name, part in parts]
    else:
        counted = [
            (label, count_visits(record.visits, shape, record.counts.edges, window=window))
            for label, window in _months(record)
        ]
    return [(label, found.events, expected_leavers(found, record.rate)) for label, found in counted]


def _months(record: Trust) -> list[tuple[str, tuple[float, float]]]:
    first = record.until + float((record.visits.start + record.visits.since).min()) * DAY
    starts = pd.date_range(first.normalize().replace(day=1), record.until, freq="MS", inclusive="left")
    edges = np.append(np.asarray((starts - record.until) / DAY, dtype=np.float64), 0.0)
    return [(f"{month:%Y-%m}", (edges[k], edges[k + 1])) for k, month in enumerate(starts)]


def _chosen(visits: Visits, rows: Flags, group: NDArray[np.int64] | None = None) -> Visits:
    """Return some of the visits, with other group numbers if these are given."""
    part = visits.rows(np.flatnonzero(rows))
    return part if group is None else replace(part, group=group[rows])


def _thirds(record: Trust) -> tuple[Flags, NDArray[np.int64], NDArray[np.int64], int]:
    """Return which visits follow one watched in full, their third and stratum, and the number of strata."""
    frame, visits = record.frame, record.visits
    lead, stage = pd.factorize(frame["lead"])[0], frame["stage"].to_numpy(dtype=object)
    before = np.arange(len(frame)) - 1
    known = (lead == lead[before]) & (frame["exit"].to_numpy(dtype=object)[before] == stage)
    known &= visits.since[before] == 0
    known[:1] = False
    pair = pd.Series(visits.group * len(record.funnel.stages) + visits.stage[before])
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
    funnel: Funnel, stage: int, observed: Floats, expected: Floats
) -> list[tuple[str, str, str, float, float, float, float]]:
    """Return the rows of one stage; observed and expected are (thirds, stages, exits)."""
    from scipy.stats import chi2

    enough = [x for x in range(len(funnel.exits[stage])) if observed[:, stage, x].sum() >= FEW_LEAVERS]
    seen, due = observed[:, stage, enough], np.maximum(expected[:, stage, enough], 1e-9)
    p = float(chi2.sf(((seen - due) ** 2 / due).sum(), 2 * len(enough))) if enough else 1.0
    return [
        (funnel.stages[stage], funnel.exits[stage][x], pace, seen[k, i], due[k, i], seen[k, i] / due[k, i], p)
        for i, x in enumerate(enough)
        for k, pace in enumerate(PACES)
    ]


@dataclass(frozen=True)
class Fitted:
    """Chance to have left by each exit, by age.

    Args:
        ages: (ages,) days since entering the stage.
        left: (exits, ages) chance to have left by an exit up to that age, that age included.
        stays: (ages,) chance to be still there.
    """

    ages: Floats
    left: Floats
    stays: Floats


def model_incidence(edges: Floats, rate: Floats, ages: Floats) -> Fitted:
    """Return the cumulative incidence of a stage's exits under piecewise-constant rates, in closed form.

    F_x(a) = sum over bins up to a of S(left edge) * rate_x / rate * (1 - exp(-rate * days in the bin)).

    Args:
        edges: (bins,) left edges in days; inf pads.
        rate: (exits, bins) per day.
        ages: (ages,) days.

    >>> rates = np.array([[0.02, 0.03, 0.005]])
    >>> found = model_incidence(np.array([0.0, 10.0, 30.0]), rates, np.array([10.0]))
    >>> round(float(found.left[0, 0]), 6)
    0.181269
    """
    finite = np.isfinite(edges)
    lower, rates = edges[finite], rate[:, finite]
    upper = np.append(lower[1:], np.inf)
    days = np.clip(ages[:, None], lower, upper) - lower
    total = rates.sum(axis=0)
    hazard = total * days
    before = np.exp(-np.concatenate([np.zeros((len(ages), 1)), np.cumsum(hazard, axis=1)[:, :-1]], axis=1))
    share = np.divide(rates, total, out=np.zeros_like(rates), where=total > 0)
    left = np.einsum("ab,xb->xa", before * -np.expm1(-hazard), share)
    return Fitted(ages, left, np.exp(-hazard.sum(axis=1)))


def age_by_which(edges: Floats, rate: Floats, share: float) -> float:
    """Return the age in days by which a share of leads has left the stage; inf if that many never leave.

    Args:
        edges: (bins,) left edges in days; inf pads.
        rate: (exits, bins) per day.
        share: between 0 and 1.

    >>> round(age_by_which(np.array([0.0]), np.array([[0.01], [0.01]]), 0.5), 3)
    34.657
    """
    finite = np.isfinite(edges)
    lower, total = edges[finite], rate[:, finite].sum(axis=0)
    before = np.append(0.0, np.cumsum(np.diff(lower) * total[:-1]))
    wanted = -float(np.log1p(-share))
    place = int(np.searchsorted(before, wanted, side="right")) - 1
    with np.errstate(divide="ignore"):
        return float(lower[place] + (wanted - before[place]) / total[place])


def fitted_and_observed(history: History, model: Model, group: str, longest: float = 120.0) -> pd.DataFrame:
    """Return, for one group, the share that has left each stage by each exit, fitted and counted.

    The counted share (Aalen-Johansen) weighs all visits alike, as does a model with an infinite half-life.

    Args:
        history: what the model was fitted to.
        group: name of the group.
        longest: greatest age in days.

    Returns:
        stage, exit, days, fitted, observed, low, high (95 % band of observed): one row per exit and age at
        which anybody left the stage.

    Raises:
        FunnelError: the model has no such group.
    """
    number = _known(group, model.groups, "group")
    chosen = _of_group(history, model, group)
    pieces = []
    for row, (stage, exits) in enumerate(zip(model.funnel.stages, model.funnel.exits, strict=True)):
        counted = stage_incidence(chosen, stage).rename(columns={"day": "days", "share": "observed"})
        counted = counted[(counted["days"] <= longest) & counted["exit"].isin(exits)]
        ages, place = np.unique(counted["days"], return_inverse=True)
        left = model_incidence(model.table.edges[number, row], model.table.rate[0, number, row], ages).left
        taken = counted["exit"].map({name: x for x, name in enumerate(exits)}).to_numpy(dtype=np.int64)
        pieces.append(counted.assign(stage=stage, fitted=left[taken, place]))
    columns = ["stage", "exit", "days", "fitted", "observed", "low", "high"]
    return pd.concat(pieces, ignore_index=True)[columns]


def exit_shares(model: Model, days: float, draws: int = 200, seed: int = 1) -> pd.DataFrame:
    """Return the share of visits that leave each stage by each exit within some days, and how sure that is.

    Returns:
        group, stage, exit, share, low and high (80 % interval over posterior draws).
    """
    drawn = draw_rates(model, draws, np.random.default_rng(seed))[:, 0]
    rows = []
    for g, group in enumerate(model.groups):
        for s, (stage, exits) in enumerate(zip(model.funnel.stages, model.funnel.exits, strict=True)):
            edges = model.table.edges[g, s]
            share = _left(edges, model.table.rate[0, g, s], days)
            low, high = np.quantile([_left(edges, rate, days) for rate in drawn[:, g, s]], [0.1, 0.9], axis=0)
            rows += [(group, stage, place, share[x], low[x], high[x]) for x, place in enumerate(exits)]
    return pd.DataFrame(rows, columns=["group", "stage", "exit", "share", "low", "high"])


def group_factors(model: Model, stage: str, exit: str) -> pd.DataFrame:
    """Return how often each group took an exit, compared with what the rates of all would give.

    factor = (k + seen) / (k + expected): with few leads close to 1, with many close to seen / expected.

    Returns:
        group, seen, expected, raw (seen / expected), factor.

    Raises:
        FunnelError: a stated model, or no such stage or exit.
    """
    if model.counts is None:
        raise FunnelError("a stated model has no counts: its groups are as they were stated")
    row = _known(stage, model.funnel.stages, "stage")
    x = _known(exit, model.funnel.exits[row], "exit")
    found = posterior(model.counts, model.funnel)
    rate = found.shape[row, x] / found.exposure[row, x]
    expected = (rate * found.at_risk[:, row]).sum(axis=-1)
    seen, k = model.counts.events[:, row, x].sum(axis=-1), found.by_group[row, x]
    table = pd.DataFrame({"group": model.groups, "seen": seen, "expected": expected, "raw": seen / expected})
    return table.assign(factor=(k + seen) / (k + expected))


def _left(edges: Floats, rate: Floats, days: float) -> Floats:
    return model_incidence(edges, rate, np.array([days])).left[:, 0]


def _of_group(history: History, model: Model, group: str) -> History:
    """Return the history of the leads of one group alone."""
    if not model.grouped_by:
        return history
    column = history.leads[model.grouped_by].astype("str").fillna("unknown")
    named = column.where(column.isin(model.groups), OTHER)
    leads = history.leads[(named == group).to_numpy()]
    events = history.events[history.events["lead"].isin(leads.index)].reset_index(drop=True)
    return replace(history, leads=leads, events=events)


def _known(name: str, names: tuple[str, ...], role: str) -> int:
    if name not in names:
        raise FunnelError(f"{role} '{name}' is unknown; {nearest(name, names)}")
    return names.index(name)


LEAST_LEAVERS = 20
LEAST_SHARE = 0.05
TIMES_A_MEAN_DAY = 10.0


def batch_days(record: Trust) -> pd.DataFrame:
    """Return the days on which a batch of leads took an exit.

    A batch has at least twenty leavers, a twentieth of all who ever took the exit, and ten times as many as
    a day has on average.

    Returns:
        stage, exit, day, leavers, share (of all who took the exit), busiest first.

    >>> from funnelsim.calibration.calibrate import fit_model
    >>> from funnelsim.calibration.trust import trust_of
    >>> from funnelsim.history.read import read_history
    >>> from funnelsim.sample import sample_path
    >>> history = read_history(sample_path())
    >>> len(batch_days(trust_of(history, fit_model(history))))
    0
    """
    frame = record.frame[record.frame["exit"] != ""]
    day = (record.until + frame["stop"] * DAY).dt.normalize()
    counts = frame.groupby(["stage", "exit", day.rename("day")]).size().rename("leavers").reset_index()
    everyone = counts.groupby(["stage", "exit"])["leavers"].transform("sum")
    counts["share"] = counts["leavers"] / everyone
    watched = max(-float((frame["start"] + frame["since"]).min()), 1.0) if len(frame) else 1.0
    large = (counts["leavers"] >= LEAST_LEAVERS) & (counts["share"] >= LEAST_SHARE)
    found = counts[large & (counts["leavers"] >= TIMES_A_MEAN_DAY * everyone / watched)]
    return found.sort_values("leavers", ascending=False, kind="stable").reset_index(drop=True)


def batch_sentences(record: Trust) -> tuple[str, ...]:
    """Say of each exit that was taken in batches when the largest was, and what follows for the forecast."""
    found = batch_days(record)
    said = []
    for (stage, taken), rows in found.groupby(["stage", "exit"], sort=False):
        largest, share = rows.iloc[0], float(rows["share"].sum())
        more = f", and {share:.0%} on {len(rows)} such days" if len(rows) > 1 else ""
        said.append(
            f"Batches: {largest['leavers']:,} moves from {stage} to {taken} fell on "
            f"{largest['day']:%Y-%m-%d}, {largest['share']:.0%} of all{more}; rates spread them over the "
            "ages of those leads. A batch to come is a planned event: state it as a scenario with a `rate` "
            "lever between its dates."
        )
    return tuple(said)


SHARES = (0.10, 0.25, 0.50, 0.75, 0.90)
THIN = 20
POINTS = 200
FAR = 0.995
FEW_VISITS = 30
NOTABLE_RATIO = 0.15
NOTABLE_Z = 3.0
NOTABLE_P = 0.01
NOTABLE_GAP = 0.05
EDGE = 1e-9
MOST_NAMED = 3
ATTRIBUTES = ("channel", "segment", "owner", "value", "expected_close")


def incidence_frame(record: Trust) -> pd.DataFrame:
    """Return, per stage and exit, the share that has left by each day: fitted, and as counted.

    Groups are pooled: at each age the fitted rate is the mean over the groups' leads at risk there.

    Returns:
        stage, exit, days, fitted, observed (Aalen-Johansen), low, high (its 95 % band); up to the age by
        which all but a few of the visits are over. Bin edges are among the days, and nothing lies within
        the first bin: rates do not tell when on the first day leads move.
    """
    days = effective_exposure(record.counts)
    share = days / np.maximum(days.sum(axis=0), 1e-12)
    pooled = (record.rate * share[:, :, None, :]).sum(axis=0)
    parts = []
    for number, stage in enumerate(record.funnel.stages):
        cohort = _cohort(record, number)
        if len(cohort.days) < 2:
            continue
        ages = _ages(record.counts.edges, float(np.quantile(cohort.days, FAR)))
        said = model_incidence(record.counts.edges, pooled[number], ages).left
        for taken, name in enumerate(record.funnel.exits[number]):
            counted = aalen_johansen(cohort, taken + 1)
            # A lead that leaves at the edge of a bin is counted in the bin that begins there.
            seen = np.array([counted.at(age - EDGE) for age in ages])
            parts.append(
                pd.DataFrame(
                    {"stage": stage, "exit": name, "days": ages, "fitted": said[taken]}
                    | dict(zip(("observed", "low", "high"), seen.T, strict=True))
                )
            )
    columns = ["stage", "exit", "days", "fitted", "observed", "low", "high"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def dwell_times(record: Trust) -> pd.DataFrame:
    """Return, per stage, the days by which a tenth, a quarter, half ... of leads has left it, as counted.

    Returns:
        stage, leads, and "0.10", "0.25", "0.50", "0.75", "0.90" (nan where so many have never left).
    """
    rows = []
    for number, stage in enumerate(record.funnel.stages):
        cohort = _cohort(record, number)
        left = aalen_johansen(Cohort(cohort.days, np.minimum(cohort.cause, 1), cohort.since), 1)
        place = np.searchsorted(left.share, np.array(SHARES) - 1e-12)
        days = np.append(left.days, np.nan)[np.minimum(place, len(left.days))]
        rows.append((stage, len(cohort.days), *days))
    return pd.DataFrame(rows, columns=["stage", "leads", *(f"{share:.2f}" for share in SHARES)])


def winner_ages(history: History, record: Trust) -> pd.DataFrame:
    """Return, per stage, the age by which half, and nine in ten, of later winners had moved on.

    Returns:
        stage, half, ninety (days), winners; stages that no winner passed are left out.
    """
    won = set(history.events.loc[history.events["stage"].isin(history.won).to_numpy(), "lead"])
    frame = record.frame.assign(days=record.visits.dwell)
    over = frame[frame["lead"].isin(won).to_numpy() & (frame["exit"] != "").to_numpy()]
    days = over.groupby("stage")["days"]
    table = pd.DataFrame({"half": days.quantile(0.5), "ninety": days.quantile(0.9), "winners": days.size()})
    order = [stage for stage in record.funnel.stages if stage in table.index]
    return table.loc[order].rename_axis("stage").reset_index()


def thin_share(record: Trust, deals: OpenDeals, weight: Floats | None = None) -> float:
    """Return the share of open deals at ages that fewer than 20 past visits to their stage outlasted.

    Args:
        deals: the open pipeline.
        weight: (deals,) what each deal counts for, such as the money expected of it; all alike by default.

    Returns:
        A share of the weight; nan when there is none.
    """
    weights = np.ones(len(deals)) if weight is None else np.nan_to_num(weight)
    thin = past_visits(record, deals.stage, deals.age) < THIN
    return float(weights[thin].sum() / weights.sum()) if weights.sum() > 0 else np.nan


def findings(history: History, model: Model, deals: OpenDeals | None = None) -> tuple[str, ...]:
    """Return what this history can and cannot bear, in sentences: fit, drift, memory, thin ages, limits.

    Args:
        history: what the model was fitted to.
        model: fitted.
        deals: its open pipeline; without it nothing is said of the ages of open deals.

    Raises:
        FunnelError: the model was stated and not fitted.
    """
    record = trust_of(history, model)
    return (
        *_fit(record),
        *_slice_worries(record),
        *_memory(record),
        *batch_sentences(record),
        *(() if deals is None or not len(deals) else _thin(record, deals)),
        *_zombies(history),
        *(note for note in model.notes if note.startswith(DATES)),
        *history.limits,
        *_unknown(history),
    )


def _cohort(record: Trust, stage: int) -> Cohort:
    here = record.visits.stage == stage
    visits = record.visits
    return Cohort(visits.dwell[here], visits.exit[here] + 1, visits.since[here])


def _ages(edges: Floats, last: float) -> Floats:
    """Return the days at which curves are compared: 0, the end of the first bin, and many up to the last."""
    first = float(edges[1]) if edges.size > 1 else 0.0
    many = np.linspace(0.0, max(last, first), POINTS)
    return np.unique(np.concatenate([[0.0], many[many >= first], edges[edges <= max(last, first)]]))


def _fit(record: Trust) -> tuple[str, ...]:
    curves = incidence_frame(record)
    visits = pd.Series(record.frame["stage"]).value_counts()
    at_edges = curves["days"].isin(record.counts.edges[1:]) | (record.counts.edges.size == 1)
    curves = curves[at_edges & (curves["stage"].map(visits) >= FEW_VISITS)]
    if curves.empty:
        return ("Fit: no stage was visited often enough to compare the rates with what was counted.",)
    gap = (curves["fitted"] - curves["observed"]).to_numpy()
    band = (curves["high"] - curves["low"]).to_numpy() / (2 * NORMAL_95)
    real = np.abs(gap) * (np.abs(gap) > 2 * band)
    worst = curves.iloc[int(np.argmax(real))] if real.any() else curves.iloc[int(np.argmax(np.abs(gap)))]
    size = 100 * abs(worst["fitted"] - worst["observed"])
    where = f"{worst['stage']} to {worst['exit']} at day {worst['days']:g}"
    if real.max() < NOTABLE_GAP:
        return (f"Fit: rates and counted shares agree within {size:.1f} points ({where}) or within luck.",)
    way = "more" if worst["fitted"] > worst["observed"] else "fewer"
    why = "rates follow recent leads, so the process has changed"
    return (f"Fit: the rates let {size:.0f} points {way} leads leave than were counted ({where}); {why}.",)


def _slice_worries(record: Trust) -> tuple[str, ...]:
    """Say in which segments, months, ages and cohorts wins ran clearly off the rates."""
    said = []
    kinds = {"segment": "in segment", "month": "in", "cohort": "of leads that came in", "age": "at an age of"}
    for by, words in kinds.items():
        table = observed_expected(record, by)
        off = (table["wins_z"].abs() > NOTABLE_Z) & ((table["wins_ratio"] - 1).abs() > NOTABLE_RATIO)
        found = table[off].sort_values("wins_z", key=np.abs, ascending=False)
        listed = [
            f"{words} {row[by]} {row['wins']:.0f} ({row['wins_expected']:.0f} expected)"
            for _, row in found.head(MOST_NAMED).iterrows()
        ]
        more = f", and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        if listed:
            said.append(f"Wins off the rates: {', '.join(listed)}{more}.")
    if not said:
        return ("Wins: as many as the rates expect, by segment, month, entry cohort and age.",)
    return tuple(said)


def _memory(record: Trust) -> tuple[str, ...]:
    table = previous_dwell(record)
    stages = table.drop_duplicates("stage")
    clear = stages[stages["p"] < NOTABLE_P / max(len(stages), 1)]
    if stages.empty:
        return ()
    if clear.empty:
        tested = f"({len(stages)} stages tested)"
        return (f"Memory: how long the stage before took tells nothing clear about the next one {tested}.",)
    said = []
    for stage in clear["stage"]:
        here = table[table["stage"] == stage]
        wide = here.pivot_table(index="exit", columns="previous", values="ratio")
        taken = str((wide["fast"] - wide["slow"]).abs().idxmax())
        fast, slow = wide.loc[taken, ["fast", "slow"]]
        said.append(
            f"Memory: at {stage}, leads that came fast leave to {taken} {fast:.2f} times as often as "
            f"expected, slow ones {slow:.2f} times (p = {here['p'].iloc[0]:.1g}); the rates do not know it."
        )
    return tuple(said)


def _thin(record: Trust, deals: OpenDeals) -> tuple[str, ...]:
    share, money = thin_share(record, deals), thin_share(record, deals, deals.value)
    if share == 0:
        return (f"Thin ages: none; at every open deal's age, {THIN} past leads or more went on.",)
    amount = f" and {money:.0%} of the amount shown" if np.isfinite(money) else ""
    ages = f"ages that fewer than {THIN} past leads outlasted"
    return (f"Thin ages: {share:.0%} of open deals{amount} are at {ages}; their chances rest on little.",)


def _zombies(history: History) -> tuple[str, ...]:
    leads = open_leads(history)
    old = int(leads["zombie"].sum())
    if not old:
        return ()
    return (f"Never closed: {old:,} of {len(leads):,} open leads are older than any visit that ever ended.",)


def _unknown(history: History) -> tuple[str, ...]:
    """Say what the export does not hold."""
    held = history.leads.columns[history.leads.notna().any().to_numpy()]
    missing = [name.replace("_", " ") for name in ATTRIBUTES if name not in held]
    said = []
    if missing:
        said.append(f"Not in the export: {', '.join(missing)}.")
    if history.lost and not history.events["stage"].isin(history.lost).any():
        said.append("The export records no loss: a lead that is lost looks like one that waits.")
    return tuple(said)

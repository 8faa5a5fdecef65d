"""What share of leads does something within some days, when many are still open: by counting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.errors import FunnelError, nearest
from funnelsim.history.log import History, days_since, spells

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
NORMAL_95 = 1.959964


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


def stage_incidence(history: History, stage: str) -> pd.DataFrame:
    """Return, for the visits to a stage, the share that left by each exit by each day.

    Returns:
        exit, day, share, low, high (95 %); one row per exit and day on which it was taken.

    Raises:
        FunnelError: no such stage.
    """
    if stage not in history.waits:
        raise FunnelError(f"'{stage}' is no stage of this history; {nearest(stage, history.waits)}")
    visits = spells(history).query("stage == @stage")
    exits = [name for name in history.waits + history.ends if (visits["exit"] == name).any()]
    taken = visits["exit"].map({name: number for number, name in enumerate(exits, 1)}).fillna(0)
    cohort = Cohort(
        (visits["stop"] - visits["start"]).to_numpy(),
        np.asarray(taken, dtype=np.int64),
        visits["since"].to_numpy(),
    )
    found = {name: aalen_johansen(cohort, number) for number, name in enumerate(exits, 1)}
    rows = [
        (name, day, *found[name].at(day))
        for number, name in enumerate(exits, 1)
        for day in np.unique(cohort.days[cohort.cause == number])
    ]
    return pd.DataFrame(rows, columns=["exit", "day", "share", "low", "high"])

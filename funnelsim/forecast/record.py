"""From past forecasts to a verdict: what happened beside them, skill against simpler ways, coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.forecast.baselines import dressed
from funnelsim.forecast.forecast import LEVELS, NAMES
from funnelsim.forecast.periods import Period
from funnelsim.forecast.scores import crps_quantiles, inside, mape, pinball, probability_below
from funnelsim.forecast.width import scale_of, widened

Floats = NDArray[np.float64]

OURS = "funnelsim"
SCALED = "funnelsim, scaled by its record"
MEASURES = ("revenue", "wins")
SHARES = (0.5, 0.8, 0.95)
RESAMPLES = 2000


@dataclass(frozen=True)
class Snapshot:
    """What was said at one origin, from what was known then.

    Args:
        periods: the periods forecast.
        quantiles, mean: (2 measures, periods, levels) and (2, periods): our forecast; None where it was not
            made.
        points: baseline -> (2 measures, periods) point forecasts, nan where it has none.
    """

    periods: tuple[Period, ...]
    quantiles: Floats | None
    mean: Floats | None
    points: Mapping[str, Floats]


def record_of(
    shots: Mapping[pd.Timestamp, Snapshot],
    scored: Sequence[pd.Timestamp],
    wins: pd.DataFrame,
    until: pd.Timestamp,
) -> pd.DataFrame:
    """Return one row per scored origin, period, measure and method, with what happened and scores.

    Baselines are dressed, and our own forecast is scaled, with errors that were known at the origin.

    Args:
        shots: origin -> what was said, of scored and earlier origins.
        scored: the origins to score.
        wins: all wins, columns at and value; without any amount only wins are scored.
        until: the moment until which outcomes are known.
    """
    measures = MEASURES if wins["value"].notna().any() else MEASURES[1:]
    rows = []
    for origin in scored:
        for step, period in enumerate(shots[origin].periods):
            if period.end > until:
                continue
            past = [shot for shot in shots.values() if shot.periods[step].end <= origin]
            outcomes = np.array([happened(wins, shot.periods[step]) for shot in past]).reshape(-1, 2)
            actual = happened(wins, period)
            for measure in measures:
                number = MEASURES.index(measure)
                head = {"origin": origin, "period": period.label, "start": period.start, "end": period.end}
                head |= {"step": step + 1, "measure": measure, "actual": actual[number]}
                said = _said(shots[origin], past, outcomes, number, step)
                for method, (mean, quantiles) in said.items():
                    named = dict(zip(NAMES, quantiles.tolist(), strict=True))
                    rows.append(head | {"method": method, "mean": mean} | named)
    return scored_rows(pd.DataFrame(rows))


def happened(wins: pd.DataFrame, period: Period) -> tuple[float, float]:
    """Return revenue and number of wins of a period."""
    mine = wins[(wins["at"] >= period.start) & (wins["at"] < period.end)]
    return float(mine["value"].fillna(0.0).sum()), float(len(mine))


def _said(
    shot: Snapshot, past: Sequence[Snapshot], outcomes: Floats, number: int, step: int
) -> dict[str, tuple[float, Floats]]:
    """Return mean and quantiles of every method for one measure and step."""
    floor = 0.5
    if number == 0:
        floor *= max(float(outcomes[:, 0].sum()), 1e-9) / max(float(outcomes[:, 1].sum()), 1.0)
    found: dict[str, tuple[float, Floats]] = {}
    if shot.quantiles is not None and shot.mean is not None:
        mine, mean = shot.quantiles[number, step], float(shot.mean[number, step])
        own = [
            (old.quantiles[number, step], row)
            for old, row in zip(past, outcomes, strict=True)
            if old.quantiles is not None
        ]
        scale = scale_of(np.array([q for q, _ in own]), np.array([row[number] for _, row in own]))
        found = {OURS: (mean, mine), SCALED: (mean, widened(mine, scale))}
    for name, point in shot.points.items():
        said = float(point[number, step])
        if np.isfinite(said):
            before = np.array([old.points[name][number, step] for old in past])
            found[name] = (said, dressed(said, before, outcomes[:, number], floor, np.array(LEVELS)))
    return found


def scored_rows(record: pd.DataFrame) -> pd.DataFrame:
    """Add crps, pinball, pit, inside_50, inside_80 and inside_95 to rows with actual and quantiles."""
    levels, quantiles = np.array(LEVELS), record[NAMES].to_numpy(dtype=np.float64)
    actual = record["actual"].to_numpy(dtype=np.float64)
    scored = record.assign(
        crps=crps_quantiles(actual, levels, quantiles),
        pinball=pinball(actual, levels, quantiles).mean(axis=1),
        pit=probability_below(actual, levels, quantiles),
    )
    held = {f"inside_{share * 100:.0f}": inside(actual, levels, quantiles, share) for share in SHARES}
    return scored.assign(**held)


def summary(record: pd.DataFrame) -> pd.DataFrame:
    """Return for each measure, step and method: n, mean crps and pinball, mape, coverages, mean pit."""
    rows = []
    for keys, rows_of in record.groupby(["measure", "step", "method"], sort=False):
        held = {f"inside_{share * 100:.0f}": rows_of[f"inside_{share * 100:.0f}"].mean() for share in SHARES}
        means = {name: rows_of[name].mean() for name in ("crps", "pinball", "pit")}
        error = mape(rows_of["actual"].to_numpy(dtype=float), rows_of["0.50"].to_numpy(dtype=float))
        head = dict(zip(("measure", "step", "method"), keys, strict=True))
        rows.append(head | {"n": len(rows_of)} | means | {"mape": error} | held)
    return pd.DataFrame(rows)


def skill(
    record: pd.DataFrame, *, measure: str = "revenue", step: int = 1, method: str = OURS, seed: int = 1
) -> pd.DataFrame:
    """Return how much smaller our CRPS is than each baseline's, with a paired block-bootstrap interval.

    Skill = 1 - mean of ours / mean of theirs, over the origins that both forecast; origins are drawn
    together, in blocks, because neighbouring errors are alike.

    Returns:
        baseline, skill, low, high (90 % interval), n (origins), hardest baseline first.

    Source: Kuensch, Annals of Statistics 1989, doi:10.1214/aos/1176347265.
    """
    rows = record[(record["measure"] == measure) & (record["step"] == step)]
    scores = rows.pivot(index="origin", columns="method", values="crps")
    rng = np.random.default_rng(seed)
    found = []
    for baseline in scores.columns.drop([OURS, SCALED], errors="ignore"):
        pair = scores[[method, baseline]].dropna().to_numpy()
        if len(pair) and pair[:, 1].mean() > 0:
            low, high = _interval(pair, step, rng)
            value = 1 - pair[:, 0].mean() / pair[:, 1].mean()
            found.append((baseline, value, low, high, len(pair)))
    table = pd.DataFrame(found, columns=["baseline", "skill", "low", "high", "n"])
    return table.sort_values("skill", kind="stable").reset_index(drop=True)


def coverage(record: pd.DataFrame, *, measure: str = "revenue", method: str = OURS) -> pd.DataFrame:
    """Return promised and observed shares of intervals, with the 90 % binomial range of a true promise.

    Returns:
        step, nominal, covered, low, high, n.
    """
    from scipy.stats import binom

    rows = record[(record["measure"] == measure) & (record["method"] == method)]
    found = []
    for step, mine in rows.groupby("step"):
        for share in SHARES:
            number, covered = len(mine), mine[f"inside_{share * 100:.0f}"].mean()
            low, high = binom.ppf([0.05, 0.95], number, share) / number
            found.append((step, share, covered, low, high, number))
    return pd.DataFrame(found, columns=["step", "nominal", "covered", "low", "high", "n"])


def _interval(pair: Floats, step: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return the 90 % interval of the skill from circular blocks of origins."""
    number = len(pair)
    length = min(max(step, round(number ** (1 / 3))), number)
    starts = rng.integers(0, number, (RESAMPLES, -(-number // length)))
    places = ((starts[:, :, None] + np.arange(length)) % number).reshape(RESAMPLES, -1)[:, :number]
    means = pair[places].mean(axis=1)
    values = 1 - means[:, 0] / np.maximum(means[:, 1], 1e-300)
    low, high = np.quantile(values, [0.05, 0.95])
    return float(low), float(high)


def scales_of(
    shots: Mapping[pd.Timestamp, Snapshot], wins: pd.DataFrame, until: pd.Timestamp
) -> pd.DataFrame:
    """Return by how much past forecasts were farther off than said: measure, step, scale, n (forecasts)."""
    made = [shot for shot in shots.values() if shot.quantiles is not None]
    found = []
    for step in range(max((len(shot.periods) for shot in made), default=0)):
        over = [shot for shot in made if shot.periods[step].end <= until]
        outcomes = np.array([happened(wins, shot.periods[step]) for shot in over]).reshape(-1, 2)
        for number, measure in enumerate(MEASURES):
            said = np.array([shot.quantiles[number, step] for shot in over if shot.quantiles is not None])
            found.append((measure, step + 1, scale_of(said, outcomes[:, number]), len(over)))
    return pd.DataFrame(found, columns=["measure", "step", "scale", "n"])

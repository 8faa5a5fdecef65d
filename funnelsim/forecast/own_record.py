"""A forecast as wide as its own record asks: how far off the last forecasts of the same history were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.forecast.backtest import past_scales
from funnelsim.forecast.forecast import LEVELS, NAMES, Forecast
from funnelsim.forecast.scores import probability_below
from funnelsim.forecast.width import FEWEST_FOR_SCALE, scaled_by
from funnelsim.history.log import History

LATEST = 8


def by_own_record(
    found: Forecast,
    history: History,
    period: str,
    *,
    latest: int = LATEST,
    seed: int = 1,
    workers: int = 2,
    progress: bool = False,
) -> Forecast:
    """Return a forecast whose intervals are as wide as the last forecasts of this history should have been.

    The periods' totals are stretched about their medians by the root mean square of past errors, in standard
    deviations of what was said (see `funnelsim.forecast.width.scale_of`); the means stay. `notes` then says
    by how much. On real histories this made 95 % intervals hold more often and single forecasts no better, at
    the cost of eight past forecasts, so nobody gets it unasked.

    Args:
        found: a forecast of the history.
        history: what was known.
        period: week, month or quarter, as forecast.
        latest: past origins to forecast from, the last ones.
        seed: of their draws.
        workers: processes.
    """
    if found.silent:
        return found
    count = int(found.periods["period"].nunique())
    try:
        scales = past_scales(
            history, period=period, count=count, latest=latest, seed=seed, workers=workers, progress=progress
        )
    except FunnelError as error:
        return replace(found, notes=(*found.notes, f"Own record: not used, as there is none ({error})."))
    periods = scaled_by(found.periods, scales)
    notes = (*found.notes, *words_of(scales, period))
    return replace(found, periods=periods, widths=_widths(found, periods), notes=notes)


def words_of(scales: pd.DataFrame, period: str) -> tuple[str, ...]:
    """Return what the record asks for, a sentence for each measure.

    Args:
        scales: measure, step, scale, n, as `past_scales` returns.
        period: week, month or quarter.

    >>> words_of(pd.DataFrame({"measure": ["wins"], "step": [1], "scale": [1.25], "n": [8]}), "month")[0][:63]
    'Own record, wins: against what they said, past forecasts were o'
    """
    sentences = []
    for measure, rows in scales.groupby("measure", sort=False):
        known = rows[rows["n"] >= FEWEST_FOR_SCALE]
        parts = [
            f"{scale:.2f} ({step} {period}{'s' * (step > 1)} ahead, {number} forecasts)"
            for scale, step, number in zip(known["scale"], known["step"], known["n"], strict=True)
        ]
        sentences.append(
            f"Own record, {measure}: against what they said, past forecasts were off by a factor of "
            f"{', '.join(parts)}; intervals are as much wider or narrower (a prior of four says 1)."
            if parts
            else f"Own record, {measure}: under four past forecasts are over, so widths stay as they are."
        )
    return tuple(sentences)


def _widths(found: Forecast, periods: pd.DataFrame) -> pd.DataFrame:
    """Return the widths of stretched periods: chance stays, the rest of the total is what is not known."""
    total = (periods["origin"] == "total") & (periods["measure"] == "revenue")
    rows = periods[total].reset_index(drop=True)
    widths = found.widths.copy()
    moved = (rows["sd"] != found.periods.loc[total, "sd"].to_numpy()).to_numpy()
    widths["total"] = rows["sd"]
    rest = np.sqrt(np.maximum(widths["total"] ** 2 - widths["chance"] ** 2, 0.0))
    widths["parameter"] = widths["parameter"].where(~moved, rest)
    if np.isfinite(found.target):
        quantiles = rows[NAMES].to_numpy(dtype=np.float64)
        below = probability_below(np.array(found.target), np.array(LEVELS), quantiles)
        widths["p_target"] = widths["p_target"].where(~moved, 1 - below)
    return widths

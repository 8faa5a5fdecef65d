"""From a history to a forecast in one call: what the terminal, the notebooks and the backtest share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.errors import FunnelError
from funnelsim.forecasting.baselines import points, view_of
from funnelsim.forecasting.forecast import NAMES, Forecast, forecast_periods
from funnelsim.forecasting.periods import Period, past_periods, periods_from
from funnelsim.history.log import DAY, History, bookings, open_leads, valued
from funnelsim.model.levers import apply_scenario
from funnelsim.model.model import Model, OpenDeals
from funnelsim.model.scenario import read_scenario

DATES_ASIDE = "Dates: set aside, as the scenario changes rates and these act by age; all leads win by age."


@dataclass(frozen=True)
class Situation:
    """Where a company stands on the as-of date.

    Args:
        history: what was known.
        model: calibrated to it.
        deals: the open pipeline.
        booked: past wins (lead, at, stage, value).
        periods: the periods to forecast; the first holds the as-of date.
    """

    history: History
    model: Model
    deals: OpenDeals
    booked: pd.DataFrame
    periods: tuple[Period, ...]


def situation(
    history: History, *, period: str = "quarter", count: int = 2, spend: pd.DataFrame | None = None
) -> Situation:
    """Calibrate a history and say where it stands; without any amount, revenue is counted in wins.

    Args:
        period: "week", "month" or "quarter".
        count: how many periods to look ahead; the first holds the as-of date.
        spend: channel, start, spend as `read_spend` returns, for scenarios and budgets that move money.

    Raises:
        FunnelError: an unknown period, or a history without any visit to a stage.
    """
    periods = periods_from(history.until, period, count, history.period_start)
    horizon = (periods[-1].end - history.until) / pd.Timedelta(days=1)
    length = (periods[0].end - periods[0].start) / pd.Timedelta(days=1)
    booked, currency = valued(history)
    model = replace(fit_model(history, horizon=horizon, period=length, spend=spend), currency=currency)
    return Situation(history, model, open_pipeline(history, model), booked, periods)


def under(place: Situation, scenario: Path | None) -> Situation:
    """Return the same situation with a scenario's levers pulled; none changes nothing.

    Levers on rates act on leads that win by age: with them, expected dates are set aside.
    """
    if scenario is None:
        return place
    found = read_scenario(scenario, place.model)
    model, notes = apply_scenario(place.model, found), found.notes
    if model.due is not None and model.levers != place.model.levers:
        model, notes = replace(model, due=None), (*notes, DATES_ASIDE)
    return replace(place, model=replace(model, notes=(*model.notes, *notes)) if notes else model)


def forecast_situation(
    place: Situation,
    *,
    draws: int = 200,
    seed: int = 1,
    engine: str | None = None,
    target: float | None = None,
    progress: bool = False,
) -> Forecast:
    """Forecast the periods of a situation; the deal table also names channel and owner.

    Of a history that is too thin, `silent` says why, and the numbers are nan (see
    `too_thin`). See `funnelsim.forecasting.forecast.forecast` for the arguments.
    """
    found = forecast_periods(
        place.model, place.deals, place.periods, booked=place.booked, draws=draws, seed=seed, engine=engine,
        target=target, progress=progress,
    )  # fmt: skip
    by_date = place.model.due is not None and found.engine == "exact"
    dates = pd.Series(place.deals.due, index=place.deals.name) if by_date else None
    found = replace(found, deals=_named(found.deals, open_leads(place.history), dates))
    reasons = too_thin(place.history, place.periods)
    return silenced(found, reasons) if reasons else found


def _named(deals: pd.DataFrame, known: pd.DataFrame, dates: pd.Series | None) -> pd.DataFrame:
    """Add channel, owner and a flag in words to the deal table.

    Args:
        dates: by lead, days to the expected date where it is the clock; its age then says nothing.
    """
    extra = known.set_index("lead").reindex(deals["lead"])
    for position, column in enumerate(("channel", "owner"), start=3):
        if column in extra.columns:
            deals.insert(position, column, extra[column].to_numpy())
    stale = extra["zombie"].to_numpy(dtype=bool)
    slow = (deals["age_percentile"] >= 90).to_numpy()
    deals["flag"] = [
        "never closed this late" if z else "slower than 90 %" if s else ""
        for z, s in zip(stale, slow, strict=True)
    ]
    if dates is not None:
        due = dates.reindex(deals["lead"]).to_numpy()
        deals["flag"] = deals["flag"].mask(due >= 0, "").mask(due < 0, "overdue")
    return deals


def simpler_ways(place: Situation, kind: str) -> pd.DataFrame:
    """Return what simpler forecasters say of revenue, nan where they cannot: way, a column per period."""
    found = points(view_of(place.history, kind, place.periods))
    rows = [
        {"way": way} | {p.label: x for p, x in zip(place.periods, found[way][0], strict=True)}
        for way in ("last period", "same period last year", "ETS")
    ]
    return pd.DataFrame(rows)


def past_revenue(place: Situation, kind: str, count: int) -> pd.DataFrame:
    """Return revenue and wins of the whole periods before the present one: period, start, revenue, wins."""
    periods = past_periods(place.history.until, kind, count, place.history.period_start)
    return booked_by(place.booked, [p for p in periods if p.end > place.history.began])


def booked_by(wins: pd.DataFrame, periods: Sequence[Period]) -> pd.DataFrame:
    """Return what was booked in each period: period, start, revenue, wins."""
    rows = []
    for period in periods:
        inside = wins[(wins["at"] >= period.start) & (wins["at"] < period.end)]
        rows.append(
            (period.label, period.start, float(inside["value"].fillna(0.0).sum()), float(len(inside)))
        )
    return pd.DataFrame(rows, columns=["period", "start", "revenue", "wins"])


FEWEST_WINS = 5


def too_thin(history: History, periods: Sequence[Period]) -> tuple[str, ...]:
    """Return why a history cannot carry a forecast, a sentence for each reason; nothing where it can.

    Two things must have been seen. Five wins: a rate counted from n of them is a Gamma of shape n, and the
    ends of its 80 % interval lie a factor of 22 apart with one win, 4.8 with three and 3.3 with five. One
    span as long as the longest period to be forecast: else nothing is known of how many leads such a period
    brings. A wide interval is no reason: a small company's is wide by luck, however long its history.

    Args:
        history: what is known.
        periods: what is to be forecast.
    """
    wins, days = len(bookings(history)), (history.until - history.began) / DAY
    longest = max((period.end - period.start) / DAY for period in periods)
    reasons = []
    if wins < FEWEST_WINS:
        reasons.append(
            f"Wins on record: {wins or 'none'}; at least {FEWEST_WINS} are needed, as from fewer the rate of "
            "winning cannot be told within a factor of three."
        )
    if days < longest:
        reasons.append(
            f"Days on record: {days:.0f}; at least {longest:.0f} are needed, as long as a period to be "
            "forecast, or nobody can tell how many leads one brings. A shorter period may do."
        )
    return tuple(reasons)


def refuse_thin(history: History, periods: Sequence[Period]) -> None:
    """Refuse what has no answer but numbers, such as a comparison, where a history is too thin.

    Raises:
        FunnelError: it is.
    """
    reasons = too_thin(history, periods)
    if reasons:
        raise FunnelError(f"the history is too thin. {' '.join(reasons)}")


def silenced(found: Forecast, reasons: tuple[str, ...]) -> Forecast:
    """Return a forecast without its numbers: what is booked stays, all that is not known becomes nan.

    Args:
        found: the forecast.
        reasons: why, as `too_thin` says.
    """
    sure = (found.periods["origin"] == "booked").to_numpy()
    periods, widths, deals = found.periods.copy(), found.widths.copy(), found.deals.copy()
    periods.loc[~sure, ["mean", "sd", *NAMES]] = np.nan
    widths[widths.columns.drop("period")] = np.nan
    chances = [column for column in deals.columns if column.startswith("P(win ") or column == "expected"]
    deals[chances] = np.nan
    return replace(found, periods=periods, widths=widths, deals=deals, silent=reasons)

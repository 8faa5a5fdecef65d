"""When a history is too thin to forecast from: said in sentences, instead of a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from funnelsim.errors import FunnelError
from funnelsim.forecast.forecast import NAMES, Forecast
from funnelsim.forecast.periods import Period
from funnelsim.history.log import DAY, History, bookings

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

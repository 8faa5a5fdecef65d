"""What past wins brought: their amounts, or one each where the history has no amount at all."""

from __future__ import annotations

import pandas as pd

from funnelsim.history.log import History, bookings, shows_amounts

WINS = "wins"


def valued(history: History) -> tuple[pd.DataFrame, str]:
    """Return past wins (lead, at, stage, value) and the currency; where no lead shows one, a win counts 1."""
    booked = bookings(history)
    if shows_amounts(history):
        return booked, history.currency
    return booked.assign(value=1.0), WINS

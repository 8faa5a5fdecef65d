"""What was read, in sentences for a planner and as one dictionary for other programs."""

from __future__ import annotations

import pandas as pd

from funnelsim.history.log import History, bookings, open_leads, shows_amounts
from funnelsim.history.parse import to_amounts


def as_of_words(history: History) -> str:
    """Return the as-of date as a person says it: a day whose whole is known, or a moment.

    >>> from funnelsim.history.read import read_history
    >>> log = pd.DataFrame({"lead": "a", "stage": ["Offer", "Won"], "at": ["2026-01-01", "2026-01-05"]})
    >>> as_of_words(read_history(log))
    '2026-01-05'
    """
    if history.until == history.until.normalize():
        return f"{history.until - pd.Timedelta(days=1):%Y-%m-%d}"
    return f"{history.until:%Y-%m-%dT%H:%M:%S}"


def reading_notes(history: History) -> tuple[str, ...]:
    """Return how the file was understood, each in one sentence: as-of date, zone, marks, order, currency.

    Args:
        history: what was read.
    """
    reading = history.quality.reading
    origin = f", the last day with an event ({reading.until})" if reading.until else ", as asked for"
    notes = [f"As of {as_of_words(history)}{origin}."]
    if reading.zone and reading.zone_stated:
        notes.append(f"Moments that carry a time zone are shown in {reading.zone}.")
    elif reading.zone:
        notes.append(
            "Moments carry a time zone and were moved to UTC, so that an evening may count as the next day; "
            "say `zone: America/New_York` (or another) in a mapping for your own clock."
        )
    if reading.date_order:
        other = "month first" if reading.date_order == "day first" else "day first"
        notes.append(f"Dates like 03/04/2026 are read with the {reading.date_order} (not the {other}).")
    notes += _mark_notes(reading.decimal, reading.doubt)
    if shows_amounts(history):
        notes.append(f"Amounts are in {history.currency}." if history.currency else "No currency is stated.")
    return tuple(notes)


def _mark_notes(decimal: str, doubt: str) -> list[str]:
    if not decimal:
        return []
    if not doubt:
        return [f"Amounts are read with a decimal {decimal}."]
    other = "comma" if decimal == "point" else "point"
    amount, otherwise = (to_amounts(pd.Series([doubt]), "", mark).iloc[0] for mark in (decimal, other))
    how = f"'{doubt}' is {amount:,.10g}; say `decimal: {other}` in a mapping if it is {otherwise:,.10g}"
    return [f"Amounts are read with a decimal {decimal}: {how}."]


def summary_of(history: History) -> dict[str, object]:
    """Return what was read as other programs take it.

    Args:
        history: what was read.

    Returns:
        source, as_of (a day, or a moment), zone and currency (None where none is stated), rows_read,
        rows_used, set_aside (kind -> rows of the file), leads, wins, losses, open (leads in a stage),
        revenue and open_amount (None where no amount is shown), notes.
    """
    quality, waiting, wins = history.quality, open_leads(history), bookings(history)
    waiting = waiting[~waiting["stage"].isin(history.won).to_numpy()]
    amounts = shows_amounts(history)
    aside = [line for line in quality.findings if line.done.startswith("set aside")]
    return {
        "source": history.source,
        "as_of": as_of_words(history),
        "zone": quality.reading.zone or None,
        "currency": history.currency or None,
        "rows_read": quality.read,
        "rows_used": quality.used,
        "set_aside": {line.kind: line.count for line in aside},
        "leads": len(history.leads),
        "wins": len(wins),
        "losses": int(history.events["stage"].isin(history.lost).sum()),
        "open": len(waiting),
        "revenue": float(wins["value"].sum()) if amounts else None,
        "open_amount": float(waiting["value"].sum()) if amounts else None,
        "notes": [*reading_notes(history), *history.limits],
    }

"""Times and amounts as people write them in a file: "50 per month", 2026-07-01, hours."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import BeforeValidator, Field, Strict

from funnelsim.errors import FunnelError, nearest
from funnelsim.files import shown

DAYS = {
    "minute": 1 / 1440,
    "hour": 1 / 24,
    "day": 1.0,
    "week": 7.0,
    "month": 365.25 / 12,
    "quarter": 365.25 / 4,
    "year": 365.25,
}


def per_day(text: object) -> float:
    """Return an amount per time as an amount per day.

    Raises:
        FunnelError: not of the form "50 per month", or not a finite number.

    >>> per_day("70 per week")
    10.0
    """
    words = text.split() if isinstance(text, str) else []
    if len(words) != 3 or words[1] != "per":
        raise FunnelError(f"{shown(text)} given, expected an amount per time, such as '50 per month'")
    return number(words[0]) / days_in(words[2])


def days_in(unit: object) -> float:
    """Return the days in a unit of time, singular or plural.

    Raises:
        FunnelError: the unit is unknown; names the nearest.

    >>> days_in("weeks")
    7.0
    """
    name = str(unit).removesuffix("s")
    if name not in DAYS:
        raise FunnelError(f"unknown unit of time {shown(unit)}; {nearest(name, DAYS)}")
    return DAYS[name]


def number(text: str) -> float:
    """Return a number written with or without thousands commas.

    >>> number("12,000")
    12000.0
    """
    try:
        value = float(text.replace(",", "").replace("_", ""))
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise FunnelError(f"{shown(text)} given, expected a number")
    return value


def date(text: object) -> datetime.date:
    """Return a calendar date written as 2026-07-01.

    Raises:
        FunnelError: it is no such date.
    """
    try:
        return datetime.date.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        raise FunnelError(f"{shown(text)} is not a date; expected one like 2026-07-01") from None


def day_number(day: datetime.date, as_of: pd.Timestamp) -> float:
    """Return days from the as-of moment to the beginning of a date.

    >>> day_number(datetime.date(2026, 7, 3), pd.Timestamp("2026-07-01"))
    2.0
    """
    return float((pd.Timestamp(day) - as_of) / pd.Timedelta(days=1))


def moment(as_of: str | pd.Timestamp) -> pd.Timestamp:
    """Return the as-of moment: a date without a time means that this whole day is known.

    >>> moment("2026-03-31")
    Timestamp('2026-04-01 00:00:00')
    """
    if isinstance(as_of, pd.Timestamp):
        return as_of
    return pd.Timestamp(date(as_of)) + pd.Timedelta(days=1)


def known(name: str, names: Iterable[str], where: str, role: str) -> str:
    """Return a name that is among the known ones.

    Args:
        name: what was given.
        names: what it may be.
        where: key path, for the sentence.
        role: what it names, for the sentence: "stage", "channel".

    Raises:
        FunnelError: it is not; names the nearest.
    """
    names = list(names)
    if name not in names:
        raise FunnelError(f"{where}: unknown {role} {shown(name)}; {nearest(name, names)}")
    return name


Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
PerDay = Annotated[float, BeforeValidator(per_day)]
Date = Annotated[datetime.date, BeforeValidator(date)]

"""Times and amounts as people write them in a file: "50 per month", 2026-07-01, hours."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import BeforeValidator, Field, Strict

from funnelsim.errors import FunnelError, nearest
from funnelsim.files import shown

UNIT_DAYS = {
    "minute": 1 / 1440,
    "hour": 1 / 24,
    "day": 1.0,
    "week": 7.0,
    "month": 365.25 / 12,
    "quarter": 365.25 / 4,
    "year": 365.25,
}
WEAKEST = 0.01  # a rep who needs a hundred times as long is better said to come later
LONGEST_SPAN = 366  # a leap year of holidays; longer is a slip of the pen
QUANTITY = re.compile(
    r"(?P<digits>\d+(?:[.,_]\d+)*)\s*(?P<ending>k|tsd|m|mio|million|bn|mrd|billion)?\.?", re.IGNORECASE
)
UNSURE = re.compile(
    r"[1-9]\d{0,2}[.,]\d{3}"
)  # 1.234 and 1,234: one number in one country, another in the next
SCALES = {"": 1}
SCALES |= dict.fromkeys(("k", "tsd"), 10**3) | dict.fromkeys(("m", "mio", "million"), 10**6)
SCALES |= dict.fromkeys(("bn", "mrd", "billion"), 10**9)
SPAN = re.compile(
    r"(?P<fiscal>FY)?(?P<year>\d{4})"
    r"(?:-(?P<month>\d{2})(?:-(?P<day>\d{2}))?|[\s-]?(?P<kind>[QqHh])(?P<number>\d))?"
)
MOST_MONEY = 1e12  # no plan costs more; a longer number is a slip
NO_SPAN = "is no date; expected one like 2026-10-01, 2026-10, 2026Q4, 2026H2 or 2026"
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]


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


def amount_per_time(amount: float) -> str:
    """Return an amount per day in words, in the unit of time in which its number is shortest.

    >>> amount_per_time(per_day("12,000 per month")), amount_per_time(5.0)
    ('12,000 per month', '5 per day')
    """
    numbers = {f"{amount * days:,.10g}": unit for unit, days in reversed(UNIT_DAYS.items()) if days >= 1}
    number = min(reversed(numbers), key=len)
    return f"{number} per {numbers[number]}"


def price(given: object) -> float | str:
    """Return money as a file holds it: a number, paid once, or text such as "12000 per month".

    Raises:
        FunnelError: neither, or less than nothing.

    >>> price("50k"), price("1,200 per month"), price(3)
    (50000.0, '1200.0 per month', 3.0)
    """
    if isinstance(given, str):
        amount, _, unit = given.partition(" per ")
        if unit:
            days_in(unit.strip())
        return f"{quantity(amount)!r} per {unit.strip()}" if unit else quantity(amount)
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= MOST_MONEY:
        return float(given)
    raise FunnelError(f"{shown(given)} given, expected money such as 50000, or '12000 per month'")


def days_in(unit: object) -> float:
    """Return the days in a unit of time, singular or plural.

    Raises:
        FunnelError: the unit is unknown; names the nearest.

    >>> days_in("weeks")
    7.0
    """
    name = str(unit).removesuffix("s")
    if name not in UNIT_DAYS:
        raise FunnelError(f"unknown unit of time {shown(unit)}; {nearest(name, UNIT_DAYS)}")
    return UNIT_DAYS[name]


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


def quantity(text: str, money: bool = True) -> float:
    """Return a number as people write one: a comma or a point for decimals, k, M or bn, thousands apart.

    Where one sign could stand for decimals or for thousands, money of three digits after a comma is
    thousands (12,000); anything else of that look is refused, with both ways to write it.

    Args:
        text: without a sign.
        money: whether it may have an ending such as k, M or Mio.

    Raises:
        FunnelError: it is no number, or could be two.

    >>> [quantity(text) for text in ("2.5M", "300k", "1,5 Mio", "12,000", "1.234.567,5", "2500000")]
    [2500000.0, 300000.0, 1500000.0, 12000.0, 1234567.5, 2500000.0]
    """
    found = QUANTITY.fullmatch(text.strip())
    ending = found["ending"].casefold() if found and found["ending"] else ""
    if found is None or (ending and not money):
        expected = "an amount such as 2500000, 2.5M, 300k or 1,5 Mio" if money else "a number such as 1.5"
        raise FunnelError(f"{shown(text)} given, expected {expected}")
    digits = found["digits"].replace("_", "")
    unsure = UNSURE.fullmatch(digits) is not None
    thousands = unsure and "," in digits and money and not ending
    if unsure and not thousands and not ("." in digits and (ending or not money)):
        whole, part = re.split("[.,]", digits)
        unit, fine = found["ending"] or "", f"{part}0" if "." in digits else part.rstrip("0") or "0"
        one, two = f"{whole}.{fine}{unit}", f"{whole}{part}{unit}"
        raise FunnelError(f"{shown(text)} could be two numbers; write {one} or {two}")
    return float(Decimal(_with_point(digits, thousands)) * SCALES[ending])


def _with_point(digits: str, thousands: bool) -> str:
    """Return digits with a point for decimals and nothing between thousands."""
    signs = re.findall("[.,]", digits)
    whole, _, part = digits.rpartition(signs[-1]) if signs else (digits, "", "")
    if thousands or (len(signs) > 1 and len(set(signs)) == 1):
        whole, part = digits, ""
    groups = re.split("[.,]", whole)
    if any(len(group) != 3 for group in groups[1:]):
        raise FunnelError(f"{shown(digits)} given, expected thousands in groups of three digits")
    return f"{''.join(groups)}.{part or '0'}"


def span(text: str, first_month: int = 1) -> tuple[datetime.date, datetime.date]:
    """Return first and last day of a day, month, quarter, half or year.

    Args:
        text: such as 2026-10-01, 2026-10, 2026Q4, 2026H2 or 2026; FY2027Q1 where the fiscal year is another.
        first_month: month in which the fiscal year starts.

    Raises:
        FunnelError: it is none of these.

    >>> [str(day) for day in span("2026Q4")], [str(day) for day in span("2024-02")]
    (['2026-10-01', '2026-12-31'], ['2024-02-01', '2024-02-29'])
    >>> [str(day) for day in span("FY2027 Q1", first_month=4)]
    ['2026-04-01', '2026-06-30']
    """
    found = SPAN.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        if found["day"]:
            day = datetime.date(int(found["year"]), int(found["month"]), int(found["day"]))
            return day, day
        month, length = _months(found)
        fiscal = first_month != 1 and not found["month"]
        if fiscal != bool(found["fiscal"]):
            start = f"{datetime.date(2000, first_month, 1):%B}"
            hint = f"the fiscal year starts in {start}; write FY{text.strip().removeprefix('FY')}, or a month"
            raise FunnelError(f"{shown(text)}: {hint if fiscal else 'the fiscal year is the calendar year'}")
        count = 12 * int(found["year"]) + month - 1
        if fiscal:
            count += first_month - 13
        first, after = (datetime.date(n // 12, n % 12 + 1, 1) for n in (count, count + length))
        return first, after - datetime.timedelta(days=1)
    except FunnelError:
        raise
    except ValueError:
        raise FunnelError(f"{shown(text)} {NO_SPAN}") from None


def check_span(option: str, text: str) -> None:
    """Refuse what looks like no day, month, quarter, half or year, whatever the fiscal year is.

    Raises:
        FunnelError: it is none.
    """
    if SPAN.fullmatch(text.strip()) is None:
        raise FunnelError(f"{option} {shown(text)} {NO_SPAN}")


def _months(found: re.Match[str]) -> tuple[int, int]:
    """Return the first month of a span in its year, and how many months it has."""
    if found["month"]:
        return int(datetime.date(2000, int(found["month"]), 1).month), 1
    length = {"q": 3, "h": 6, "": 12}[(found["kind"] or "").casefold()]
    number = int(found["number"] or 1)
    if not 1 <= number <= 12 // length:
        raise ValueError
    return length * (number - 1) + 1, length


def ramp(given: object) -> list[float]:
    """Return the strengths of a ramp, given as a list or as "[0.35, 0.65, 1.0] per month".

    Raises:
        FunnelError: anything but strengths from 0 to 1; a strength of 0 may stand at the beginning only.

    >>> ramp("[0, 0.5] per month")
    [0.0, 0.5]
    """
    if isinstance(given, str):
        words = re.fullmatch(r"\[(.*)\]\s+per\s+(\w+)", given.strip())
        if words is None or words[2] not in ("month", "months"):
            raise FunnelError(f"{shown(given)} given, expected strengths such as [0.35, 0.65, 1.0] per month")
        given = [number(word.strip()) for word in words[1].split(",")]
    if not isinstance(given, list) or not all(
        type(part) in (int, float) and 0 <= part <= 1 for part in given
    ):
        raise FunnelError(f"{shown(given)} given, expected numbers from 0 to 1, one per month")
    strengths = [float(part) for part in given]
    at_work = next((i for i, part in enumerate(strengths) if part > 0), len(strengths))
    if any(part < WEAKEST for part in strengths[at_work:]):
        raise FunnelError(f"{shown(given)} given, expected {WEAKEST:g} or more once a rep has begun to work")
    return strengths


def quote_ramps(text: str) -> str:
    """Return YAML text in which a list may be followed by "per month", which plain YAML refuses.

    >>> quote_ramps("{add: 2, ramp: [0.5] per month}")
    '{add: 2, ramp: "[0.5] per month"}'
    """
    return re.sub(r"(\bramp:\s*)(\[[^\]\n\"']*\]\s+per\s+\w+)", r'\1"\2"', text)


def dates(given: object) -> object:
    """Return dates with spans such as "2026-12-24 to 2027-01-01" written out, last day included.

    Raises:
        FunnelError: a span that ends before it begins, or is longer than a year.

    >>> dates(["2026-05-01", "2026-12-31 to 2027-01-01"])
    ['2026-05-01', '2026-12-31', '2027-01-01']
    """
    if not isinstance(given, list):
        return given
    days = []
    for entry in given:
        first, to, last = entry.partition(" to ") if isinstance(entry, str) else (entry, "", "")
        if not to:
            days.append(entry)
            continue
        begin = date(first.strip())
        length = (date(last.strip()) - begin).days
        if not 0 <= length <= LONGEST_SPAN:
            raise FunnelError(f"{shown(entry)} given, expected a span of {LONGEST_SPAN} days at most")
        days += [(begin + datetime.timedelta(days=day)).isoformat() for day in range(length + 1)]
    return days


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


def check_name(name: str, names: Iterable[str], where: str, role: str) -> str:
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


PER = "^[+-]?[0-9][0-9.,_]* per (?:minute|hour|day|week|month|quarter|year)s?$"
PerDay = Annotated[float, BeforeValidator(per_day, json_schema_input_type=Annotated[str, Field(pattern=PER)])]
Price = Annotated[float | str, BeforeValidator(price)]
Ramp = Annotated[tuple[float, ...], BeforeValidator(ramp, json_schema_input_type=list[float] | str)]
Date = Annotated[
    datetime.date,
    BeforeValidator(date, json_schema_input_type=Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]),
]
Dates = Annotated[tuple[Date, ...], BeforeValidator(dates, json_schema_input_type=list[str])]

"""The lives of Kontor & Kran's leads: how many come, and what becomes of each, told one by one.

Every random number is a uniform one, turned by formulas of our own: the stream of uniforms is the part
of NumPy that stays the same from version to version, so the sample can be made again byte for byte.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import accumulate
from statistics import NormalDist

import company
from numpy.random import Generator

FIRST_DAY = date.fromisoformat(company.OPENED)
LAST_DAY = date.fromisoformat(company.UNTIL)
FIRST_MONDAY = date(2023, 5, 29)
WEEKS = (LAST_DAY - FIRST_MONDAY).days // 7 + 1
QUARTER_ENDS = tuple(
    (date(year + month // 12, month % 12 + 1, 1) - FIRST_DAY).days
    for year in range(FIRST_DAY.year, LAST_DAY.year + 20)
    for month in (3, 6, 9, 12)
)
NORMAL = NormalDist()


@dataclass(frozen=True)
class Lead:
    """One lead: when it came (days since the opening), and what is known of it."""

    day: float
    channel: str
    segment: str
    owner: str
    quoted: int
    won_amount: int


@dataclass(frozen=True)
class Step:
    """A lead enters a place, on a day since the opening."""

    day: float
    place: str


@dataclass(frozen=True)
class Told:
    """A lead and its whole life."""

    lead: Lead
    steps: tuple[Step, ...]


def bell(rng: Generator) -> float:
    """Return a standard normal number."""
    return NORMAL.inv_cdf(min(max(rng.random(), 1e-12), 1 - 1e-12))


def wobble(rng: Generator, spread: float) -> float:
    """Return a lognormal factor of mean 1."""
    return math.exp(spread * bell(rng) - spread * spread / 2)


def pick(rng: Generator, weights: tuple[float, ...]) -> int:
    """Return a position, each as likely as its weight says."""
    sums = list(accumulate(weights))
    return min(bisect_right(sums, rng.random() * sums[-1]), len(weights) - 1)


def monday(week: int) -> date:
    """Return the Monday on which a week of the spend plan begins."""
    return FIRST_MONDAY + timedelta(weeks=week)


def week_of(day: int) -> int:
    """Return the week of the spend plan that a day since the opening is in."""
    return ((FIRST_DAY - FIRST_MONDAY).days + day) // 7


def spend_plan(rng: Generator) -> dict[str, list[int]]:
    """Return EUR spent on each channel in each week, also in the weeks after the record ends."""
    plan: dict[str, list[int]] = {}
    for channel, moves in company.SPEND.items():
        level, money = 1.0, []
        for week in range(WEEKS):
            level = wobble(rng, moves["block"]) if week % 4 == 0 else level
            growth = moves["growth"] ** (week / 52.18)
            amount = company.CHANNELS[channel]["spend"] * level * growth * wobble(rng, moves["week"])
            money.append(max(50, 10 * round(amount * fair(channel, monday(week)) / 10)))
        plan[channel] = money
    return plan


def fair(channel: str, day: date) -> float:
    """Return how trade fairs move the spend on events."""
    if channel != "events":
        return 1.0
    return company.FAIR_FACTOR if day.month in company.FAIR_MONTHS else company.OTHER_FACTOR


def expected_leads(plan: dict[str, list[int]]) -> dict[str, list[float]]:
    """Return expected leads of each channel on each day since the opening, without the luck of the week."""
    expected: dict[str, list[float]] = {}
    for channel, facts in company.CHANNELS.items():
        expected[channel] = []
        for number in range((LAST_DAY - FIRST_DAY).days + 1):
            day = FIRST_DAY + timedelta(days=number)
            spent = plan[channel][week_of(number) - int(facts["lag"])] / facts["spend"]
            season = company.MONTHS[day.month - 1] * company.WEEKDAYS[day.weekday()]
            trend = company.GROWTH ** (number / 365.25)
            expected[channel].append(facts["leads"] * spent ** facts["elasticity"] * season * trend)
    return expected


def arrivals(expected: dict[str, list[float]], rng: Generator) -> Iterator[Lead]:
    """Yield the leads that come, day by day; a week's luck is common to all channels."""
    luck = [wobble(rng, company.WEEK_SPREAD) for _ in range(WEEKS)]
    for number in range((LAST_DAY - FIRST_DAY).days + 1):
        today = {channel: leads[number] * luck[week_of(number)] for channel, leads in expected.items()}
        many = {channel: poisson(rng, mean) for channel, mean in today.items()}
        days = [(number + rng.random(), channel) for channel in many for _ in range(many[channel])]
        for day, channel in sorted(days):
            yield newcomer(day, channel, rng)


def poisson(rng: Generator, mean: float) -> int:
    """Return a Poisson number, by multiplying uniforms (Knuth 1969)."""
    number, product = 0, rng.random()
    while product > math.exp(-mean):
        number, product = number + 1, product * rng.random()
    return number


def newcomer(day: float, channel: str, rng: Generator) -> Lead:
    """Return a new lead with its segment, its rep and the amount it will be quoted."""
    segment = "large" if rng.random() < company.CHANNELS[channel]["large"] else "small"
    owners = list(company.REPS[segment])
    owner = owners[pick(rng, (1.0,) * len(owners))]
    median, spread, unit = company.VALUES[segment]
    quoted = unit * max(1, round(median * math.exp(spread * bell(rng)) / unit))
    share = company.LEAST_WON_SHARE + (1 - company.LEAST_WON_SHARE) * rng.random()
    return Lead(day, channel, segment, owner, quoted, 10 * round(quoted * share / 10))


def life(lead: Lead, rng: Generator) -> Iterator[Step]:
    """Yield the places that a lead enters, in order, until it ends or stays for ever."""
    place = company.STAGES[pick(rng, company.STARTS[lead.segment])]
    day, may_return = lead.day, True
    yield Step(day, place)
    while move := leave(lead, place, day, rng):
        before, (day, place) = place, move
        yield Step(day, place)
        if place in company.ENDS:
            again = place == "Lost" and before in {"Proposal", "Negotiation"} and may_return
            if not again or rng.random() > company.REOPENED:
                return
            first, last = company.REOPENED_AFTER
            day, place, may_return = day + first + (last - first) * rng.random(), "Proposal", False
            yield Step(day, place)


def leave(lead: Lead, stage: str, since: float, rng: Generator) -> tuple[float, str] | None:
    """Return when and where a lead leaves its stage, or None if it never does.

    Wins come at a rate that changes with the calendar, by thinning: they are proposed at the highest
    rate and accepted with the chance that the day's rate has of it (Lewis and Shedler 1979).
    """
    exits, rates, passed = fast_table(lead.segment, stage, lead.channel, lead.owner)
    used = 0.0
    while True:
        used -= math.log1p(-rng.random())
        age = age_at(passed, used)
        if math.isinf(age):
            return None
        exit = exits[pick(rng, rates[bisect_right(company.BINS, age) - 1])]
        day = since + age
        if exit != "Won" or rng.random() * company.RUSH_INSIDE < rush(day):
            return day, exit


@cache
def fast_table(
    segment: str, stage: str, channel: str, owner: str
) -> tuple[tuple[str, ...], tuple[tuple[float, ...], ...], tuple[float, ...]]:
    """Return exits, their highest rates in each bin, and the summed hazard at each bin's edges."""
    table = company.rates_of(segment, stage, channel, owner)
    most = {"Won": company.RUSH_INSIDE}
    rates = tuple(zip(*([rate * most.get(name, 1.0) for rate in table[name]] for name in table), strict=True))
    widths = [high - low for low, high in zip(company.BINS, company.BINS[1:], strict=False)]
    hazards = [sum(row) * width for row, width in zip(rates, widths, strict=False)]
    return tuple(table), rates, tuple(accumulate(hazards, initial=0.0))


def age_at(passed: tuple[float, ...], used: float) -> float:
    """Return the age at which the summed hazard reaches a level, inf if it never does."""
    if used >= passed[-1]:
        return math.inf
    low = bisect_right(passed, used) - 1
    width = company.BINS[low + 1] - company.BINS[low]
    return company.BINS[low] + width * (used - passed[low]) / (passed[low + 1] - passed[low])


def rush(day: float) -> float:
    """Return the factor on the rate of winning on a day since the opening.

    >>> rush(91.5), rush(92.5)  # 30 September and 1 October 2023
    (1.9, 0.837025)
    """
    left = QUARTER_ENDS[bisect_right(QUARTER_ENDS, day)] - day
    return company.RUSH_INSIDE if left <= company.RUSH_DAYS else company.RUSH_OUTSIDE

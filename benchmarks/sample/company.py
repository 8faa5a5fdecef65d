"""Kontor & Kran, a company that never was, and the truth about how its leads live.

The company sells software for warehouses. It opened for business on 1 July 2023, and its CRM has
recorded every step since. Two kinds of customer buy: workshops, for about 10,000 EUR and within weeks
(segment "small"), and logistics groups, for about 1,000,000 EUR and within most of a year ("large").
Leads come from trade fairs (events), paid search, social media and a newsletter (email). Most fill in a
form and start at Lead; some ring up and start at Qualified; a tender starts at Proposal. Who is not
ready is parked in Nurturing, and some come back. Five reps look after the small deals, three after the
large ones, and they are not equally good. At the end of a quarter everybody hurries to sign. Deals that
nobody has touched for 400 days are never touched again, but nobody closes them either.

Everything that decides a life is in this module, as numbers that `truth.json` repeats: so a fit can be
compared with what it should have found. Nothing here uses the package's own engines.
"""

from __future__ import annotations

import math

OPENED, AS_OF, UNTIL = "2023-07-01", "2026-06-30", "2026-12-31"
SEED = 20260630

STAGES = ("Lead", "Qualified", "Needs analysis", "Proposal", "Negotiation", "Nurturing")
ENDS = ("Won", "Lost")
SEGMENTS = ("large", "small")
# Left edges of the ages, in days, between which rates are constant; the last bin is open-ended.
BINS = (0.0, 1.0, 3.0, 7.0, 14.0, 30.0, 60.0, 90.0, 150.0, 240.0, 400.0)

# Segment -> stage -> exit -> share of all visits, median days, spread of the logarithm of days. What is
# missing to 1 never leaves.
EXITS: dict[str, dict[str, dict[str, tuple[float, float, float]]]] = {
    "small": {
        "Lead": {"Qualified": (0.32, 3, 1.0), "Nurturing": (0.14, 10, 0.9), "Lost": (0.53, 12, 1.1)},
        "Qualified": {
            "Needs analysis": (0.52, 5, 0.9),
            "Proposal": (0.12, 4, 0.9),
            "Nurturing": (0.08, 15, 0.9),
            "Lost": (0.25, 14, 1.0),
        },
        "Needs analysis": {"Proposal": (0.70, 8, 0.8), "Lost": (0.27, 15, 0.9)},
        "Proposal": {
            "Negotiation": (0.52, 9, 0.8),
            "Needs analysis": (0.04, 10, 0.8),
            "Lost": (0.41, 25, 0.9),
        },
        "Negotiation": {"Won": (0.66, 10, 0.8), "Proposal": (0.05, 8, 0.8), "Lost": (0.27, 16, 0.9)},
        "Nurturing": {"Qualified": (0.25, 70, 0.9), "Lost": (0.67, 110, 0.9)},
    },
    "large": {
        "Lead": {"Qualified": (0.30, 12, 0.9), "Nurturing": (0.20, 25, 0.9), "Lost": (0.48, 30, 1.0)},
        "Qualified": {
            "Needs analysis": (0.50, 30, 0.7),
            "Proposal": (0.05, 25, 0.7),
            "Nurturing": (0.10, 50, 0.8),
            "Lost": (0.30, 45, 0.9),
        },
        "Needs analysis": {"Proposal": (0.60, 50, 0.6), "Lost": (0.35, 70, 0.7)},
        "Proposal": {
            "Negotiation": (0.40, 55, 0.6),
            "Needs analysis": (0.08, 40, 0.6),
            "Lost": (0.48, 80, 0.8),
        },
        "Negotiation": {"Won": (0.50, 45, 0.6), "Proposal": (0.07, 30, 0.6), "Lost": (0.38, 60, 0.7)},
        "Nurturing": {"Qualified": (0.25, 110, 0.8), "Lost": (0.65, 140, 0.7)},
    },
}

# Where a new lead starts, of 100, in the order of STAGES.
STARTS = {"small": (78, 11, 5, 4, 1, 1), "large": (65, 18, 10, 5, 1, 1)}

# Channel -> leads per day at reference spend, EUR per week of reference spend, elasticity, weeks until
# spend brings leads, share of large leads, factor on the odds that a Lead is qualified.
CHANNELS = {
    "email": {"leads": 1.3, "spend": 800, "elasticity": 0.15, "lag": 1, "large": 0.08, "odds": 1.0},
    "events": {"leads": 1.5, "spend": 6000, "elasticity": 0.35, "lag": 3, "large": 0.20, "odds": 1.5},
    "search": {"leads": 3.4, "spend": 4000, "elasticity": 0.55, "lag": 0, "large": 0.09, "odds": 1.2},
    "social": {"leads": 2.4, "spend": 2500, "elasticity": 0.25, "lag": 2, "large": 0.04, "odds": 0.6},
}
# How spend moves: by blocks of four weeks (spread of the logarithm), by week, and per year.
SPEND = {
    "email": {"block": 0.35, "week": 0.10, "growth": 1.00},
    "events": {"block": 0.50, "week": 0.25, "growth": 1.00},
    "search": {"block": 0.30, "week": 0.08, "growth": 1.15},
    "social": {"block": 0.70, "week": 0.10, "growth": 1.05},
}
FAIR_MONTHS, FAIR_FACTOR, OTHER_FACTOR = (3, 4, 9, 10), 1.8, 0.6

GROWTH = 1.10
MONTHS = (0.95, 1.00, 1.12, 1.02, 1.00, 1.06, 0.82, 0.74, 1.12, 1.20, 1.12, 0.85)
WEEKDAYS = (1.25, 1.25, 1.20, 1.15, 1.05, 0.55, 0.55)
WEEK_SPREAD = 0.12

# Segment -> rep -> factor on the odds that a deal leaves Negotiation won rather than lost.
REPS = {
    "small": {"Ada": 1.6, "Ben": 1.2, "Cleo": 1.0, "Dan": 0.8, "Eve": 0.6},
    "large": {"Finn": 1.4, "Gwen": 1.0, "Hugo": 0.7},
}
# Factor on the rate of winning, in the last days of a calendar quarter and on all others; the mean over
# a year is 1, so that the rates are those of an average day.
RUSH_DAYS, RUSH_INSIDE = 14, 1.9
RUSH_OUTSIDE = round((365.25 - 4 * RUSH_DAYS * RUSH_INSIDE) / (365.25 - 4 * RUSH_DAYS), 6)

# Segment -> median of the quoted amount in EUR, spread of its logarithm, the step it is rounded to.
VALUES = {"small": (8_800, 0.50, 100), "large": (850_000, 0.57, 5_000)}
# A won deal brings between 90 % and 100 % of what was quoted, all shares equally likely.
LEAST_WON_SHARE = 0.9
# Share of deals lost at Proposal or Negotiation that come back to Proposal, once, and after how many days.
REOPENED, REOPENED_AFTER = 0.03, (30.0, 120.0)

Rates = dict[str, list[float]]


def base_rates(segment: str, stage: str) -> Rates:
    """Return the rate per day of each exit in each bin, of an average rep and an average channel.

    An exit's share of visits that have left by age a is share * F(a), F lognormal; the rates are those
    that meet it at every bin edge. Beyond the last edge they are 0: what is that old stays for ever.
    """
    exits = EXITS[segment][stage]
    gone = {name: [share * lognormal(edge, *time) for edge in BINS] for name, (share, *time) in exits.items()}
    rates: Rates = {name: [] for name in exits}
    for low, high in zip(range(len(BINS) - 1), range(1, len(BINS)), strict=True):
        left = {name: part[high] - part[low] for name, part in gone.items()}
        staying = 1 - sum(part[low] for part in gone.values())
        hazard = -math.log1p(-sum(left.values()) / staying) / (BINS[high] - BINS[low])
        for name, part in left.items():
            rates[name].append(round(hazard * part / sum(left.values()), 8))
    return {name: [*found, 0.0] for name, found in rates.items()}


def lognormal(days: float, median: float, spread: float) -> float:
    """Return the chance that a lognormal time of this median is over after so many days.

    >>> lognormal(10.0, 10.0, 0.8)
    0.5
    """
    if days <= 0:
        return 0.0
    return 0.5 * math.erfc(math.log(median / days) / spread / math.sqrt(2))


def tilted(rates: Rates, exit: str, against: str, odds: float) -> Rates:
    """Return rates whose odds of one exit against another are multiplied, the sum of the two being kept.

    >>> tilted({"Won": [0.2], "Lost": [0.2], "Proposal": [0.1]}, "Won", "Lost", 3.0)
    {'Won': [0.3], 'Lost': [0.1], 'Proposal': [0.1]}
    """
    both = [a + b for a, b in zip(rates[exit], rates[against], strict=True)]
    raised = [a * odds for a in rates[exit]]
    share = [a / (a + b) if a + b else 0.0 for a, b in zip(raised, rates[against], strict=True)]
    won = [round(total * part, 8) for total, part in zip(both, share, strict=True)]
    lost = [round(total - part, 8) for total, part in zip(both, won, strict=True)]
    return {**rates, exit: won, against: lost}


def rates_of(segment: str, stage: str, channel: str, owner: str) -> Rates:
    """Return the rates of one kind of lead: its channel tells at Lead, its rep at Negotiation."""
    rates = base_rates(segment, stage)
    if stage == "Lead":
        return tilted(rates, "Qualified", "Lost", CHANNELS[channel]["odds"])
    if stage == "Negotiation":
        return tilted(rates, "Won", "Lost", REPS[segment][owner])
    return rates

"""Made-up companies whose leads state the day on which they will be won: rooms, tables, renewals."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from funnelsim.history.log import History

UNTIL = pd.Timestamp("2026-01-01")
DAY = pd.Timedelta(days=1)
NEAR, MIDDLE = 7.0, 60.0


@dataclass(frozen=True)
class Truth:
    """How leads of a group live.

    Args:
        per_day: leads a day.
        ahead: median days ahead, and the sigma of their lognormal.
        confirms: rate per day from Asked to Booked.
        leaves: (2, 3) rates of dropping out from Asked and Booked: within 7 days of the date, 60, before.
        shows: chance to win from Asked and Booked when the day comes.
        late: chance that a win comes one to five days late.
        season: how much more than on average the most wanted time of the year is asked for.
        amount: median amount.
    """

    per_day: float
    ahead: tuple[float, float]
    confirms: float
    leaves: np.ndarray
    shows: tuple[float, float]
    late: float
    season: float
    amount: float


def random_truth(rng: np.random.Generator) -> Truth:
    """Return a group of generic parameters."""
    leaves = np.array([[0.012, 0.006, 0.002], [0.006, 0.002, 0.0006]]) * rng.uniform(0.6, 1.8, (2, 3))
    return Truth(
        rng.uniform(1.5, 4.0),
        (np.exp(rng.uniform(2.5, 4.2)), rng.uniform(0.6, 1.1)),
        rng.uniform(0.02, 0.12),
        leaves,
        (rng.uniform(0.6, 0.8), rng.uniform(0.95, 0.995)),
        rng.uniform(0.0, 0.08),
        rng.uniform(0.3, 0.7),
        float(np.exp(rng.uniform(5, 7))),
    )


def lives(rng: np.random.Generator, truth: Truth, came: np.ndarray, due: np.ndarray) -> pd.DataFrame:
    """Return every place that each lead enters: lead (number), stage, day.

    Args:
        came: (leads,) days on which leads come in.
        due: (leads,) start of the day of the date, at most a day before the lead came in.
    """
    rows = []
    for lead, (first, date) in enumerate(zip(came, due, strict=True)):
        booked, place, end = life(rng, truth, first, date)
        rows += [(lead, "Asked", first), (lead, "Booked", booked), (lead, place, end)]
    found = pd.DataFrame(rows, columns=["lead", "stage", "day"])
    return found[found["day"].notna()]


def life(
    rng: np.random.Generator, truth: Truth, day: float, date: float, stage: int = 0
) -> tuple[float, str, float]:
    """Return when a lead was booked (nan if never, or before), where it ended, and when."""
    booked = np.nan
    for kind, away in ((2, MIDDLE), (1, NEAR), (0, 0.0)):
        while day < date - away:
            leave, confirm = truth.leaves[stage][kind], truth.confirms if stage == 0 else 0.0
            day += rng.exponential(1 / (leave + confirm))
            if day >= date - away:
                day = date - away
                break
            if rng.random() < leave / (leave + confirm):
                return booked, "Lost", day
            stage, booked = 1, day
    late = rng.integers(1, 6) if rng.random() < truth.late else 0
    place = "Won" if rng.random() < truth.shows[stage] else "Lost"
    return booked, place, max(day + 0.001, date + late + rng.uniform(0.4, 0.9))


def arrivals(
    rng: np.random.Generator, truth: Truth, first: float, last: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the days on which leads come in, in weeks that run hot or cold, and the days that they state."""
    weeks = int(np.ceil((last - first) / 7))
    number = rng.poisson(7 * truth.per_day * rng.gamma(60, 1 / 60, weeks))
    came = first + 7 * np.repeat(np.arange(weeks), number) + rng.uniform(0, 7, number.sum())
    came = np.sort(came[came < last])
    return came, stated(rng, truth, came)


def stated(rng: np.random.Generator, truth: Truth, came: np.ndarray) -> np.ndarray:
    """Return the start of the day of the date that each lead states.

    Some times of the year are wanted more: a day is drawn again until the season accepts it.
    """
    median, sigma = truth.ahead
    due = np.full(len(came), np.nan)
    while np.isnan(due).any():
        open_ = np.flatnonzero(np.isnan(due))
        drawn = np.floor(came[open_] + median * np.exp(sigma * rng.normal(size=len(open_))))
        wanted = 1 + truth.season * np.sin(2 * np.pi * drawn / 365.25)
        due[open_] = np.where(rng.random(len(open_)) * (1 + truth.season) < wanted, drawn, np.nan)
    return due


def price(due: np.ndarray, dear: float) -> np.ndarray:
    """Return what dates cost, compared with the mean of a year; the dearest ones are not the most wanted."""
    return 1 + dear * np.sin(2 * np.pi * due / 365.25 + 1.0)


def company(
    seed: int, years: float = 2.0, groups: int = 2, after: float = 0.0, dear: float = 0.0
) -> tuple[History, list[Truth]]:
    """Return the history of a made-up hotel until `after` days past 2026-01-01, and its truth.

    Args:
        dear: how much dearer than on average the dearest time of the year is.
    """
    rng = np.random.default_rng(seed)
    truths = [random_truth(rng) for _ in range(groups)]
    parts, leads = [], []
    for number, truth in enumerate(truths):
        came, due = arrivals(rng, truth, -365.25 * years, after)
        part = lives(rng, truth, came, due)
        names = np.array([f"g{number}-{lead:06d}" for lead in range(len(came))])
        parts.append(part.assign(lead=names[part["lead"]]))
        amount = np.round(truth.amount * price(due, dear) * np.exp(0.5 * rng.normal(size=len(came))), 2)
        close = UNTIL + pd.to_timedelta(due, unit="D")
        told = {"segment": f"group {number}", "value": amount, "expected_close": close}
        leads.append(pd.DataFrame(told, index=pd.Index(names, name="lead", dtype="str")))
    events = pd.concat(parts)
    events["at"] = (UNTIL + pd.to_timedelta(events["day"], unit="D")).dt.round("s")
    until = UNTIL + after * DAY
    events = events[events["at"] < until].sort_values(["lead", "day"], kind="stable")
    known = pd.concat(leads)
    known = known[known.index.isin(events["lead"])]
    return History(
        events[["lead", "stage", "at"]].reset_index(drop=True), known, until, ("Asked", "Booked"),
        ("Won",), ("Lost",), UNTIL - 365.25 * years * DAY,
    ), truths  # fmt: skip


def without_dates(history: History) -> History:
    """Return the same history without the dates."""
    return replace(history, leads=history.leads.drop(columns="expected_close"))


def deadlines(seed: int, years: float = 2.0, wins: float = 0.4, after: float = 0.0) -> History:
    """Return the history of made-up projects, each decided on the day that it named when it came in.

    Args:
        wins: share that wins; amounts are known on winning only.
        after: days past 2026-01-01 until which all is known.
    """
    rng = np.random.default_rng(seed)
    number = rng.poisson(3.0 * (365 * years + after))
    came = np.sort(rng.uniform(-365 * years, after, number))
    ahead = np.where(rng.random(number) < 0.5, 30.0, rng.integers(5, 61, number))
    end = np.floor(came + ahead) + rng.uniform(0.2, 0.9, number)
    won = rng.random(number) < wins
    names = np.array([f"p{lead:06d}" for lead in range(number)])
    places = pd.DataFrame(
        {
            "lead": np.tile(names, 2),
            "stage": np.concatenate([np.full(number, "Live"), np.where(won, "Won", "Lost")]),
            "day": np.concatenate([came, end]),
        }
    )
    places["at"] = (UNTIL + pd.to_timedelta(places["day"], unit="D")).dt.round("s")
    until = UNTIL + after * DAY
    events = places[places["at"] < until].sort_values(["lead", "at"], kind="stable")
    events = events[["lead", "stage", "at"]].reset_index(drop=True).astype({"lead": "str", "stage": "str"})
    leads = pd.DataFrame(
        {"expected_close": (UNTIL + pd.to_timedelta(np.floor(end), unit="D")).to_numpy()},
        index=pd.Index(names, name="lead", dtype="str"),
    )
    paid = events[(events["stage"] == "Won").to_numpy()].sort_values("at", kind="stable")
    amounts = paid[["lead", "at"]].assign(value=np.round(np.exp(rng.normal(7.0, 0.7, len(paid))), 2))
    return History(
        events, leads[leads.index.isin(events["lead"])], until, ("Live",), ("Won",), ("Lost",),
        UNTIL - 365 * years * DAY, updates=amounts.reset_index(drop=True),
    )  # fmt: skip

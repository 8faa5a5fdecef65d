"""Made-up companies for tests: random funnels, lives of leads, and what became of them later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from funnelsim.forecasting.attribution import Bench
from funnelsim.history.log import History
from funnelsim.model.model import Model, OpenDeals

UNTIL = pd.Timestamp("2026-01-01")
NEVER = 1e5
NAMES = ("Lead", "Qualified", "Proposal", "Negotiation")


def expected_revenue(model: Model, deals: OpenDeals, edges: np.ndarray, *, draws: int, seed: int) -> float:
    """Return the expected revenue of all periods together: exact where that fits, else simulated."""
    return float(Bench.of(model, deals, edges, draws, seed).money(model).sum(axis=1).mean())


@dataclass(frozen=True)
class Company:
    """A history, and the truth that lies behind and after it.

    Args:
        history: what is known on the as-of date.
        wins, revenue: what the first `horizon` days after it brought.
        horizon: days.
    """

    history: History
    wins: int
    revenue: float
    horizon: float


@dataclass(frozen=True)
class Stage:
    """Ways out of one stage: chance of moving on and days it takes (lognormal), for advance and loss."""

    advance: float
    median: tuple[float, float]
    sigma: tuple[float, float]
    forgotten: float


def random_company(seed: int, horizon: float = 91.0, growth: float = 1.0, odds: float = 1.0) -> Company:
    """Return a company of 2 to 4 stages, one to two years old, with over-dispersed and drifting intake.

    Args:
        seed: of everything that is random.
        horizon: days after the as-of date that are known as the truth.
        growth: factor on the leads that come, each year.
        odds: factor on the odds of leaving the last stage by a win, from the first day to the as-of date.
    """
    rng = np.random.default_rng(seed)
    stages = [
        Stage(
            rng.uniform(0.3, 0.8),
            (np.exp(rng.uniform(1, 3.7)), np.exp(rng.uniform(1, 4.2))),
            (rng.uniform(0.5, 1.2), rng.uniform(0.5, 1.2)),
            rng.choice([0.0, rng.uniform(0, 0.15)]),
        )
        for _ in range(rng.integers(2, 5))
    ]
    age = rng.uniform(365, 730)
    came = arrivals(rng, -age, horizon, rng.uniform(0.7, 3.0), growth)
    amount = np.round(np.exp(rng.normal(rng.uniform(5, 10), rng.uniform(0.2, 0.9), len(came))), 2)
    events = lives(rng, stages, came, odds ** (1 / age))
    known = events["day"] < 0
    coming = events[~known & (events["day"] < horizon) & (events["stage"] == "Won")]
    return Company(recorded(events[known], amount, stages, age), len(coming),
                   float(amount[coming["lead"]].sum()), horizon)  # fmt: skip


def arrivals(
    rng: np.random.Generator, first: float, last: float, per_day: float, growth: float = 1.0
) -> np.ndarray:
    """Return the days on which leads come: a drifting mean, and weeks that run hot or cold together."""
    weeks = int(np.ceil((last - first) / 7))
    drift = np.exp(np.cumsum(rng.normal(0, 0.04, weeks)) + rng.uniform(-0.5, 0.5) * np.arange(weeks) / 52)
    luck = rng.gamma(12, 1 / 12, weeks)
    number = rng.poisson(7 * per_day * drift * luck * growth ** (7 / 365 * np.arange(weeks) + first / 365))
    days = first + 7 * np.repeat(np.arange(weeks), number) + rng.uniform(0, 7, number.sum())
    return np.sort(days[days < last])


def lives(
    rng: np.random.Generator, stages: list[Stage], came: np.ndarray, odds_a_day: float = 1.0
) -> pd.DataFrame:
    """Return every place that every lead enters: lead, stage, day; the last stage's odds may change."""
    lead, day, parts = np.arange(len(came)), came, []
    for place, stage in enumerate(stages):
        parts.append((lead, np.full(len(lead), NAMES[place], dtype=object), day))
        odds = stage.advance / (1 - stage.advance) * (odds_a_day**day if place == len(stages) - 1 else 1.0)
        moves = rng.random(len(lead)) < odds / (1 + odds)
        days = [
            median * np.exp(sigma * rng.normal(size=len(lead)))
            for median, sigma in zip(stage.median, stage.sigma, strict=True)
        ]
        day = day + np.where(moves, *days) + NEVER * (rng.random(len(lead)) < stage.forgotten)
        parts.append((lead[~moves], np.full((~moves).sum(), "Lost", dtype=object), day[~moves]))
        lead, day = lead[moves], day[moves]
    parts.append((lead, np.full(len(lead), "Won", dtype=object), day))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return pd.DataFrame(dict(zip(("lead", "stage", "day"), columns, strict=True)))


def recorded(events: pd.DataFrame, amount: np.ndarray, stages: list[Stage], age: float) -> History:
    """Return the history of these events, known until day 0."""
    rows = events.sort_values(["lead", "day"], kind="stable").reset_index(drop=True)
    at = UNTIL + pd.to_timedelta(rows["day"], unit="D")
    log = pd.DataFrame({"lead": rows["lead"].astype(str).str.zfill(6), "stage": rows["stage"], "at": at})
    number = rows["lead"].unique()
    leads = pd.DataFrame({"value": amount[number]}, index=pd.Index(log["lead"].unique(), name="lead"))
    began = UNTIL - pd.Timedelta(days=age)
    return History(log, leads, UNTIL, NAMES[: len(stages)], ("Won",), ("Lost",), began)

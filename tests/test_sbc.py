"""Simulation-based calibration: truth ranks evenly among posterior draws; planted faults are found out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare

from funnelsim.calibration.counting import Visits, count_visits, visits_of
from funnelsim.calibration.posterior import draw_counts
from funnelsim.forecasting.exact import chances
from funnelsim.history.log import History, spells
from funnelsim.model.funnel import Funnel
from funnelsim.model.rates import constant_table

UNTIL = pd.Timestamp("2026-01-01")
BINS = np.array([0.0, 7.0, 30.0])
FUNNEL = Funnel("two", ("Lead", "Offer"), ("Won", "Lost"), (("Offer", "Lost"), ("Won", "Lost")), {"Won": 1.0})
DRAWS, REPLICATES, RANKS = 99, 100, 10
# So many that the prior, half an event in each bin, which is not what rates are drawn from, fades.
LEADS, YEAR, BEGAN, SEED = 1500, 365.0, -120.0, 20_260_101
UNEVEN = 1e-4


def true_rates(rng: np.random.Generator) -> np.ndarray:
    """Draw rates (stages, exits, bins) per day: leaving faster or slower with age, by either exit."""
    return rng.gamma(4.0, 1 / 4.0, (2, 2, 3)) * np.array([0.04, 0.03, 0.02])


def lives(rate: np.ndarray, rng: np.random.Generator) -> History:
    """Return what is known of leads that came within a year, recorded from day -120 on."""
    day, lead = -rng.uniform(0, YEAR, LEADS), np.arange(LEADS)
    rows = []
    for stage in range(2):
        rows.append((lead, np.full(len(lead), FUNNEL.stages[stage], dtype=object), day))
        age, taken = stays(rate[stage], rng, len(lead))
        day, on = day + age, taken == 0
        rows.append((lead[~on], np.full((~on).sum(), "Lost", dtype=object), day[~on]))
        lead, day = lead[on], day[on]
    rows.append((lead, np.full(len(lead), "Won", dtype=object), day))
    lead, stage, day = (np.concatenate(column) for column in zip(*rows, strict=True))
    events = pd.DataFrame({"lead": lead, "stage": stage, "day": day})
    events = events[events["day"] < 0].sort_values(["lead", "day"], kind="stable").reset_index(drop=True)
    events["lead"] = events["lead"].astype(str)
    events["at"] = UNTIL + pd.to_timedelta(events.pop("day"), unit="D")
    facts = pd.DataFrame(index=pd.Index(events["lead"].unique(), name="lead"))
    began = UNTIL + pd.Timedelta(days=BEGAN)
    return History(events, facts, UNTIL, FUNNEL.stages, ("Won",), ("Lost",), began)


def stays(rate: np.ndarray, rng: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return age at leaving and exit of many leads, by inverting the integrated hazard."""
    total, width = rate.sum(axis=0), np.append(np.diff(BINS), np.inf)
    before = np.append(0.0, np.cumsum(total * width)[:-1])
    luck = rng.exponential(size=number)
    place = np.searchsorted(before, luck, side="right") - 1
    age = BINS[place] + (luck - before[place]) / total[place]
    return age, (rng.random(number) >= rate[0, place] / total[place]).astype(int)


def honest(history: History) -> Visits:
    began = (history.began - history.until) / pd.Timedelta(days=1)
    return visits_of(spells(history), FUNNEL, began=began)


def late_entry_ignored(history: History) -> Visits:
    """The planted fault: visits that began before the record did count as if watched from their start."""
    visits = honest(history)
    return replace(visits, since=np.zeros(len(visits)))


def open_left_out(history: History) -> Visits:
    """The planted fault: only closed visits count."""
    visits = honest(history)
    closed = visits.exit >= 0
    return Visits(*(getattr(visits, name)[closed] for name in visits.__dataclass_fields__))


def ranks(reading: object, watched: object) -> np.ndarray:
    """Return the ranks, 0 .. DRAWS, of true values among posterior draws, over replicates of a company.

    Args:
        reading: history -> visits.
        watched: rates (..., stages, exits, bins) -> values (..., quantities) to be ranked.
    """
    rng, found = np.random.default_rng(SEED), []
    for _ in range(REPLICATES):
        rate = true_rates(rng)
        counts = count_visits(reading(lives(rate, rng)), (1, 2, 2), BINS)
        drawn = draw_counts(counts, DRAWS, rng, FUNNEL)[:, 0]
        found.append((watched(drawn) < watched(rate)).sum(axis=0))
    return np.array(found).ravel()


def p_of(found: np.ndarray) -> float:
    """Return p of the chi-squared test that ranks are even."""
    return float(chisquare(np.bincount(found * RANKS // (DRAWS + 1), minlength=RANKS)).pvalue)


def all_rates(rate: np.ndarray) -> np.ndarray:
    return rate.reshape(*rate.shape[:-3], -1)


def chance_of_winning(rate: np.ndarray) -> np.ndarray:
    """Return the chance that a new lead wins within 60 days, by the backward pass."""
    every = rate.reshape(-1, 2, 2, 3)
    edges = np.broadcast_to(BINS, (1, 2, 3)).copy()
    won = [
        chances(FUNNEL, constant_table(edges, one[None]), np.array([0.0, 60.0])).at_start[0, 0, 0, 0]
        for one in every
    ]
    return np.array(won).reshape(*rate.shape[:-3], 1)


def test_true_rates_rank_evenly() -> None:
    assert p_of(ranks(honest, all_rates)) > UNEVEN


def test_true_chances_rank_evenly() -> None:
    assert p_of(ranks(honest, chance_of_winning)) > UNEVEN


@pytest.mark.parametrize("fault", [late_entry_ignored, open_left_out])
def test_a_planted_fault_is_found_out(fault: object) -> None:
    assert p_of(ranks(fault, all_rates)) < UNEVEN
    assert p_of(ranks(fault, chance_of_winning)) < UNEVEN

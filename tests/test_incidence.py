"""Cumulative incidence: published Aalen-Johansen tables, and rate tables on fine bins that meet them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from funnelsim.calibrate.exits import Visits, count_visits
from funnelsim.calibrate.incidence import aalen_johansen, incidence

Pairs = list[tuple[float, int]]

SIX: Pairs = [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (6, 0)]
# Bone-marrow transplants: months, 1 relapse, 2 death in remission, 0 censored (Scrucca, Santucci and Aversa,
# Bone Marrow Transplantation 2007, doi:10.1038/sj.bmt.1705727).
BMT: Pairs = [
    (13, 2), (1, 1), (72, 0), (7, 2), (8, 2), (67, 0), (9, 2), (5, 2), (70, 0), (4, 0), (7, 0), (68, 0),
    (1, 2), (10, 2), (7, 2), (3, 1), (4, 1), (4, 1), (3, 1), (3, 1), (22, 2), (8, 1), (2, 2), (0, 2),
    (0, 1), (35, 0), (35, 0), (4, 2), (14, 2), (26, 2), (3, 2), (2, 0), (8, 0), (32, 0), (12, 1),
]  # fmt: skip
BMT_AT = [0, 1, 3, 7, 12, 24, 60]
BMT_RELAPSE = [0.02857143, 0.05714286, 0.1458128, 0.2049261, 0.2728390, 0.2728390, 0.2728390]
BMT_DEATH = [0.02857143, 0.05714286, 0.1152709, 0.2377199, 0.3407601, 0.4461422, 0.4812696]


def visits(pairs: Pairs) -> Visits:
    dwell, cause = np.array(pairs, dtype=float).T
    zero = np.zeros(len(dwell), dtype=np.int64)
    return Visits(
        zero, zero, cause.astype(np.int64) - 1, np.full(len(dwell), -100.0), np.zeros(len(dwell)), dwell
    )


def at(ages: np.ndarray, values: np.ndarray, when: list[float]) -> np.ndarray:
    return values[..., np.searchsorted(ages, when, side="right") - 1]


def discrete(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Return ages and incidence from counts on bins so fine that each age has its own.

    A bin reaches from half a tick before an age to half a tick after, and nobody is censored within it: then
    leavers, and the days that all others spend in it, say how many were at risk.
    """
    tick = 0.02
    ages = np.unique([age for age, cause in pairs if cause > 0])
    edges = np.unique(np.append(0.0, (ages[:, None] + [-tick / 2, tick / 2]).ravel().clip(0)))
    found = visits([(age, cause) if cause else (age + tick, cause) for age, cause in pairs])
    counts = count_visits(found, (1, 1, 2), edges)
    own = np.searchsorted(edges, ages, side="right") - 1
    left = counts.events[0, 0, :, own].T
    width = np.diff(edges)[own]
    at_risk = left.sum(0) + (counts.exposure - counts.spent)[0, 0, own] / width
    stays = np.cumprod(1 - left.sum(0) / at_risk)
    return ages, np.cumsum(np.append(1.0, stays[:-1]) * left / at_risk, axis=1)


def test_six_observations() -> None:
    found = aalen_johansen(visits(SIX), 0, 2)
    assert_allclose(
        at(found.ages, found.left, [2, 3, 4, 5, 6]), [[0.2, 0.4, 0.4, 0.4, 0.4], [0, 0, 0.2, 0.4, 0.4]]
    )
    assert_allclose(at(found.ages, found.error[1] ** 2, [4, 5]), [0.032, 0.048])


def test_bone_marrow_with_zero_times_and_ties() -> None:
    found = aalen_johansen(visits(BMT), 0, 2)
    assert_allclose(at(found.ages, found.left, BMT_AT), [BMT_RELAPSE, BMT_DEATH], atol=5e-8)


@pytest.mark.parametrize("pairs", [SIX, BMT])
def test_counts_on_fine_bins_are_aalen_johansen(pairs: Pairs) -> None:
    ages, left = discrete(pairs)
    found = aalen_johansen(visits(pairs), 0, 2)
    assert_allclose(ages, found.ages)
    assert_allclose(left, found.left, rtol=1e-12)


def test_six_mp_survival() -> None:
    """Kaplan-Meier of Gehan's 21 patients."""
    left = [(6.0, 1)] * 3 + [(t, 1) for t in (7.0, 10.0, 13.0, 16.0, 22.0, 23.0)]
    still = [(t, 0) for t in (6.0, 9.0, 10.0, 11.0, 17.0, 19.0, 20.0, 25.0, 32.0, 32.0, 34.0, 35.0)]
    found = aalen_johansen(visits(left + still), 0, 1)
    assert_allclose(found.stays.round(4), [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482])


def test_rate_table_in_closed_form() -> None:
    """Bins from 0, 10, 30 days; P(won by t) of the published example."""
    edges, rate = np.array([0.0, 10, 30, np.inf]), np.array([[0.02, 0.03, 0.005, 0], [0.01, 0.02, 0.03, 0]])
    found = incidence(edges, rate, np.array([10.0, 30, 90, 1e6]))
    assert_allclose(found.left[0], [0.17278785, 0.45375971, 0.48792521, 0.49269282], atol=5e-9)
    assert_allclose(found.left.sum(0) + found.stays, 1.0)


def test_late_entry_does_not_count_those_not_yet_seen() -> None:
    """Three leads leave at 2, 4, 6; the third is seen only from age 3, so at age 2 two are at risk."""
    zero = np.zeros(3, dtype=np.int64)
    late = Visits(zero, zero, zero, np.full(3, -9.0), np.array([0.0, 0.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    assert_allclose(aalen_johansen(late, 0, 1).stays, [1 / 2, 1 / 4, 0])


def test_aidssi_to_every_printed_digit(real_data: Path) -> None:
    rows = pd.read_csv(real_data / "reference" / "aidssi.csv")
    found = aalen_johansen(visits(list(zip(rows["time"], rows["status"], strict=True))), 0, 2)
    published = pd.read_csv(real_data / "reference" / "aidssi_AJ_survfit.csv")
    when = published["time"].tolist()
    assert_allclose(at(found.ages, found.left[0], when), published["ci_aids"], atol=1e-12)
    assert_allclose(at(found.ages, found.left[1], when), published["ci_si"], atol=1e-12)
    assert_allclose(at(found.ages, found.stays, when), published["surv"], atol=1e-12)
    assert_allclose(at(found.ages, found.left, [13.361])[:, 0].round(7), [0.4180395, 0.3752344])
    assert_allclose(at(found.ages, found.error[0], when), published["se_aids"], atol=1e-9)
    assert_allclose(at(found.ages, found.error[1], when), published["se_si"], atol=1e-9)


def test_ebmt3_state_occupancy(real_data: Path) -> None:
    """Years 0.1 to 5 after transplant: by stages, recovery being entered late."""
    long = pd.read_csv(real_data / "reference" / "ebmt3_long.csv", dtype={"from": str, "to": str})
    stage = (long["from"] == "1").to_numpy().astype(np.int64)
    to = long["to"].map({"1": 1, "2": 2, "cens": 0}).to_numpy()
    taken = np.where(to > 0, to - 1 - stage, -1)
    zero = np.zeros(len(long), dtype=np.int64)
    data = Visits(
        stage, zero, taken, np.full(len(long), -9e3), long["entry"].to_numpy(), long["exit"].to_numpy()
    )
    first, second = aalen_johansen(data, 0, 2), aalen_johansen(data, 1, 1)
    published = {
        0.1: [0.5815795, 0.3879542, 0.0304663],
        0.5: [0.3508012, 0.4606948, 0.1885040],
        1: [0.3023833, 0.4150676, 0.2825491],
        2: [0.2757061, 0.3804852, 0.3438088],
        5: [0.2372358, 0.3387320, 0.4240322],
    }
    in_first = at(first.ages, first.stays, list(published))
    gains = np.diff(first.left[0], prepend=0.0)
    in_second = []
    for year in published:
        came = first.ages <= year
        after = np.append(1.0, second.stays)[np.searchsorted(second.ages, first.ages[came], side="right")]
        in_second.append((gains[came] * at(second.ages, second.stays, [year]) / after).sum())
    occupancy = np.stack([in_first, in_second, 1 - in_first - in_second], axis=1)
    assert_allclose(occupancy, list(published.values()), atol=2e-6)

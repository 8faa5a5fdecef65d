"""Shares within a horizon: against arithmetic, against statsmodels, and with late entry."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from statsmodels.duration.survfunc import CumIncidenceRight

from funnelsim.errors import FunnelError
from funnelsim.history.metrics import Cohort, aalen_johansen, first_passage
from funnelsim.history.read import read_history


def random_cohort(late: bool) -> Cohort:
    rng = np.random.default_rng(3)
    days = np.ceil(rng.exponential(20, 400))
    since = np.where(rng.random(400) < 0.3, np.floor(days * rng.random(400)), 0.0) if late else np.zeros(400)
    return Cohort(days, rng.integers(0, 3, 400), since)


def test_the_same_as_statsmodels() -> None:
    cohort = random_cohort(late=False)
    known = CumIncidenceRight(cohort.days, cohort.cause)
    for cause in (1, 2):
        found = aalen_johansen(cohort, cause)
        assert_allclose(found.share, np.interp(found.days, known.times, known.cinc[cause - 1]), rtol=1e-12)


def test_without_open_leads_it_is_a_plain_share_with_the_binomial_error() -> None:
    cause = np.array([1] * 30 + [2] * 70)
    found = aalen_johansen(Cohort(np.random.default_rng(1).permutation(100) + 1.0, cause, np.zeros(100)), 1)
    assert_allclose(found.share[-1], 0.3)
    assert_allclose(found.error[-1], np.sqrt(0.3 * 0.7 / 100))


def test_late_entry_counts_only_from_then_on() -> None:
    # At day 2 two leads are at risk (the third is seen from day 3 on), at day 4 two, at day 5 one.
    cohort = Cohort(np.array([2.0, 5.0, 4.0]), np.array([1, 1, 1]), np.array([0.0, 0.0, 3.0]))
    assert_allclose(aalen_johansen(cohort, 1).share, [1 / 2, 3 / 4, 1.0])


def test_late_entry_by_the_definition() -> None:
    cohort = random_cohort(late=True)
    share, still = 0.0, 1.0
    for day in np.unique(cohort.days[cohort.cause > 0]):
        risk = ((cohort.days >= day) & ((cohort.since < day) | (cohort.since == 0))).sum()
        share += still * ((cohort.days == day) & (cohort.cause == 1)).sum() / risk
        still *= 1 - ((cohort.days == day) & (cohort.cause > 0)).sum() / risk
    assert_allclose(aalen_johansen(cohort, 1).share[-1], share)


def test_the_error_is_the_spread_over_repetitions() -> None:
    rng = np.random.default_rng(5)
    shares, errors = [], []
    for _ in range(400):
        days, seen = rng.exponential(10, 200), rng.uniform(0, 30, 200)
        cause = np.where(days > seen, 0, np.where(rng.random(200) < 0.4, 1, 2))
        found = aalen_johansen(Cohort(np.minimum(days, seen), cause, np.zeros(200)), 1)
        shares.append(found.at(10.0)[0])
        errors.append(found.error[np.searchsorted(found.days, 10.0) - 1])
    truth = 0.4 * (1 - np.exp(-1))
    assert abs(np.mean(shares) - truth) < 4 * np.std(shares) / 20
    assert abs(np.std(shares) / np.mean(errors) - 1) < 4 / np.sqrt(2 * 400)


def test_intervals_at_the_borders() -> None:
    nobody = aalen_johansen(Cohort(np.ones(10), np.zeros(10, dtype=np.int64), np.zeros(10)), 1)
    share, low, high = nobody.at(5)
    assert (share, low) == (0.0, 0.0)
    assert_allclose((1 - high) ** 10, 0.025)
    share, low, high = aalen_johansen(random_cohort(late=False), 1).at(30)
    assert 0 < low < share < high < 1


def test_an_interval_on_the_log_log_scale() -> None:
    """30 of 100 with a binomial error: .3 ** exp(+-1.96 error / (.3 log .3))."""
    found = aalen_johansen(Cohort(np.arange(100) + 1.0, np.array([1] * 30 + [2] * 70), np.zeros(100)), 1)
    share, low, high = found.at(200.0)
    width = 1.959964 * np.sqrt(0.3 * 0.7 / 100) / (0.3 * np.log(0.3))
    assert_allclose([share, low, high], [0.3, 0.3 ** np.exp(-width), 0.3 ** np.exp(width)])
    assert found.at(0.5) == (0.0, 0.0, 1 - 0.025 ** (1 / 100)), "before the first day"
    assert found.at(1.0)[0] == 0.01, "a day counts itself"
    share, low, high = aalen_johansen(Cohort(np.ones(9), np.ones(9, dtype=np.int64), np.zeros(9)), 1).at(1.0)
    assert (share, low, high) == (1.0, 0.025 ** (1 / 9), 1.0)


ROWS = [
    ("a", "Lead", 0), ("a", "Offer", 4), ("a", "Won", 9),
    ("b", "Lead", 0), ("b", "Lost", 3), ("b", "Offer", 5), ("b", "Won", 8),
    ("c", "Lead", 1), ("c", "Lost", 6),
    ("d", "Offer", 2),
]  # fmt: skip


def small() -> pd.DataFrame:
    frame = pd.DataFrame(ROWS, columns=["lead", "stage", "day"])
    return frame.assign(at=pd.Timestamp("2026-01-01") + pd.to_timedelta(frame["day"], unit="D"))


def test_first_passage_follows_leads_through_other_stages_and_reopening() -> None:
    made = read_history(small(), as_of="2026-01-10")
    cohort = first_passage(made, None, ("Won",))
    assert cohort.days.tolist() == [9.0, 8.0, 5.0, 8.0]
    assert cohort.cause.tolist() == [1, 1, 2, 0]
    cohort = first_passage(made, "Offer", ("Won",))
    assert cohort.days.tolist() == [5.0, 3.0, 8.0]
    with pytest.raises(FunnelError, match="'Ofer' is no place of this history; did you mean 'Offer'"):
        first_passage(made, "Ofer", ("Won",))


def test_first_passage_with_late_entry() -> None:
    made = read_history(small(), {"began": "2026-01-08", "won": "Won"}, as_of="2026-01-10")
    cohort = first_passage(made, None, ("Won",))
    assert cohort.days.tolist() == [9.0, 8.0, 8.0], "c ended before recording began"
    assert cohort.since.tolist() == [7.0, 7.0, 5.0]


def test_real_log_agrees_with_statsmodels(real_data: Path) -> None:
    made = read_history(
        real_data / "bpic2012" / "events.parquet",
        Path(__file__).parent / "maps" / "bpic2012.yaml",
        as_of="2012-01-15",
    )
    cohort = first_passage(made, None, made.won)
    known = CumIncidenceRight(cohort.days, cohort.cause)
    found = aalen_johansen(cohort, 1)
    assert_allclose(
        found.at(30.0)[0], known.cinc[0][np.searchsorted(known.times, 30.0, "right") - 1], rtol=1e-9
    )

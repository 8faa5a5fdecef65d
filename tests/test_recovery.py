"""The master test of calibration: lives drawn from a known table, cut off and counted, give it back."""

import numpy as np
import pandas as pd
from made_up import count_exits
from numpy.testing import assert_allclose

from funnelsim.calibration.counting import Visits, count_visits, visits_of
from funnelsim.calibration.posterior import draw_counts, posterior_table
from funnelsim.calibration.shocks import win_level, wins_before_the_first
from funnelsim.model.funnel import Funnel
from funnelsim.model.rates import Counts

BINS = np.array([0.0, 2.0, 10.0, 30.0])
FUNNEL = Funnel(
    "known", ("Lead", "Offer"), ("Won", "Lost"), (("Offer", "Lost"), ("Lead", "Won", "Lost")), {"Won": 1.0}
)
# Per day, by stage, exit and bin; the second group is as fast, but wins two times as often and loses less.
TRUTH = np.array(
    [
        [[0.20, 0.08, 0.02, 0.005], [0.05, 0.04, 0.03, 0.01], [0.0, 0.0, 0.0, 0.0]],
        [[0.01, 0.01, 0.01, 0.01], [0.02, 0.05, 0.03, 0.004], [0.03, 0.03, 0.05, 0.02]],
    ]
)
SECOND = np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 0.6]])[:, :, None]


def stay(rate: np.ndarray, rng: np.random.Generator, age: float = 0.0) -> tuple[float, int]:
    """Draw the age at which a lead leaves a stage, and its exit, by inverting the integrated hazard."""
    left = rng.exponential()
    upper = np.append(BINS[1:], np.inf)
    for b in range(len(BINS)):
        total, days = rate[:, b].sum(), upper[b] - max(BINS[b], age)
        if days <= 0:
            continue
        if left < total * days:
            return max(BINS[b], age) + left / total, int(rng.choice(3, p=rate[:, b] / total))
        left -= total * days
    raise AssertionError("the last bin never ends")


def simulated(leads: int, seed: int, history: float = 700.0) -> pd.DataFrame:
    """Return the visits of leads that came over `history` days, known until day 0, in two groups."""
    rng = np.random.default_rng(seed)
    rows = []
    for lead in range(leads):
        day, stage, segment = -rng.uniform(0, history), 0, lead % 2
        entry = True
        while stage < 2 and day < 0:
            age, taken = stay(TRUTH[stage] * (SECOND[stage] if segment else 1.0), rng)
            target = FUNNEL.targets[stage, taken]
            over = day + age < 0
            exit_name = FUNNEL.places[target] if over else ""
            rows.append(
                (lead, FUNNEL.stages[stage], day, min(day + age, 0.0), exit_name, entry, f"s{segment}")
            )
            day, stage, entry = day + age, target, False
    columns = ["lead", "stage", "start", "stop", "exit", "entry", "segment"]
    return pd.DataFrame(rows, columns=columns)


SPELLS = simulated(12_000, seed=71)


def too_far(counts: Counts, truth: np.ndarray) -> bool:
    """Return whether the fit is off: one rate by 4 standard errors, or the sum of squares by 4 of its own."""
    z = z_scores(counts, truth)
    cells = int((truth > 0).sum())
    return bool(abs(z).max() > 4 or (z**2).sum() > cells + 4 * np.sqrt(2 * cells))


def z_scores(counts: Counts, truth: np.ndarray) -> np.ndarray:
    """Return (estimate - truth) / standard error of the posterior mean of a one-group table."""
    rate = posterior_table(counts, FUNNEL)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(truth / np.maximum(counts.exposure[0][:, None, :], 1))
    return np.where(truth > 0, (rate - truth) / np.where(error > 0, error, 1), 0)


def test_known_rates_come_back() -> None:
    first = SPELLS[SPELLS["segment"] == "s0"]
    assert not too_far(count_exits(first, FUNNEL, bins=BINS), TRUTH)


def test_known_rates_come_back_through_late_entry() -> None:
    """Recording began 60 days ago: most visits in the file had begun before, and are seen from then on."""
    first = SPELLS[(SPELLS["segment"] == "s0") & (SPELLS["stop"] >= -60)]
    assert not too_far(count_exits(first, FUNNEL, bins=BINS, began=-60.0), TRUTH)


def test_ignoring_late_entry_is_found_out() -> None:
    """The planted fault: the same visits, their unseen days counted as exposure."""
    first = SPELLS[(SPELLS["segment"] == "s0") & (SPELLS["stop"] >= -60)]
    assert too_far(count_exits(first, FUNNEL, bins=BINS), TRUTH)


def test_ignoring_open_visits_is_found_out() -> None:
    first = SPELLS[(SPELLS["segment"] == "s0") & (SPELLS["start"] > -40)]
    assert not too_far(count_exits(first, FUNNEL, bins=BINS), TRUTH)
    closed = first[first["exit"] != ""]
    assert too_far(count_exits(closed, FUNNEL, bins=BINS), TRUTH)


def test_groups_come_back_within_their_posterior() -> None:
    counts = count_exits(SPELLS, FUNNEL, ("s0", "s1"), BINS)
    drawn = draw_counts(counts, 2000, np.random.default_rng(5), FUNNEL)
    truth = np.stack([TRUTH, TRUTH * SECOND])
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(truth > 0, (drawn.mean(0) - truth) / drawn.std(0), 0)
    assert abs(z).max() < 4


def test_posterior_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Rates drawn from the prior that the posterior assumes; ranks among draws are uniform (20 bins)."""
    rng = np.random.default_rng(13)
    alone = Funnel("alone", ("Open",), ("Won",), (("Won",),), {"Won": 1.0})
    ranks = []
    for _ in range(400):
        rate = rng.gamma(20.0, 1 / 400.0)
        exposure = rng.uniform(50, 2000)
        counts = Counts(np.array([0.0]), rng.poisson([[[[rate * exposure]]]]) * 1.0, np.array([[[exposure]]]))
        ranks.append((draw_counts(counts, 99, rng, alone).ravel() < rate).sum())
    found = np.bincount(np.array(ranks) // 5, minlength=20)
    assert ((found - 20) ** 2 / 20).sum() < 19 + 4 * np.sqrt(2 * 19)


def test_a_record_whose_wins_began_late_is_noticed() -> None:
    visits = visits_of(SPELLS, FUNNEL)
    clean, _ = wins_before_the_first(visits, FUNNEL, BINS, 1)
    unrecorded = (visits.exit >= 0) & (visits.start + visits.dwell < -400) & (visits.stage == 1)
    dwell = np.where(unrecorded, -visits.start, visits.dwell)
    truncated = Visits(
        visits.stage, visits.group, np.where(unrecorded, -1, visits.exit), visits.start, visits.since, dwell
    )
    missing, first = wins_before_the_first(truncated, FUNNEL, BINS, 1)
    assert clean < 3
    assert missing > 50 and -400 <= first < -395


def thinned(visits: Visits, lost: np.ndarray) -> Visits:
    """Return the visits with some wins turned into losses."""
    change = (visits.stage == 1) & (visits.exit == 1) & lost
    exits = np.where(change, 2, visits.exit)
    return Visits(visits.stage, visits.group, exits, visits.start, visits.since, visits.dwell)


def test_common_shocks_are_measured_and_luck_alone_is_none() -> None:
    """Thin the wins of every other window of 28 days to 40 %: the factor's sd is about .43."""
    visits = visits_of(SPELLS, FUNNEL)
    calm = win_level(visits, FUNNEL, count_visits(visits, (1, 2, 3), BINS))
    assert calm.windows == 24 and calm.spread < 0.12 and abs(calm.factor - 1) < 0.1
    stop = visits.start + visits.dwell
    luck = np.random.default_rng(6).random(len(stop)) < 0.6
    shaken = thinned(visits, ((-stop // 28).astype(int) % 2 == 0) & luck)
    wild = win_level(shaken, FUNNEL, count_visits(shaken, (1, 2, 3), BINS))
    assert 0.3 < wild.spread < 0.55


def test_a_lasting_fall_of_wins_is_followed_and_is_no_shock() -> None:
    """Wins of the last 200 days are halved; counted over all the time the rates are too high for today."""
    visits = visits_of(SPELLS, FUNNEL)
    stop = visits.start + visits.dwell
    fallen = thinned(visits, (stop > -200) & (np.random.default_rng(7).random(len(stop)) < 0.5))
    counts = count_visits(fallen, (1, 2, 3), BINS)
    wins = (fallen.stage == 1) & (fallen.exit == 1)
    found = win_level(fallen, FUNNEL, counts)
    late = wins & (stop > -200)
    truth = 0.5 / (1 - 0.5 * late.sum() / 0.5 / (wins.sum() + late.sum()))
    assert abs(found.factor - truth) < 0.12
    assert found.spread < 0.2


def test_incidence_of_the_fit_is_that_of_the_truth() -> None:
    from funnelsim.model.rates import model_incidence

    first = SPELLS[SPELLS["segment"] == "s0"]
    rate = posterior_table(count_exits(first, FUNNEL, bins=BINS), FUNNEL)[0]
    ages = np.array([2.0, 10, 30, 90])
    for stage in range(2):
        fitted, known = (model_incidence(BINS, table[stage], ages) for table in (rate, TRUTH))
        number = (first["stage"] == FUNNEL.stages[stage]).sum()
        assert_allclose(fitted, known, atol=4 * 0.5 / np.sqrt(number))

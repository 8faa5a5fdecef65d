"""What a win is worth: amounts, shrinkage of small groups, won / shown, size tilt, and no amounts at all."""

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

from funnelsim.calibration.values import fit_values, size_tilt, won_amounts, won_to_shown

UNTIL = pd.Timestamp("2026-01-01")


def wins(values: list[float], days_ago: list[float] | None = None) -> pd.DataFrame:
    ago = days_ago or [1.0] * len(values)
    at = [UNTIL - pd.Timedelta(days=day) for day in ago]
    return pd.DataFrame(
        {"lead": [f"w{i}" for i in range(len(values))], "at": pd.to_datetime(at), "value": values}
    )


def visits(leads: list[str], values: list[float], exits: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"lead": leads, "stage": "Offer", "start": -9.0, "value": values, "exit": exits})


def test_amounts_keep_the_weighted_mean() -> None:
    rng = np.random.default_rng(2)
    value, weight = rng.lognormal(9, 1.5, 700), rng.uniform(0.2, 1, 700)
    atoms = won_amounts(value, weight, np.zeros(700, dtype=np.int64), 1)
    assert atoms.shape == (1, 200) and (np.diff(atoms[0]) >= 0).all()
    assert_allclose(atoms.mean(), np.average(value, weights=weight))


def test_a_large_group_has_its_own_amounts_and_a_small_one_leans_on_all() -> None:
    rng = np.random.default_rng(3)
    value = np.concatenate([rng.lognormal(9, 0.5, 800), rng.lognormal(13.8, 0.5, 200), [2e6, 3e6]])
    group = np.repeat([0, 1, 2], [800, 200, 2])
    atoms = won_amounts(value, np.ones(len(value)), group, 4)
    own = [value[group == g].mean() for g in range(3)]
    assert_allclose(atoms.mean(axis=1)[:2], own[:2], rtol=0.1)
    assert value.mean() < atoms.mean(axis=1)[2]
    assert np.isfinite(atoms[3]).all() and atoms[3].mean() > 0


def test_a_group_without_wins_takes_the_only_amount_there_is() -> None:
    atoms = won_amounts(np.array([500.0]), np.ones(1), np.zeros(1, dtype=np.int64), 2)
    assert_allclose(atoms, 500.0)


def test_won_over_shown_is_shrunk_to_one() -> None:
    zero = np.zeros(2, dtype=np.int64)
    ratio = won_to_shown(np.array([80.0, 80]), np.array([100.0, 100]), np.ones(2), zero, 1)
    assert_allclose(ratio, (160 + 1000) / (200 + 1000))
    assert_allclose(won_to_shown(np.array([80.0, 80]), np.full(2, np.nan), np.ones(2), zero, 2), [1, 1])
    given_away, unasked = np.array([80.0, 0.0]), np.array([100.0, 0.0])
    for value, shown in ((given_away, np.full(2, 100.0)), (np.full(2, 80.0), unasked)):
        assert_allclose(won_to_shown(value, shown, np.ones(2), zero, 1), (80 + 1000) / (100 + 1000))


def test_large_leads_that_win_less_often_are_tilted_down() -> None:
    """200 small leads of 10 win half of the time, 200 of 90 win a quarter: winners 36.7, everyone 50."""
    names = [f"w{i}" for i in range(400)]
    values = [10.0] * 200 + [90.0] * 200
    won = [i % 2 == 0 if i < 200 else i % 4 == 0 for i in range(400)]
    frame = visits(names, values, ["Won" if win else "Lost" for win in won])
    tilt = size_tilt(frame, frame["lead"][won], ("Offer",))
    assert tilt is not None
    assert_allclose(tilt, (150 * (36.6667 / 50) + 10) / 160, rtol=1e-5)


def test_groups_of_different_size_are_no_tilt() -> None:
    """Large leads win less often because their group does; within groups size does not matter."""
    names = [f"w{i}" for i in range(400)]
    won = [i % 2 == 0 if i < 200 else i % 4 == 0 for i in range(400)]
    frame = visits(names, [10.0] * 200 + [90.0] * 200, ["Won" if win else "Lost" for win in won])
    frame["segment"] = ["small"] * 200 + ["big"] * 200
    assert_allclose(size_tilt(frame, frame["lead"][won], ("Offer",)), 1.0)


def test_no_tilt_where_only_winners_show_amounts() -> None:
    frame = visits(["w0", "w1", "w2"], [50.0, np.nan, 0.0], ["Won", "Lost", "Lost"])
    assert size_tilt(frame, frame["lead"][:1], ("Offer",)) is None


def test_recent_wins_weigh_more() -> None:
    frame = visits(["w0", "w1"], [np.nan, np.nan], ["Won", "Won"])
    values, _ = fit_values(frame, wins([100.0, 200.0], [365, 0]), UNTIL, ("Offer",), half_life=365)
    assert_allclose(values.mean, (100 + 2 * 200) / 3)


def test_without_any_win_leads_show_what_wins_may_bring() -> None:
    frame = visits(["a", "b"], [30.0, 50.0], ["Lost", ""])
    values, notes = fit_values(frame, wins([]), UNTIL, ("Offer",), ("x", "y"))
    assert_allclose(values.mean, 40)
    assert any("Nothing was ever won" in note for note in notes)


def test_without_any_amount_revenue_counts_wins() -> None:
    frame = visits(["w0", "w1"], [np.nan, np.nan], ["Won", "Won"])
    values, notes = fit_values(frame, wins([np.nan, np.nan]), UNTIL, ("Offer",), ("x", "y"))
    assert_allclose(values.amounts, 1.0)
    assert values.amounts.shape[0] == 2 and "counted in wins" in notes[0]


def test_a_win_belongs_to_the_group_of_its_lead() -> None:
    frame = visits([f"w{i}" for i in range(100)], [np.nan] * 100, ["Won"] * 100)
    frame["segment"] = ["small"] * 50 + ["big"] * 50
    amounts = [10.0, 12.0] * 25 + [1000.0, 1200.0] * 25
    values, _ = fit_values(frame, wins(amounts), UNTIL, ("Offer",), ("small", "big"))
    assert_allclose(values.mean, [11, 1100], rtol=0.05)


def test_a_groups_level_leans_on_all_by_the_variance_between_groups() -> None:
    """In units of log 2: means 0 and 3, within 1, between 1.5^2 - 1/4 = 2; so half a win's weight to all.

    Levels lie 4 / 4.5 of 1.5 from the middle, 8/3 apart; 4 of 14 parts are a group's own wins.
    """
    value = np.array([5.0, 20, 5, 20, 40, 160, 40, 160])
    atoms = won_amounts(value, np.ones(8), np.repeat([0, 1], 4), 2)
    moved = np.array([(12.5 + 100 * 2 ** (-8 / 3)) / 2, (12.5 * 2 ** (8 / 3) + 100) / 2])
    assert_allclose(atoms.mean(axis=1), 4 / 14 * np.array([12.5, 100]) + 10 / 14 * moved)


def test_amounts_are_the_quantiles_of_wins() -> None:
    """Of 600 amounts the middle one of every three, and of two amounts each for its half."""
    value = np.arange(1.0, 601)
    atoms = won_amounts(value[::-1].copy(), np.ones(600), np.zeros(600, dtype=np.int64), 1)[0]
    assert_allclose(atoms, np.arange(2.0, 600, 3))
    halves = won_amounts(np.array([1.0, 3.0]), np.ones(2), np.zeros(2, dtype=np.int64), 1)[0]
    assert_allclose(halves, np.repeat([1.0, 3.0], 100))


def test_won_over_shown_of_a_group_is_shrunk_to_that_of_all() -> None:
    """Shown 100 and 20, 60 on average; ten such wins at the ratio of all, and those of all at 1."""
    ratio = won_to_shown(
        np.array([80.0, 30, 7]), np.array([100.0, 20, np.nan]), np.array([1.0, 1, 9]), np.array([0, 1, 1]), 3
    )
    pooled = (110 + 600) / (120 + 600)
    expected = [(80 + 600 * pooled) / (100 + 600), (30 + 600 * pooled) / (20 + 600), pooled]
    assert_allclose(ratio, expected)


def test_a_tilt_is_a_half_at_least_and_two_at_most_and_one_where_nobody_won() -> None:
    """300 leads of 1 or 100 each; only the small ones win, or only the large ones."""
    names = [f"w{i}" for i in range(600)]
    values = [1.0] * 300 + [100.0] * 300
    for winner, bound in ((1.0, 0.5), (100.0, 2.0)):
        won = [value == winner for value in values]
        frame = visits(names, values, ["Won" if win else "Lost" for win in won])
        tilt = size_tilt(frame, frame["lead"][won], ("Offer", "Elsewhere"))
        assert tilt is not None
        assert_allclose(tilt, [max(min((300 * winner + 505) / (300 * 50.5 + 505), 2.0), 0.5), 1.0])
        assert abs(tilt[0] - bound) < 0.1


def test_losers_must_show_amounts_four_fifths_as_often_as_winners() -> None:
    names, exits = [f"w{i}" for i in range(20)], ["Won"] * 10 + ["Lost"] * 10
    for winners, losers, tells in ((10, 8, True), (10, 7, False), (5, 4, True), (5, 3, False)):
        shown = np.append(np.arange(10) < winners, np.arange(10) < losers)
        frame = visits(names, np.where(shown, 5.0, np.nan).tolist(), exits)
        assert (size_tilt(frame, frame["lead"][:10], ("Offer",)) is not None) == tells


def test_what_is_said_of_amounts() -> None:
    frame = visits(["w0", "w1", "w2"], [100.0, 100.0, np.nan], ["Won"] * 3)
    _, notes = fit_values(frame, wins([80.0, 80.0, np.nan]), UNTIL, ("Offer",))
    assert notes == (
        "Values: amounts of 2 wins, mean 80.",
        "Values: of 3 wins 1 show no amount and count as those that do.",
        "Values: deals close at 97% of the amount they show.",
    )
    _, notes = fit_values(frame[:1], wins([99.0]), UNTIL, ("Offer",))
    assert notes == ("Values: amounts of 1 win, mean 99.",)


def test_the_stage_where_size_tells_most_is_named() -> None:
    """In both stages 40 small and 40 large leads; in Offer all small ones win, in Talks half of each.

    Winners in Offer have 10 of 50, shrunk to .47; a half is the least.
    """
    values, won = [10.0] * 40 + [90.0] * 40, [n % 2 == 0 for n in range(80)]
    talks = visits([f"t{n}" for n in range(80)], values, ["Won" if win else "Lost" for win in won])
    offer = visits([f"o{n}" for n in range(80)], values, ["Won"] * 40 + ["Lost"] * 40)
    frame = pd.concat([talks.assign(stage="Talks"), offer], ignore_index=True)
    winners = frame[(frame["exit"] == "Won").to_numpy()]
    booked = wins(winners["value"].tolist()).assign(lead=winners["lead"].to_numpy())
    fitted, notes = fit_values(frame, booked, UNTIL, ("Talks", "Offer"))
    assert fitted.tilt is not None
    assert_allclose(fitted.tilt, [1.0, 0.5])
    assert notes[-1] == "Values: winners in 'Offer' are worth 50% of all leads there."

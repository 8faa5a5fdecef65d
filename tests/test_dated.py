"""Leads that win at the date they state: closed forms by hand, the true process, and a clear gain."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hotels import MIDDLE, NEAR, Truth, company, deadlines, life, random_truth, stated, without_dates
from numpy.testing import assert_allclose
from scipy.linalg import expm

from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.errors import FunnelError
from funnelsim.forecasting.by_date import (
    by_dates,
    draw_dates,
    leads_without_dates,
    matrix_exponential,
    with_dates,
)
from funnelsim.forecasting.forecast import LEVELS, NAMES, choose_engine, forecast_periods
from funnelsim.forecasting.intensity import intensities
from funnelsim.forecasting.periods import periods_from
from funnelsim.forecasting.scores import crps_quantiles
from funnelsim.forecasting.situation import situation
from funnelsim.history.log import bookings
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import (
    REACH,
    Cell,
    Draws,
    Due,
    Entries,
    Model,
    OpenDeals,
    Values,
    amounts,
    expected,
)
from funnelsim.model.rates import Counts, RateChange, constant_table, table_under
from funnelsim.simulation.run import period_sums, run_model
from funnelsim.verbs import forecast

DAY_0 = pd.Timestamp("2026-01-01")
HUGE = 1e10
PUNCTUAL = np.eye(2 * REACH + 1)[REACH]


def hotel(leave: np.ndarray, confirm: float, shows: tuple[float, float], per_day: float = 0.0) -> Model:
    """Asked and Booked, with rates known almost exactly; all leads come in at Asked, ten days ahead.

    Args:
        leave: (2, bins) rates of dropping out by days to the date: within 7 days, within 60, before.
    """
    funnel = Funnel(
        "hotel",
        ("Asked", "Booked"),
        ("Won", "Lost"),
        (("Booked", "Won", "Lost"), ("Won", "Lost")),
        {"Won": 1.0},
    )
    events = np.zeros((1, 2, 3, 3))
    events[0, 0, 0], events[0, 0, 2], events[0, 1, 1] = confirm, leave[0], leave[1]
    counts = Counts(np.array([0.0, NEAR, MIDDLE]), HUGE * events, np.full((1, 2, 3), HUGE))
    reached = np.full((1, 2), HUGE)
    due = Due(counts, reached, reached * shows, PUNCTUAL, np.array([[1.0, 0.0]]), np.eye(11)[10:])
    entries = Entries((Cell(0, 0),), np.array([1.0]), np.array([per_day]))
    values = Values(np.array([[100.0]]), np.array([1.0]))
    table = constant_table(np.zeros((1, 2, 1)), np.full((1, 2, 3, 1), 0.01))
    return Model(funnel, ("all",), table, entries, values, DAY_0, due=due)


def deals(*rows: tuple[int, float]) -> OpenDeals:
    stage, due = (np.array(column) for column in zip(*rows, strict=True))
    none = np.zeros(len(rows), dtype=np.int64)
    names = np.array([f"d{i}" for i in range(len(rows))], dtype=object)
    return OpenDeals(names, stage.astype(np.int64), none, np.ones(len(rows)), np.full(len(rows), 50.0), due)


def drawn_of(model: Model, draws: int) -> Draws:
    dates = draw_dates(model, draws, np.random.default_rng(1)) or (None, None)
    rates = np.broadcast_to(model.table.rate, (draws, *model.table.rate.shape))
    return Draws(rates, np.ones((draws, 1)), *dates)


def found(model: Model, some: OpenDeals, edges: list[float], draws: int = 3) -> tuple[np.ndarray, np.ndarray]:
    limits = np.array(edges)
    made = by_dates(model, some, expected(model.entries, int(limits[-1])), limits, drawn_of(model, draws))
    assert made is not None
    return made.chance.mean(axis=0), made.born.sum(axis=2).mean(axis=0)[0]


def test_one_lead_by_hand() -> None:
    model = hotel(np.full((2, 3), 0.02), 0.0, (0.9, 0.9))
    chance, _ = found(model, deals((1, 10.0), (1, 10.5), (1, 45.0), (1, 90.0), (1, 0.0)), [0, 30, 60])
    by_hand = [[0.9 * np.exp(-0.2), 0], [0.9 * np.exp(-0.21), 0], [0, 0.9 * np.exp(-0.9)], [0, 0], [0.9, 0]]
    assert_allclose(chance, by_hand, atol=1e-4)


def test_two_stages_by_hand() -> None:
    a, b, c, u = 0.05, 0.03, 0.01, 20.0
    model = hotel(np.array([[b] * 3, [c] * 3]), a, (0.5, 0.95))
    chance, _ = found(model, deals((0, u)), [0, 30])
    stay, there = np.exp(-(a + b) * u), np.exp(-c * u)
    assert_allclose(chance[0, 0], 0.5 * stay + 0.95 * a / (a + b - c) * (there - stay), rtol=1e-4)


def test_a_lead_may_go_back_to_the_first_stage() -> None:
    asked, back, u = 0.05, 0.04, 20.0
    model = hotel(np.zeros((2, 3)), asked, (0.5, 0.9))
    assert model.due is not None
    model.due.counts.events[0, 1, 0] = back * HUGE
    exits = (model.funnel.exits[0], ("Asked", "Won", "Lost"))
    chance, _ = found(
        replace(model, funnel=replace(model.funnel, exits=exits)), deals((0, u), (1, u)), [0, 30]
    )
    flow = np.array([[-asked, asked], [back, -back]])
    assert_allclose(chance[:, 0], expm(flow * u) @ [0.5, 0.9], rtol=1e-4)


def test_rates_change_with_the_days_to_the_date() -> None:
    model = hotel(np.array([[0.0] * 3, [0.05, 0.02, 0.01]]), 0.0, (1.0, 1.0))
    chance, _ = found(model, deals((1, 70.0), (1, 20.0), (1, 5.0)), [0, 80])
    hazard = np.array([0.05 * 7 + 0.02 * 53 + 0.01 * 10, 0.05 * 7 + 0.02 * 13, 0.05 * 5])
    assert_allclose(chance[:, 0], np.exp(-hazard), rtol=1e-4)


def test_winning_is_no_way_of_dropping_out() -> None:
    model = hotel(np.full((2, 3), 0.02), 0.0, (0.9, 0.9))
    assert model.due is not None
    model.due.counts.events[0, 1, 0] = HUGE
    chance, _ = found(model, deals((1, 10.0)), [0, 30])
    assert_allclose(chance[0, 0], 0.9 * np.exp(-0.2), atol=1e-4)


def test_an_overdue_lead_wins_only_as_late_as_others_did() -> None:
    late = 0.96 * PUNCTUAL + 0.04 * np.eye(2 * REACH + 1)[REACH + 5]
    model = hotel(np.zeros((2, 3)), 0.0, (0.9, 0.9))
    assert model.due is not None
    model = replace(model, due=replace(model.due, late=late))
    chance, _ = found(model, deals((1, -3.0), (1, -9.0), (1, 28.0)), [0, 30, 60])
    by_hand = 0.9 * 0.04 / (0.9 * 0.04 + 0.1)
    assert_allclose(chance, [[by_hand, 0], [0, 0], [0.9 * 0.96, 0.9 * 0.04]], atol=1e-4)


def test_new_leads_by_hand() -> None:
    model = hotel(np.full((2, 3), 0.02), 0.0, (0.9, 0.9), per_day=2.0)
    _, born = found(model, deals((1, 1.0)), [0, 30, 60])
    each = 0.9 * (np.exp(-0.02 * 9) - np.exp(-0.02 * 10)) / 0.02  # those of a day come evenly over it
    assert_allclose(born, [20 * 2 * each, 30 * 2 * each], rtol=1e-4)


def test_of_leads_as_many_days_before_their_date_those_that_came_in_later_leave_sooner() -> None:
    model = hotel(np.full((2, 3), 0.02), 0.0, (0.9, 0.9), per_day=2.0)
    assert model.due is not None
    model = replace(model, due=replace(model.due, haste=np.array([4.0, 2.0, 1.0, 0.5, 0.25])))
    some = replace(deals(*[(1, 6.0)] * 6), lead_time=np.array([6.0, 7.0, 28.0, 100.0, 900.0, np.nan]))
    chance, born = found(model, some, [0, 30, 60])
    assert_allclose(chance[:, 0], 0.9 * np.exp(-0.12 * np.array([4, 2, 1, 0.5, 0.25, 1])), rtol=1e-4)
    each = 0.9 * (np.exp(-0.04 * 9) - np.exp(-0.04 * 10)) / 0.04  # all come in ten days before their date
    assert_allclose(born, [20 * 2 * each, 30 * 2 * each], rtol=3e-4)


def test_new_leads_are_worth_the_price_of_their_date() -> None:
    """Ten days ahead, dates of the first twenty days cost half, those of the next ten twice as much."""
    model = hotel(np.zeros((2, 3)), 0.0, (0.9, 0.9), per_day=2.0)
    assert model.due is not None
    dear = replace(model, due=replace(model.due, price=np.repeat([0.5, 2.0], [20, 10])))
    edges = np.array([0.0, 30.0, 60.0])
    drawn = replace(drawn_of(dear, 3), common=np.ones((3, 2)))
    made = intensities(dear, deals((1, 1.0)), edges, drawn)
    each = 0.9 * 2.0 * 100.0
    assert_allclose(made.new_money[0], [each * (10 * 0.5 + 10 * 2.0), each * 30], rtol=1e-4)
    assert_allclose(made.atoms[:, 0], [100.0, 50.0, 200.0])
    plain = intensities(model, deals((1, 1.0)), edges, drawn)
    assert_allclose(made.born.sum(axis=1), plain.born.sum(axis=1), rtol=1e-9)


def test_a_price_moves_no_win_and_no_lead_without_a_date() -> None:
    model, some = some_hotel()
    assert model.due is not None
    dear = replace(model, due=replace(model.due, price=np.full(364, 3.0)))
    months = periods_from(DAY_0, "month", 2)
    one, two = (forecast_periods(which, some, months, draws=20).periods for which in (model, dear))
    same = (one["measure"] == "wins") | one["origin"].isin(["booked", "open"])
    assert_allclose(two.loc[same, "mean"], one.loc[same, "mean"], rtol=1e-9)
    new = (one["measure"] == "revenue") & (one["origin"] == "new")
    ratio = (two.loc[new, "mean"] / one.loc[new, "mean"]).to_numpy()
    assert (ratio > 2).all() and (ratio < 3).all(), "three in ten new leads state no date"


def test_deals_that_live_by_their_date_have_no_size_tilt() -> None:
    model = hotel(np.zeros((2, 3)), 0.0, (0.9, 0.9))
    tilted = replace(model, values=replace(model.values, tilt=np.array([0.7, 0.8])))
    some = deals((0, 10.0), (1, 45.0), (1, np.nan))
    assert amounts(tilted, some).tolist() == [50.0, 50.0, 40.0]
    assert amounts(replace(tilted, due=None), some).tolist() == [35.0, 40.0, 40.0]
    assert amounts(tilted, replace(some, due=None)).tolist() == [35.0, 40.0, 40.0]


def test_leads_without_a_date_keep_their_age() -> None:
    model = hotel(np.full((2, 3), 0.02), 0.0, (0.9, 0.9), per_day=2.0)
    assert model.due is not None
    half = replace(model, due=replace(model.due, stated=np.array([[0.25, 0.0]])))
    edges, drawn = np.array([0.0, 30.0]), drawn_of(model, 5)
    some = deals((1, 10.0), (1, np.nan))
    by_age = intensities(replace(model, due=None), some, edges, drawn)
    by_date, mixed = intensities(model, some, edges, drawn), intensities(half, some, edges, drawn)
    assert_allclose(mixed.born, 0.25 * by_date.born + 0.75 * by_age.born, rtol=1e-3)
    assert_allclose(mixed.chance[:, 1], by_age.chance[:, 1])
    assert_allclose(mixed.chance[:, 0].mean(), 0.9 * np.exp(-0.2), atol=1e-4)


def test_the_common_factor_on_winning_leaves_dates_alone() -> None:
    model = hotel(np.full((2, 3), 0.02), 0.0, (0.9, 0.9), per_day=2.0)
    drawn = drawn_of(model, 8)
    some = deals((1, 10.0), (1, np.nan))
    edges, common = np.array([0.0, 30.0]), np.linspace(0.5, 1.5, 8)[:, None]
    plain = intensities(model, some, edges, drawn)
    moved = intensities(model, some, edges, replace(drawn, common=common))
    assert (moved.chance[:, 0] == plain.chance[:, 0]).all()
    assert moved.chance[:, 1].std() > 0.01
    assert_allclose(moved.born, plain.born, err_msg="all new leads state a date")


def test_a_spread_of_dropping_out_widens_but_hardly_moves() -> None:
    model = hotel(np.full((2, 3), 0.02), 0.0, (1.0, 1.0))
    assert model.due is not None
    model = replace(model, due=replace(model.due, spread=0.3))
    made = by_dates(model, deals((1, 10.0)), np.zeros((1, 30)), np.array([0.0, 30.0]), drawn_of(model, 4000))
    assert made is not None
    chance = made.chance[:, 0, 0]
    shape = 1 / 0.3**2
    moments = [(1 + k * 0.2 / shape) ** -shape for k in (1, 2)]  # of exp(-0.2 F), F Gamma of mean 1
    sd = np.sqrt(moments[1] - moments[0] ** 2)
    assert_allclose(chance.mean(), moments[0], atol=4 * sd / np.sqrt(4000))
    assert_allclose(chance.std(), sd, rtol=0.1)


def test_without_a_clock_nothing_is_changed() -> None:
    model = replace(hotel(np.zeros((2, 3)), 0.0, (1.0, 1.0)), due=None)
    per_day, chance = np.ones((1, 3)), np.ones((1, 2, 1))
    assert by_dates(model, deals((1, 1.0)), per_day, np.array([0.0, 3.0]), drawn_of(model, 1)) is None
    assert leads_without_dates(model, per_day) is per_day
    assert with_dates(chance, per_day, per_day, None) == (chance, per_day, per_day)


def test_exponentials_of_small_matrices() -> None:
    rng = np.random.default_rng(1)
    flow = rng.gamma(0.3, 10.0, (50, 4, 4))
    flow[:, range(4), range(4)] -= flow.sum(axis=2) + rng.random((50, 4))
    assert_allclose(matrix_exponential(flow), expm(flow), atol=1e-10)


def test_the_true_process_is_met() -> None:
    """A hotel's open leads and those to come, lived a thousand times with the true rates."""
    rng = np.random.default_rng(11)
    truth = replace(random_truth(rng), season=0.0)
    model = hotel(truth.leaves, truth.confirms, truth.shows, truth.per_day)
    late = (1 - truth.late) * PUNCTUAL
    late[REACH + 1 : REACH + 6] = truth.late / 5
    came = rng.uniform(0, 1, 400_000)
    ahead = np.bincount(stated(rng, truth, came).astype(int), minlength=200)[None, :200] / len(came)
    assert model.due is not None
    model = replace(model, due=replace(model.due, late=late, ahead=ahead))
    due = np.floor(rng.gamma(1.5, 25.0, 60))
    some = deals(*zip(rng.integers(0, 2, 60), due, strict=True))
    edges = [0.0, 31.0, 59.0, 90.0]
    chance, born = found(model, some, edges)
    lived_open = np.array([wins(rng, truth, np.zeros(60), due, some.stage, edges) for _ in range(1000)])
    lived_new = []
    for _ in range(500):
        came = rng.uniform(0, 90, rng.poisson(90 * truth.per_day))
        first = np.zeros(len(came), dtype=int)
        lived_new.append(wins(rng, truth, came, stated(rng, truth, came), first, edges))
    for said, lived in ((chance.sum(axis=0), lived_open), (born, np.array(lived_new))):
        error = lived.std(axis=0) / np.sqrt(len(lived))
        assert (np.abs(said - lived.mean(axis=0)) < 4 * error).all(), (said, lived.mean(axis=0), error)


def wins(
    rng: np.random.Generator,
    truth: Truth,
    came: np.ndarray,
    due: np.ndarray,
    stage: np.ndarray,
    edges: list[float],
) -> np.ndarray:
    """Return the wins in each period of leads that are lived through once."""
    lives = [life(rng, truth, *lead) for lead in zip(came, due, stage, strict=True)]
    return np.histogram([day for _, place, day in lives if place == "Won"], edges)[0]


def test_forecasts_are_the_same_for_the_same_seed() -> None:
    model = hotel(np.full((2, 3), 0.02), 0.03, (0.5, 0.9), per_day=2.0)
    some, months = deals((1, 10.0), (0, 45.0)), periods_from(DAY_0, "month", 2)
    one, two = (forecast_periods(model, some, months, draws=20, seed=3).periods for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


def test_dates_beat_ages_where_deals_win_at_their_date() -> None:
    """Ten months forecast from their first day, with only what was known then."""
    history, _ = company(4)
    won = bookings(history)["at"]
    errors = {"date": [], "age": []}
    inside = 0
    for month in range(10):
        known = history.as_of(DAY_0 - pd.DateOffset(months=10 - month))
        (period,) = periods_from(known.until, "month", 1)
        actual = float(((won >= period.start) & (won < period.end)).sum())
        for name, seen in (("date", known), ("age", without_dates(known))):
            model = fit_model(seen, period=31.0)
            assert (model.due is not None) == (name == "date")
            rows = forecast_periods(model, open_pipeline(seen, model), (period,), draws=20).periods
            rows = rows[(rows["origin"] == "total") & (rows["measure"] == "wins")]
            said = rows[NAMES].to_numpy(dtype=np.float64)
            errors[name].append(crps_quantiles(np.array([actual]), np.array(LEVELS), said)[0])
            inside += name == "date" and rows["0.10"].iloc[0] <= actual <= rows["0.90"].iloc[0]
    assert np.mean(errors["date"]) < 0.6 * np.mean(errors["age"]), errors
    assert 5 <= inside <= 10, "binomial of ten at .8: fewer than five has a chance of 1 %"


def test_deadlines_beat_ages_and_amounts_are_those_of_wins() -> None:
    """Eight months of projects that are decided on their day, amounts known on winning only."""
    history = deadlines(5)
    won = bookings(history)
    errors = {"date": [], "age": []}
    said_money, lived_money = 0.0, 0.0
    for month in range(8):
        known = history.as_of(DAY_0 - pd.DateOffset(months=8 - month))
        (period,) = periods_from(known.until, "month", 1)
        rows = ((won["at"] >= period.start) & (won["at"] < period.end)).to_numpy()
        for name, seen in (("date", known), ("age", without_dates(known))):
            model = fit_model(seen, period=31.0)
            assert (model.due is not None) == (name == "date")
            found = forecast_periods(model, open_pipeline(seen, model), (period,), draws=20).periods
            found = found[found["origin"] == "total"].set_index("measure")
            said = found.loc[["wins"], NAMES].to_numpy(dtype=np.float64)
            errors[name].append(crps_quantiles(np.array([float(rows.sum())]), np.array(LEVELS), said)[0])
            said_money += found.loc["revenue", "mean"] * (name == "date")
        lived_money += won["value"][rows].sum()
    assert np.mean(errors["date"]) < 0.95 * np.mean(errors["age"]), errors
    assert abs(said_money / lived_money - 1) < 4 * 0.06, "some 290 wins, amounts scattered by .8"


def test_a_project_that_does_not_win_is_lost_on_its_date() -> None:
    model = hotel(np.zeros((2, 3)), 0.0, (0.4, 0.4))
    assert model.due is not None
    decided = replace(model, due=replace(model.due, decided=True))
    some = deals(*[(1, 5.0 + number % 7) for number in range(200)])
    for engine in ("compiled", "simpy"):
        log = run_model(decided, 30, open_deals=some, seed=2, engine=engine).log
        ended = log[log["stage"].isin(["Won", "Lost"])].drop_duplicates("lead", keep="last")
        assert len(ended) == 200
        day = (ended["at"] - DAY_0) // pd.Timedelta(days=1)
        assert sorted(day) == sorted(some.due.astype(int))
        lost = (ended["stage"] == "Lost").mean()
        assert abs(lost - 0.6) < 4 * np.sqrt(0.24 / 200)
    stays = run_model(model, 30, open_deals=some, seed=2).log
    assert not (stays["stage"] == "Lost").any()


def test_a_spread_of_winning_widens_but_does_not_move() -> None:
    model = hotel(np.zeros((2, 3)), 0.0, (0.4, 0.4))
    assert model.due is not None
    model = replace(model, due=replace(model.due, hit_spread=0.2))
    hits = drawn_of(model, 4000).hits
    assert hits is not None
    assert_allclose(hits.mean(), 0.4, atol=4 * 0.08 / np.sqrt(4000))
    assert_allclose(hits[:, 0, 0, 0].std(), 0.08, rtol=0.1)


@pytest.mark.parametrize("measure", ["revenue", "wins"])
def test_parts_add_up(measure: str) -> None:
    model = hotel(np.full((2, 3), 0.02), 0.03, (0.5, 0.9), per_day=2.0)
    rows = forecast_periods(
        model, deals((1, 10.0), (0, 45.0)), periods_from(DAY_0, "month", 2), draws=20
    ).periods
    parts = rows[rows["measure"] == measure].pivot_table(index="period", columns="origin", values="mean")
    assert_allclose(parts["open"] + parts["new"], parts["total"])
    assert (parts["open"] > 0).all()


def test_the_table_of_deals_flags_the_overdue_and_not_the_old() -> None:
    history, _ = company(1)
    place = situation(history, period="month", periods=1)
    made = forecast(place, draws=5).deals.set_index("lead")
    due = pd.Series(place.deals.due, index=place.deals.name).reindex(made.index)
    assert set(made["flag"]) <= {"", "overdue"}
    assert ((made["flag"] == "overdue") == (due < 0)).all()
    by_age = forecast(replace(place, model=replace(place.model, due=None)), draws=5).deals
    assert (by_age["flag"] == "slower than 90 % of winners").any()


def some_hotel() -> tuple[Model, OpenDeals]:
    """Return a hotel whose leads drop out, confirm, come late and early, and partly state no date."""
    model = hotel(np.array([[0.03, 0.02, 0.01], [0.02, 0.01, 0.005]]), 0.05, (0.5, 0.9), per_day=4.0)
    late = np.zeros(2 * REACH + 1)
    late[[REACH - 6, REACH, REACH + 2, REACH + 12]] = 0.1, 0.6, 0.2, 0.1
    assert model.due is not None
    due = replace(
        model.due, late=late, stated=np.array([[0.7, 0.0]]), ahead=np.full((1, 40), 1 / 40),
        price=np.repeat([0.6, 1.0, 1.7], 14), haste=np.array([3.0, 2.0, 1.0, 0.5, 0.2]),
    )  # fmt: skip
    rng = np.random.default_rng(4)
    rows = [(int(rng.integers(2)), float(day)) for day in [*range(-12, 70, 2), *[np.nan] * 6]]
    rate = model.table.rate * (model.funnel.targets >= 0)[None, None, :, :, None]
    some = deals(*rows)
    assert some.due is not None
    some = replace(some, lead_time=np.maximum(np.ceil(some.due), 0.0) + rng.integers(0, 200, len(some)))
    return replace(model, due=due, table=model.table.with_rate(rate)), some


LEVERS = {
    "none": (),
    "odds of winning, from a date": (RateChange("odds", 1, 0, 2.0, (0,), 20.0, 45.0),),
    "rate of winning": (RateChange("rate", 1, 0, 0.5, (0,)),),
    "losses and days": (RateChange("rate", 0, 2, 2.0, (0,)), RateChange("days", 0, -1, 0.5, (0,))),
}


@pytest.mark.parametrize("name", list(LEVERS))
def test_lives_keep_their_dates_as_the_formula_says(name: str) -> None:
    model, some = some_hotel()
    levers = LEVERS[name]
    model = replace(model, levers=levers, table=table_under(levers, model.table))
    draws, edges = 400, np.array([0.0, 25.0, 60.0])
    drawn = drawn_of(model, draws)
    drawn = replace(drawn, common=np.ones((draws, 2)))
    exact = intensities(model, some, edges, drawn)
    sums = period_sums(model, edges, open_deals=some, replications=draws, drawn=drawn)
    for lived, mean in (
        (sums.wins[:, :, 0], exact.chance.mean(axis=0).sum(axis=0)),
        (sums.wins[:, :, 1], exact.born.mean(axis=0).sum(axis=0)),
        (sums.revenue[:, :, 1], exact.new_money.mean(axis=0)),
    ):
        assert (np.abs(lived.mean(axis=0) - mean) < 4 * lived.std(axis=0) / np.sqrt(draws)).all()
    again = period_sums(
        model, edges, open_deals=some, replications=3, drawn=drawn.some(np.arange(3)), engine="simpy"
    )
    assert (again.wins == sums.wins[:3]).all()
    assert_allclose(again.revenue, sums.revenue[:3])


def test_a_lever_on_losses_from_a_date_is_lived() -> None:
    model, _ = some_hotel()
    levers = (RateChange("rate", 0, 2, 3.0, (0,), 30.0),)
    later = replace(model, levers=levers, table=table_under(levers, model.table))
    assert choose_engine(later, None) == "compiled"
    with pytest.raises(FunnelError, match="from a date"):
        choose_engine(later, "exact")

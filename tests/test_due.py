"""The clock of expected dates: counts by hand, a hotel's truth recovered, nothing of the future used."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hotels import UNTIL, Truth, company
from numpy.testing import assert_allclose

from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.calibration.counting import funnel_of
from funnelsim.calibration.due import (
    EDGES,
    Pieces,
    count_pieces,
    counts_by_lead_time,
    dates_on_entry,
    drop_out_spread,
    fit_due,
    outcomes,
    pieces_of,
    prices_ahead,
)
from funnelsim.forecasting.situation import situation
from funnelsim.history.log import DAY, History, bookings, spells
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import LEAD_TIMES, REACH, Due
from funnelsim.model.store import load_model, same, save_model

FUNNEL = Funnel(
    "hotel", ("Asked", "Booked"), ("Won", "Lost"), (("Booked", "Won", "Lost"), ("Won", "Lost")), {"Won": 1.0}
)


def piece(stage: int, taken: int, start: float, stop: float, due: float, won: float = np.inf) -> Pieces:
    """One part of a visit; `taken` is the exit's number."""
    whole = [np.array([number], dtype=np.int64) for number in (stage, 0, taken)]
    days = [np.array([day], dtype=np.float64) for day in (start, stop, due)]
    return Pieces(*whole, *days, np.array([False]), np.array([won]), *no_amounts(days[0]))


def no_amounts(start: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Amounts paid, none; days of coming in; amounts shown, none."""
    return np.full(len(start), np.nan), start, np.full(len(start), np.nan)


def test_a_loss_before_the_date_is_counted_by_the_days_that_were_left() -> None:
    counts = count_pieces(piece(1, 1, -50.0, -40.0, -35.0), FUNNEL, 1)
    by_bin = dict(zip(EDGES.tolist(), counts.exposure[0, 1].tolist(), strict=True))
    assert by_bin == dict.fromkeys(EDGES.tolist(), 0.0) | {3.0: 2.0, 7.0: 7.0, 14.0: 1.0}
    assert counts.events[0, 1, 1].tolist() == (EDGES == 3.0).astype(float).tolist()


def test_a_win_is_no_event_and_days_end_when_the_day_begins() -> None:
    counts = count_pieces(piece(1, 0, -12.0, -9.5, -10.0, won=-9.5), FUNNEL, 1)
    assert counts.events.sum() == 0
    assert_allclose(counts.exposure.sum(), 2.0)


def test_recency_and_window_weigh_as_they_say() -> None:
    one = piece(1, 1, -50.0, -40.0, -35.0)
    recent = count_pieces(one, FUNNEL, 1, half_life=40.0)
    assert_allclose(recent.events.sum(), 0.5)
    weight = 40 / np.log(2) * (2 ** (-40 / 40) - 2 ** (-50 / 40))
    assert_allclose(recent.exposure.sum(), weight)
    inside = count_pieces(one, FUNNEL, 1, window=(-45.0, -40.0))
    assert inside.events.sum() == 0, "the loss falls on the window's end"
    assert_allclose(inside.exposure.sum(), 5.0)


@pytest.mark.parametrize(
    ("one", "reached", "hit", "late"),
    [
        (piece(1, 0, -90.0, -59.5, -60.0, won=-59.5), 1, 1, 0),
        (piece(1, 0, -90.0, -55.5, -60.0, won=-55.5), 1, 1, 4),
        (piece(1, 0, -90.0, -66.5, -60.0, won=-66.5), 1, 1, -7),
        (piece(1, 1, -90.0, -59.5, -60.0), 1, 0, None),
        (piece(1, 1, -90.0, -61.0, -60.0), 0, 0, None),
        (piece(1, -1, -90.0, 0.0, -60.0), 1, 0, None),
        (piece(1, 0, -90.0, -9.5, -10.0, won=-9.5), 0, 0, None),
    ],
    ids=["on the day", "late", "early", "no-show", "cancelled before", "forgotten", "too recent to tell"],
)
def test_what_became_of_a_date(one: Pieces, reached: int, hit: int, late: int | None) -> None:
    there, hits, share = outcomes(one, FUNNEL, 1)
    assert (there[0, 1], hits[0, 1]) == (reached, hit)
    assert share.sum() == (0.0 if late is None else 1.0)
    if late is not None:
        assert share[REACH + late] == 1.0


@pytest.fixture(scope="module")
def hotel() -> tuple[History, Truth, Due, Funnel]:
    history, (truth,) = company(5, years=4.0, groups=1)
    funnel = funnel_of(spells(history), history.stages, history.won, history.lost)
    due, _ = fit_due(history, funnel, ("all",), grouped_by="segment", half_life=np.inf)
    assert due is not None
    return history, truth, due, funnel


def test_cancel_hazards_are_recovered(hotel: tuple[History, Truth, Due, Funnel]) -> None:
    _, truth, due, funnel = hotel
    kind = np.where(due.counts.edges < 7, 0, np.where(due.counts.edges < 60, 1, 2))
    clear = 0
    for stage, name in enumerate(("Asked", "Booked")):
        lost = due.counts.events[0, stage, funnel.exits[stage].index("Lost")]
        for near in range(3):
            seen = lost[kind == near].sum()
            days = due.counts.exposure[0, stage, kind == near].sum()
            expected = truth.leaves[stage][near] * days
            assert abs(seen - expected) < 4 * np.sqrt(max(expected, 1.0)), (name, near, seen, expected)
            clear += expected > 5
    assert clear >= 4, "most cells have losses enough to tell a wrong rate from a right one"
    moved, days = due.counts.events[0, 0, 0].sum(), due.counts.exposure[0, 0].sum()
    assert abs(moved - truth.confirms * days) < 4 * np.sqrt(truth.confirms * days)


def test_shows_delays_and_days_ahead_are_recovered(hotel: tuple[History, Truth, Due, Funnel]) -> None:
    history, truth, due, _ = hotel
    for stage in (0, 1):
        there, share = due.reached[0, stage], truth.shows[stage]
        assert there > 100
        assert abs(due.hits[0, stage] - share * there) < 4 * np.sqrt(there * share * (1 - share))
    wins = due.hits.sum()
    late = due.late[REACH + 1 :].sum()
    assert abs(late - truth.late) < 4 * np.sqrt(truth.late * (1 - truth.late) / wins)
    assert due.late[:REACH].sum() == 0
    assert_allclose(due.stated, [[1.0, 0.0]])
    assert_allclose(due.ahead.sum(), 1.0)
    half = np.searchsorted(np.cumsum(due.ahead[0]), 0.5)
    recent = history.leads["expected_close"].sort_index().tail(800)
    came = history.events.drop_duplicates("lead").set_index("lead")["at"].reindex(recent.index)
    assert abs(half - ((recent - came) / DAY).median()) < 4, "days ahead, recent leads weighing more"
    assert due.spread < 0.15, "the true rates do not differ between months"


def test_months_that_cancel_more_are_seen() -> None:
    rng = np.random.default_rng(2)
    number, parts = 4000, []
    start = rng.uniform(-728, -30, number)
    hot = np.resize([0.4, 1.6], 27)
    stop = start.copy()
    alive = np.ones(number, dtype=bool)
    while alive.any():
        month = np.clip((-stop[alive] // 28).astype(int), 0, 26)
        gone = rng.random(alive.sum()) < 0.01 * hot[month] * 0.5
        rows = np.flatnonzero(alive)
        stop[rows] += 0.5
        alive[rows[gone | (stop[rows] >= start[rows] + 30)]] = False
        parts.append(rows[gone])
    lost = np.zeros(number, dtype=bool)
    lost[np.concatenate(parts)] = True
    none = np.zeros(number, dtype=np.int64)
    pieces = Pieces(
        none + 1, none, np.where(lost, 1, -1), start, stop, start + 30, lost, np.full(number, np.inf),
        *no_amounts(start),
    )  # fmt: skip
    spread = drop_out_spread(pieces, FUNNEL, count_pieces(pieces, FUNNEL, 1), np.ones(len(LEAD_TIMES)))
    assert 0.3 < spread <= 0.6, "factors of .4 and 1.6 have a standard deviation of .6, shrunk"


def test_leads_leave_by_days_to_their_date_and_by_their_lead_time() -> None:
    """Rates of .004 a day, of .012 in the last 28, times 3, 1, 1, .5 and .2 by lead time, are found again."""
    rng, number, truth = np.random.default_rng(4), 40000, np.array([3.0, 1.0, 1.0, 0.5, 0.2])
    ahead = np.where(rng.random(number) < 0.5, rng.integers(0, 7, number), rng.integers(7, 300, number))
    came = rng.uniform(-900, -300, number)
    due = np.floor(came) + ahead
    factor = truth[np.searchsorted(LEAD_TIMES, ahead, side="right") - 1]
    left, last = rng.exponential(1 / factor), np.maximum(due - came - 28, 0.0)
    wait = np.where(left < 0.004 * last, left / 0.004, last + (left - 0.004 * last) / 0.012)
    lost = came + wait < due
    stop = np.where(lost, came + wait, np.maximum(due, came) + 0.5)
    none = np.zeros(number, dtype=np.int64)
    pieces = Pieces(
        none + 1, none, np.where(lost, 1, 0), came, stop, due, lost, np.where(lost, np.inf, stop),
        *no_amounts(came),
    )  # fmt: skip
    counts, haste = counts_by_lead_time(pieces, FUNNEL, 1)
    assert_allclose(haste / haste[2], truth, rtol=0.12)
    for near, rate in (((EDGES >= 1) & (EDGES < 14), 0.012), ((EDGES >= 30) & (EDGES < 150), 0.004)):
        found = counts.events[0, 1, 1, near] / counts.exposure[0, 1, near]
        assert_allclose(found * haste[2], rate, rtol=0.12)
    spread = drop_out_spread(pieces, FUNNEL, counts, haste)
    assert spread < 0.06, "months do not differ"


@pytest.mark.parametrize("seed", [2, 7])
def test_where_lead_times_do_not_matter_none_is_found(seed: int) -> None:
    """Groups with other lead times and other rates are shrunk to each other: no factor may make up for it."""
    model = fit_model(company(seed)[0], period=91.0)
    assert model.due is not None
    assert (np.abs(np.log(model.due.haste)) < np.log(1.25)).all()


def test_a_lead_time_is_that_of_calendar_days() -> None:
    history, _ = company(6, groups=1)
    moved = replace(history, until=history.until + pd.Timedelta(hours=17))
    for known in (history, moved):
        deals = open_pipeline(known, fit_model(known))
        assert deals.due is not None
        came = known.events.drop_duplicates("lead").set_index("lead")["at"].reindex(deals.name)
        days = known.leads["expected_close"].reindex(deals.name).dt.normalize() - came.dt.normalize()
        assert_allclose(deals.lead_time, np.maximum((days / DAY).to_numpy(), 0))


def test_leads_that_state_no_date_are_counted_as_such() -> None:
    history, _ = company(6, groups=1)
    rng = np.random.default_rng(1)
    blank = pd.Series(rng.random(len(history.leads)) < 0.3, index=history.leads.index)
    leads = history.leads.assign(expected_close=history.leads["expected_close"].mask(blank))
    mixed = replace(history, leads=leads)
    funnel = funnel_of(spells(mixed), mixed.stages, mixed.won, mixed.lost)
    stated, ahead = dates_on_entry(mixed, funnel, ("all",), "segment")
    assert abs(stated[0, 0] - 0.7) < 4 * np.sqrt(0.21 / (len(leads) / 4))
    assert_allclose(ahead.sum(), 1.0)
    deals = open_pipeline(mixed, fit_model(mixed))
    assert deals.due is not None
    assert 0 < np.isnan(deals.due).sum() < len(deals)


def test_a_group_with_few_leads_has_the_days_ahead_of_all() -> None:
    history, _ = company(7)
    few = history.leads["segment"].eq("group 1").to_numpy().cumsum() > 12
    keep = history.leads.index[~(few & history.leads["segment"].eq("group 1").to_numpy())]
    some = replace(
        history, leads=history.leads.loc[keep], events=history.events[history.events["lead"].isin(keep)]
    )
    funnel = funnel_of(spells(some), some.stages, some.won, some.lost)
    _, ahead = dates_on_entry(some, funnel, ("group 0", "group 1"), "segment")
    assert np.abs(np.cumsum(ahead[1]) - np.cumsum(ahead[0])).max() < 0.1


def test_what_is_stated_later_changes_nothing_earlier() -> None:
    history, _ = company(8, groups=1)
    rng = np.random.default_rng(3)
    waiting = history.leads.index[rng.random(len(history.leads)) < 0.2]
    came = history.events.drop_duplicates("lead").set_index("lead")["at"].reindex(waiting)
    first = history.leads["expected_close"].reindex(waiting)
    then = pd.Timestamp("2025-10-01")

    def with_moves(days: int) -> History:
        moves = pd.DataFrame({"lead": waiting, "at": then, "expected_close": (first + days * DAY).to_numpy()})
        stated = pd.DataFrame({"lead": waiting, "at": came.to_numpy(), "expected_close": first.to_numpy()})
        updates = pd.concat([stated, moves[moves["at"].to_numpy() > came.to_numpy()]])
        updates = updates.astype({"lead": "str", "at": "datetime64[us]", "expected_close": "datetime64[us]"})
        return replace(history, updates=updates.sort_values("at", kind="stable"))

    one, two = (with_moves(days).as_of(then) for days in (10, 200))
    assert not one.updates.empty
    models = [fit_model(known) for known in (one, two)]
    assert models[0].due is not None
    assert same(models[0], models[1])
    moved = [open_pipeline(known, model).due for known, model in zip((one, two), models, strict=True)]
    assert_allclose(moved[0], moved[1])


def test_a_history_without_dates_has_no_clock_and_no_word_of_it() -> None:
    history, _ = company(9, years=1.0, groups=1)
    plain = replace(history, leads=history.leads.drop(columns="expected_close"))
    model = fit_model(plain)
    assert model.due is None
    assert not any("Dates" in note for note in model.notes)
    assert open_pipeline(plain, model).due is None


def test_a_clock_is_saved_and_read_again(tmp_path: Path) -> None:
    history, _ = company(9, years=1.0, groups=1)
    model = fit_model(history)
    assert model.due is not None
    save_model(model, tmp_path / "model.json")
    assert same(load_model(tmp_path / "model.json"), model)


def test_where_leads_win_again_dates_are_left_alone() -> None:
    history, _ = company(9, years=1.0, groups=1)
    again = replace(
        FUNNEL, stages=("Asked", "Booked", "Won"), ends=("Lost",), exits=(*FUNNEL.exits, ("Booked",))
    )
    due, words = fit_due(history, again, ("all",), grouped_by="segment", half_life=365.0)
    assert due is None
    assert "win again" in words[0]


def test_pieces_of_a_hotel_hold_all_its_days() -> None:
    history, _ = company(9, years=1.0, groups=1)
    funnel = funnel_of(spells(history), history.stages, history.won, history.lost)
    pieces = pieces_of(history, funnel, ("all",), "segment")
    visits = spells(history)
    assert_allclose((pieces.stop - pieces.start).sum(), (visits["stop"] - visits["start"]).sum())


def prices(history: History) -> np.ndarray:
    due = fit_model(history).due
    assert due is not None
    return due.price[::28]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_new_wins_cost_what_open_leads_of_their_date_cost(seed: int) -> None:
    """A season of 60 % in prices: new wins of the next eight weeks against what was said of them."""
    history, _ = company(seed, years=2.0, after=84.0, dear=0.6)
    known = history.as_of(UNTIL)
    said = prices(known)
    open_day = history.events.drop_duplicates("lead").set_index("lead")["at"]
    won = bookings(history).set_index("lead")
    won = won[(open_day.reindex(won.index) >= UNTIL).to_numpy() & (won["at"] >= UNTIL).to_numpy()]
    block = ((history.leads["expected_close"].reindex(won.index) - UNTIL) / DAY // 28).astype(int)
    usual = fit_model(known).values.mean
    group = history.leads["segment"].reindex(won.index).map({"group 0": 0, "group 1": 1}).to_numpy()
    names = fit_model(known).groups
    fair = usual[[names.index(f"group {number}") for number in group]]
    for number in range(2):
        rows = (block == number).to_numpy()
        lived = won["value"].to_numpy()[rows].sum() / fair[rows].sum()
        error = 0.6 / np.sqrt(rows.sum())
        assert abs(said[number] / lived - 1) < 4 * error + 0.05, (number, said[number], lived)
    assert np.ptp(said[:13]) > 0.3


def test_without_a_season_prices_are_flat() -> None:
    found = np.stack([prices(company(seed, groups=1)[0])[:6] for seed in range(4)])
    assert (np.abs(found - 1) < 0.1).all(), "levels of thirty amounts and more, each scattered by half"
    assert np.abs(found - 1).mean() < 0.02


def test_no_price_is_told_where_open_leads_show_no_amount() -> None:
    history, _ = company(9, years=1.0, groups=1)
    assert len(prices(history)) == 13
    known = bookings(history)[["lead", "at", "value"]].sort_values("at")
    plain = replace(history, leads=history.leads.drop(columns="value"), updates=known)
    assert len(prices(plain)) == 0


def test_a_price_by_hand() -> None:
    """Levels of wins follow those of open leads, window by window: price = open now x new / open before."""
    number, parts = 40, []
    for day, level in zip(range(-280, 1, 28), np.resize([1.0, 3.0], 11), strict=True):
        dues = np.full(number, day + 5.0)
        opened = (np.full(number, day - 20.0), np.where(day < 0, day + 5.5, 0.0) + 0 * dues, 100.0 * level)
        new = (np.full(number, day + 1.0), dues + 0.5, 50.0 * level)
        for start, stop, amount in (opened, new) if day < 0 else (opened,):
            parts.append((start, stop, dues, np.full(number, amount), np.full(number, 0 if day < 0 else -1)))
    start, stop, due, amount, taken = (np.concatenate(column) for column in zip(*parts, strict=True))
    none, won = np.zeros(len(start), dtype=np.int64), np.where(taken == 0, stop, np.inf)
    paid = np.where(taken == 0, amount, np.nan)
    pieces = Pieces(none + 1, none, taken, start, stop, due, taken == 0, won, paid, start, amount)
    price = prices_ahead(pieces, FUNNEL, np.array([100.0]))
    assert price.shape == (364,)
    assert_allclose(price[:28], 50.0 / 100.0, rtol=0.1)


def test_prices_move_with_the_day_when_a_model_is_carried_on(tmp_path: Path) -> None:
    history, _ = company(9, years=1.0, groups=1, dear=0.5)
    known = history.as_of(UNTIL - 10 * DAY)
    model = fit_model(known)
    later = situation(history, model=model, period="month", periods=1).model
    assert model.due is not None and later.due is not None
    assert_allclose(later.due.price, model.due.price[10:])

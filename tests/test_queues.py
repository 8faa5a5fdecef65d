"""Reps as a bottleneck: by hand, against queueing theory, at the extremes, and in direction."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.model.funnel import Draw, Funnel, Pool, Work
from funnelsim.model.model import Cell, Entries, Model, Values
from funnelsim.model.rates import constant_table
from funnelsim.simulation.run import run_model

ENGINES = ("compiled", "simpy")
ALWAYS = np.array([-np.inf])


def exponential(mean: float, points: int = 4001) -> Draw:
    """Return an exponential duration; the last piece is stretched so that its mean is right."""
    chance = np.linspace(0, 1, points)[:-1]
    return Draw(np.append(-mean * np.log1p(-chance), mean * (np.log(points - 1) + 2)))


def desk(
    leads: float, time: Draw, reps: int = 1, patience: Draw | None = None, days: int = 4000, **pool: object
) -> Model:
    """Return a funnel of one stage that needs a rep, and is left right after the work."""
    funnel = Funnel("desk", ("Talk",), ("Won", "Lost"), (("Won",),), {"Won": 1.0})
    entries = Entries((Cell(0, 0),), np.ones(1), np.full(days, leads))
    return Model(
        funnel, ("all",), constant_table(np.zeros((1, 1, 1)), np.full((1, 1, 1, 1), 1e6)), entries,
        Values(np.arange(1.0, 101.0)[None], np.ones(1)), pd.Timestamp("2026-06-01"),
        pools=(Pool("team", **({"starts": ALWAYS, "size": np.array([reps])} | pool)),),
        work=(Work(0, 0, time, patience, 2),),
    )  # fmt: skip


def by_batches(values: np.ndarray, batches: int = 40) -> tuple[float, float]:
    """Return the mean of correlated values in order, and its standard error by means of batches."""
    means = np.array([part.mean() for part in np.array_split(values, batches)])
    return float(values.mean()), float(means.std(ddof=1) / np.sqrt(batches))


def agrees(values: np.ndarray, truth: float) -> bool:
    mean, error = by_batches(values)
    return abs(mean - truth) < 4 * error


@pytest.mark.parametrize(
    ("reps", "leads", "chance", "wait"),
    [(1, 0.5, 0.5, 1.0), (2, 1.5, 0.642857, 1.285714), (3, 2, 0.444444, 0.444444), (5, 4, 0.554113, 0.554113),
     (10, 8, 0.40918, 0.20459)],
)  # fmt: skip
def test_erlang_c(reps, leads, chance, wait):
    waits = run_model(desk(leads, exponential(1.0), reps, days=20000), 20000, seed=reps).waits
    waited = waits["wait"].to_numpy()[500:]
    assert agrees(waited > 0, chance)
    assert agrees(waited, wait)


@pytest.mark.parametrize(
    ("reps", "leads", "theta", "waiting", "length", "lost"),
    [(3, 3, 0.5, 0.646272, 1.123606, 0.187268), (2, 1.5, 0.25, 0.527353, 0.646824, 0.107804)],
)
def test_erlang_a(reps, leads, theta, waiting, length, lost):
    model = desk(leads, exponential(1.0), reps, exponential(1 / theta), days=20000)
    waits = run_model(model, 20000, seed=3).waits.iloc[500:]
    assert agrees((waits["wait"] > 0).to_numpy(), waiting)
    assert agrees(waits["gave_up"].to_numpy(), lost)
    assert agrees(leads * waits["wait"].to_numpy(), length)


@pytest.mark.parametrize(("scv", "wait"), [(2, 1.5), (1, 1.0), (0, 0.5)])
def test_pollaczek_khinchine(scv, wait):
    # squared coefficient of variation 2: exponential of mean 1.5 with chance 2/3, else nothing
    times = {0: Draw(np.ones(1)), 1: exponential(1.0)}
    quantiles = np.concatenate([np.zeros(2000), exponential(1.5, 4001).quantiles])
    waits = run_model(desk(0.5, times.get(scv, Draw(quantiles)), days=30000), 30000, seed=1).waits
    assert agrees(waits["wait"].to_numpy()[500:], wait)


def test_littles_law_holds_exactly_on_a_path_that_ends_empty():
    model = desk(3.0, exponential(0.6), 2, exponential(1.0), days=40)
    path = np.concatenate([np.full(20, 3.0), np.zeros(180)])
    run = run_model(replace(model, entries=replace(model.entries, path=path)), 200)
    entered, left = run.day[run.visit == 0], run.day[run.visit == 1]
    assert entered.size == left.size > 30
    moments = np.concatenate([entered, left])
    order = np.argsort(moments, kind="stable")
    inside = np.cumsum(np.where(order < entered.size, 1, -1))
    assert inside[-1] == 0
    assert np.sum(inside[:-1] * np.diff(moments[order])) == np.sum(left) - np.sum(entered)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_rep_and_three_leads_by_hand(engine):
    # Work takes 0.5 day, patience is 0.75 day: one lead can wait for the rep, the next one gives up.
    model = desk(2.0, Draw(np.array([0.5])), 1, Draw(np.array([0.75])), days=3)
    waits = run_model(model, 3, seed=8, engine=engine).waits.sort_values("joined")
    free, expected = 0.0, []
    for joined in waits["joined"]:
        begin = max(joined, free)
        expected.append(0.75 if begin - joined >= 0.75 else begin - joined)
        free = begin + 0.5 if begin - joined < 0.75 else free
    ended = waits["joined"] + waits["wait"] < 3
    np.testing.assert_array_equal(waits["wait"][ended], np.array(expected)[ended])
    assert len(expected) >= 3


@pytest.mark.parametrize("engine", ENGINES)
def test_the_most_valuable_and_the_oldest_are_served_first(engine):
    for order in ("value", "age"):
        run = run_model(desk(3.0, Draw(np.array([1.0])), 1, days=20, order=order), 20, seed=2, engine=engine)
        waits = run.waits.assign(value=run.value[run.visits.number[:, 0]]).sort_values("began")
        visits = waits.dropna(subset="began")
        for began, value, joined in visits[["began", "value", "joined"]].to_numpy():
            line = waits[(waits["joined"] < began) & ~(waits["began"] <= began)]
            if order == "value":
                assert not (line["value"] > value).any()
            else:
                assert not (line["joined"] < joined).any()


def test_reps_work_in_their_hours_only():
    # Monday 1 June 2026; five days of eight hours from nine; 5 June is a holiday; work takes five hours
    week = np.array([1, 1, 1, 1, 1, 0, 0]) / 3
    model = desk(5.0, Draw(np.array([5 / 24])), 3, days=28, week=week, holidays=(4,))
    waits = run_model(model, 28, seed=1).waits.dropna()
    for moment in ("began", "done"):
        hour = waits[moment] % 1 * 24
        assert np.all((hour > 9 - 1e-6) & (hour < 17 + 1e-6))
        day = np.floor(waits[moment]).astype(int)
        assert not set(day % 7) & {5, 6}
        assert 4 not in set(day)
    nights = np.floor(waits["done"]) - np.floor(waits["began"])
    same_day = waits["done"] - waits["began"]
    np.testing.assert_allclose(same_day[nights == 0], 5 / 24, atol=1e-9)
    assert (nights > 0).any()
    np.testing.assert_allclose(same_day[nights == 1], 5 / 24 + 16 / 24, atol=1e-9)


def test_each_weekday_may_open_at_its_own_time():
    """2026-06-01 is a Monday: 9:00 for four hours, Tuesdays 6:00 for twelve, and nothing else."""
    week, opens = np.array([4, 12, 0, 0, 0, 0, 0]) / 24, np.array([9, 6, 0, 0, 0, 0, 0]) / 24
    model = desk(8, Draw(np.array([1 / 24])), 20, days=14, week=week, opens=opens)
    began = run_model(model, 14, seed=4).waits["began"].dropna()
    hour, weekday = began % 1 * 24, began // 1 % 7
    assert set(weekday) == {0, 1}
    assert hour[weekday == 0].min() == 9 and 12 < hour[weekday == 0].max() < 13
    assert hour[weekday == 1].min() == 6 and 15 < hour[weekday == 1].max() < 18


@pytest.mark.parametrize("as_of", ["2026-06-01", "2026-06-01 15:00"])
def test_leads_come_at_their_time_of_day(as_of):
    """Half of them by noon, none before 8:00 or after 20:00, whatever the hour of day 0."""
    model = desk(500, Draw(np.array([0.01])), days=40)
    clock = np.interp(np.linspace(0, 1, 1441), [0, 0.5, 1], np.array([8, 12, 20]) / 24)
    model = replace(model, entries=replace(model.entries, clock=clock), as_of=pd.Timestamp(as_of), work=())
    run = run_model(model, 40, seed=2)
    came = model.as_of + pd.to_timedelta(run.day[run.visit == 0], unit="D")
    hour = (came - came.normalize()) / pd.Timedelta(hours=1)
    assert hour.min() > 8 - 0.01 and hour.max() < 20 + 0.01
    assert abs((hour < 12).mean() - 0.5) < 4 * 0.5 / np.sqrt(hour.size)


def test_a_hired_rep_ramps_up_and_a_seat_refilled_starts_anew():
    # alone from day 10 on, at half speed for 5 days; replaced on day 20
    pool = {"starts": np.array([-np.inf, 10.0, 20.0, 20.0]), "size": np.array([0, 1, 0, 1])}
    model = desk(4.0, Draw(np.array([0.125])), days=40, ramp=np.array([0.5]), ramp_days=5.0, **pool)
    waits = run_model(model, 40, seed=1).waits.dropna()
    assert waits["began"].min() == 10.0
    slow = ((waits["began"] >= 10) & (waits["began"] < 15)) | ((waits["began"] >= 20) & (waits["began"] < 25))
    np.testing.assert_array_equal(waits["done"] - waits["began"], np.where(slow, 0.25, 0.125))
    assert slow.any() and not slow.all()


def test_a_rep_who_carries_two_deals_is_as_good_as_two_reps():
    two = run_model(desk(3.0, exponential(0.5), 2, days=100), 100).waits
    one = run_model(desk(3.0, exponential(0.5), 1, days=100, capacity=2), 100).waits
    pd.testing.assert_frame_equal(one, two)


def test_more_reps_never_lengthen_any_wait():
    base = desk(6.0, exponential(0.5), 3, days=200)
    waits = []
    for reps in (3, 4, 6, 12):
        team = replace(base.pools[0], size=np.array([reps]))
        waits.append(run_model(replace(base, pools=(team,)), 200, seed=5).waits["wait"])
    for fewer, more in itertools.pairwise(waits):
        assert np.all(more.to_numpy() <= fewer.to_numpy())
    assert waits[0].sum() > waits[-1].sum()


@pytest.mark.parametrize("engine", ENGINES)
def test_extremes(engine):
    crowd = desk(300.0, exponential(0.5), 0, days=2)
    nobody_served = run_model(crowd, 2, engine=engine)
    assert nobody_served.waits["began"].isna().all()
    assert np.all(nobody_served.visit == 0)
    plenty = replace(crowd, pools=(replace(crowd.pools[0], size=np.array([1_000_000])),))
    assert np.all(run_model(plenty, 2, engine=engine).waits["wait"] == 0)
    assert run_model(desk(0.0, exponential(0.5)), 5, engine=engine).waits.empty
    assert run_model(crowd, 0, engine=engine).waits.empty


def test_a_crowd_on_one_day_is_lived_through():
    model = desk(300_000.0, Draw(np.array([0.5])), 10, days=1)
    run = run_model(model, 1, seed=1)
    assert abs(run.lead.size - 300_000) < 4 * np.sqrt(300_000)
    assert run.waits["began"].notna().sum() in (10, 20)


def test_impossible_teams_are_refused():
    with pytest.raises(FunnelError, match="did you mean 'fifo'"):
        desk(1.0, exponential(1.0), order="fifi")
    with pytest.raises(FunnelError, match="at most"):
        run_model(desk(1.0, exponential(1.0), 10**9), 1)
    model = desk(1.0, exponential(1.0))
    with pytest.raises(FunnelError, match="is for pool 3"):
        run_model(replace(model, work=(replace(model.work[0], pool=3),)), 1)

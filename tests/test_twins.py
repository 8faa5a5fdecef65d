"""The two engines tell the same lives, row for row and bit for bit, on funnels that nobody picked."""

import itertools

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from funnelsim.model.funnel import Draw, Funnel, Pool, Referral, Work
from funnelsim.model.model import Calendar, Cell, Entries, Model, OpenDeals, Values
from funnelsim.model.rates import RateTable
from funnelsim.simulation.run import period_sums, run_model

COLUMNS = ("lead", "stage", "group", "channel", "origin", "value", "who", "visit", "place", "day")


def some_funnel(rng: np.random.Generator, stages: int) -> Funnel:
    """Return a funnel whose stages lead anywhere, back and to themselves too; some stages earn."""
    names = tuple(f"s{i}" for i in range(stages))
    ends = ("Won", "Lost")
    exits = tuple(
        tuple(rng.choice(names + ends, size=rng.integers(1, min(stages + 2, 4) + 1), replace=False).tolist())
        for _ in names
    )
    earns = {"Won": 1.0} | ({names[-1]: 0.5} if rng.random() < 0.5 else {})
    return Funnel("some", names, ends, exits, earns)


def some_table(rng: np.random.Generator, funnel: Funnel, groups: int, eras: int) -> RateTable:
    """Return rates with gaps, bins of all widths, and levers that begin on any day."""
    stages, exits, bins = len(funnel.stages), funnel.targets.shape[1], int(rng.integers(1, 6))
    edges = np.concatenate(
        [np.zeros((groups, stages, 1)), np.cumsum(rng.exponential(6, (groups, stages, bins)), -1)], -1
    )
    edges[rng.random((groups, stages)) < 0.3, 2:] = np.inf
    rate = (
        rng.gamma(0.5, 0.2, (1, groups, stages, exits, bins + 1))
        * (funnel.targets >= 0)[None, None, :, :, None]
    )
    rate *= np.isfinite(edges)[None, :, :, None, :]
    change = rng.choice([0.0, 0.5, 1.0, 3.0], (eras, groups, stages, exits, 1))
    change[0] = 1.0
    starts = np.concatenate(
        [[-np.inf], np.sort(rng.choice([0.0, 3.0, 7.5, 11.0 / 7], eras - 1, replace=False))]
    )
    speed = rng.choice([0.5, 1.0, 1.25], (eras, groups, stages))
    return RateTable(edges, rate * change, starts, speed)


def some_deals(rng: np.random.Generator, count: int, stages: int, groups: int) -> OpenDeals:
    value = np.where(rng.random(count) < 0.3, np.nan, rng.lognormal(9, 1, count))
    return OpenDeals(
        np.array([f"deal {i}" for i in range(count)], dtype=object), rng.integers(0, stages, count),
        rng.integers(0, groups, count), rng.exponential(20, count), value,
    )  # fmt: skip


def some_referrals(rng: np.random.Generator, funnel: Funnel, count: int) -> tuple[Referral, ...]:
    places, stages = len(funnel.places), len(funnel.stages)
    delays = [Draw(np.sort(rng.exponential(3, rng.integers(1, 5)))) for _ in range(count)]
    return tuple(
        Referral(int(rng.integers(places)), int(rng.integers(stages)), 0.4, delay, f"friend {i}")
        for i, delay in enumerate(delays)
    )


def some_duration(rng: np.random.Generator, mean: float) -> Draw:
    """Return a fixed duration in half of the cases, so that things happen at the same moment."""
    return Draw(np.array([mean])) if rng.random() < 0.5 else Draw(np.sort(rng.exponential(mean, 9)))


def some_pool(rng: np.random.Generator, name: str) -> Pool:
    """Return a team that may be small, grow, shrink, be retrained, sleep at night and carry several deals."""
    changes = int(rng.integers(0, 4))
    starts = np.concatenate(
        [[-np.inf], np.sort(rng.choice([0.0, 2.0, 5.5, 9.0, 9.0, 14.25], changes, replace=False))]
    )
    steps = int(rng.integers(0, 4))
    ramps = (changes + 1, steps) if rng.random() < 0.5 else (steps,)
    return Pool(
        name, starts, rng.integers(0, 4, changes + 1), str(rng.choice(["fifo", "value", "age"])),
        int(rng.integers(1, 3)), np.ones(7) if rng.random() < 0.5 else rng.choice([0.0, 1 / 3, 0.5, 1.0], 7),
        (1, 3) if rng.random() < 0.5 else (), ramp=rng.choice([0.25, 0.5, 1.0], ramps),
        ramp_days=3.0, opens=0.25 if rng.random() < 0.5 else rng.choice([0.0, 0.3, 0.5], 7),
    )  # fmt: skip


def some_work(rng: np.random.Generator, funnel: Funnel, groups: int, pools: int) -> tuple[Work, ...]:
    """Return work at about half of the stages, for some groups, with and without patience."""
    made = []
    for stage in range(len(funnel.stages)):
        if rng.random() < 0.5:
            continue
        patience = some_duration(rng, 2.0) if rng.random() < 0.5 else None
        only = (int(rng.integers(groups)),) if rng.random() < 0.3 else ()
        time = some_duration(rng, float(rng.choice([0.1, 0.5])))
        made.append(
            Work(stage, int(rng.integers(pools)), time, patience, int(rng.integers(len(funnel.places))), only)
        )
    return tuple(made)


def some_calendar(rng: np.random.Generator) -> Calendar:
    """Return no calendar in half of the cases, else one with quiet weekdays and a rush."""
    if rng.random() < 0.5:
        return Calendar()
    week = rng.choice([0.0, 1.0, 3.0], 7) + 1e-3
    return Calendar(tuple((week / week.mean()).tolist()), float(rng.choice([1.0, 2.5])))


@st.composite
def situations(draw) -> tuple[Model, OpenDeals, float]:
    """A model, a pipeline, and days to simulate."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    stages, groups = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    funnel = some_funnel(rng, stages)
    table = some_table(rng, funnel, groups, draw(st.integers(1, 4)))
    ways = draw(st.integers(0, 4))
    cells = tuple(
        Cell(int(rng.integers(stages)), int(rng.integers(groups)), f"c{i % 2}") for i in range(ways)
    )
    share = rng.dirichlet(np.ones(ways)) if ways else np.zeros(0)
    clock = np.sort(rng.uniform(0, 1, 5)) if rng.random() < 0.5 else np.zeros(0)
    entries = Entries(cells, share, rng.gamma(1, 4, 10), draw(st.sampled_from([0.0, 0.3])), clock=clock)
    values = Values(np.sort(rng.lognormal(9, 1, (groups, 7)), axis=1), rng.uniform(0.5, 1.2, groups))
    pools = tuple(some_pool(rng, f"p{i}") for i in range(draw(st.integers(0, 2))))
    model = Model(
        funnel, tuple(f"g{i}" for i in range(groups)), table, entries, values,
        pd.Timestamp("2026-04-01 10:00"), pools=pools,
        work=some_work(rng, funnel, groups, len(pools)) if pools else (),
        referrals=some_referrals(rng, funnel, draw(st.integers(0, 2))),
        win_spread=draw(st.sampled_from([0.0, 0.5])), win_window=7.0, calendar=some_calendar(rng),
    )  # fmt: skip
    return (
        model,
        some_deals(rng, draw(st.integers(0, 6)), stages, groups),
        draw(st.sampled_from([0.0, 1.5, 25.0])),
    )


@settings(max_examples=150, derandomize=True)
@given(situations(), st.integers(0, 2**64 - 1), st.integers(0, 5))
def test_engines_tell_the_same_lives(situation, seed, replicate):
    model, deals, days = situation
    one, other = (
        run_model(model, days, seed=seed, replicate=replicate, open_deals=deals, engine=engine)
        for engine in ("compiled", "simpy")
    )
    for column in COLUMNS:
        np.testing.assert_array_equal(getattr(one, column), getattr(other, column), err_msg=column)
    np.testing.assert_array_equal(one.visits.number, other.visits.number)
    np.testing.assert_array_equal(one.visits.moment, other.visits.moment)
    pd.testing.assert_frame_equal(one.log, other.log)
    pd.testing.assert_frame_equal(one.waits, other.waits)


@settings(max_examples=15, derandomize=True)
@given(situations(), st.integers(0, 100))
def test_engines_book_the_same_sums(situation, seed):
    model, deals, _ = situation
    sums = [
        period_sums(model, [0, 4, 20], open_deals=deals, replications=3, seed=seed, engine=engine)
        for engine in ("compiled", "simpy")
    ]
    np.testing.assert_array_equal(sums[0].wins, sums[1].wins)
    np.testing.assert_allclose(sums[0].revenue, sums[1].revenue, rtol=1e-12)


@settings(max_examples=25, derandomize=True)
@given(situations(), st.integers(0, 100))
def test_every_lead_is_in_one_place_at_every_time(situation, seed):
    model, deals, days = situation
    run = run_model(model, days, seed=seed, open_deals=deals)
    stages = len(model.funnel.stages)
    assert np.all((run.day >= 0) & (run.day < max(days, 1e-300)))
    for who in range(run.lead.size):
        rows = run.who == who
        assert np.all(np.diff(run.day[rows]) >= 0)
        first = int(run.origin[who] == 0)
        assert run.visit[rows].tolist() == list(range(first, first + int(rows.sum())))
        assert np.all(run.place[rows][:-1] < stages)
        path = [int(run.stage[who]), *run.place[rows & (run.visit > 0)]]
        for before, after in itertools.pairwise(path):
            gives_up_to = {work.gives_up_to for work in model.work if work.stage == before}
            assert model.funnel.places[after] in model.funnel.exits[before] or after in gives_up_to

"""What an engine must tell: two leads by hand, bad requests refused, a log that is a history."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.export import write_table
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import Cell, Draws, Entries, Model, OpenDeals, Values
from funnelsim.model.rates import constant_table
from funnelsim.simulation.run import period_sums, run_model

ENGINES = ("compiled", "simpy")
# A stage that nobody leaves before its fixed day, and everybody within a millionth of a day after it.
SOON = 1e8


def by_the_clock() -> Model:
    """Two stages of exactly 2 and 5 days, then won; one open deal and one lead on day 3 only."""
    funnel = Funnel("clock", ("Talk", "Offer"), ("Won",), (("Offer",), ("Won",)), {"Won": 1.0})
    edges = np.array([[[0.0, 2.0], [0.0, 5.0]]])
    rate = np.array([[[[0.0, SOON]], [[0.0, SOON]]]])
    entries = Entries((Cell(1, 0, "fair"),), np.ones(1), np.eye(30)[3])
    return Model(
        funnel, ("all",), constant_table(edges, rate), entries, Values(np.array([[7.0]]), np.array([0.5])),
        pd.Timestamp("2026-04-01"),
    )  # fmt: skip


def deal() -> OpenDeals:
    return OpenDeals(
        np.array(["Acme"], dtype=object), np.array([0]), np.array([0]), np.array([1.25]), np.array([100.0])
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_two_leads_by_hand(engine):
    # Acme is 1.25 days into Talk: Offer on day 0.75, Won on day 5.75. With seed 4 one lead comes, on
    # day 3.374.
    run = run_model(by_the_clock(), 30, seed=4, open_deals=deal(), engine=engine)
    log = run.log.assign(day=run.day.round(3))[["lead", "stage", "day", "channel", "segment", "value"]]
    assert log.values.tolist() == [
        ["Acme", "Offer", 0.75, "", "all", 50.0],
        ["Acme", "Won", 5.75, "", "all", 50.0],
        ["new-0-3-0", "Offer", 3.374, "fair", "all", 7.0],
        ["new-0-3-0", "Won", 8.374, "fair", "all", 7.0],
    ]
    assert run.log["at"][0].round("s") == pd.Timestamp("2026-04-01 18:00")


@pytest.mark.parametrize("engine", ENGINES)
def test_sums_put_each_win_in_its_period_and_origin(engine):
    sums = period_sums(
        by_the_clock(), [0, 5, 7, 30], open_deals=deal(), replications=1, seed=4, engine=engine
    )
    assert sums.revenue.tolist() == [[[0.0, 0.0], [50.0, 0.0], [0.0, 7.0]]]
    assert sums.wins.tolist() == [[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]]


@pytest.mark.parametrize("engine", ENGINES)
def test_nobody_and_no_time(engine):
    nobody = replace(by_the_clock(), entries=Entries((), np.zeros(0), np.zeros(1)))
    assert run_model(nobody, 10, engine=engine).log.empty
    assert run_model(by_the_clock(), 0, open_deals=deal(), engine=engine).log.empty


def test_adding_a_lead_or_raising_intake_changes_no_other_lead():
    model = by_the_clock()
    more = replace(model, entries=replace(model.entries, path=model.entries.path * 40))
    few, many = run_model(model, 30, seed=4), run_model(more, 30, seed=4, open_deals=deal())
    assert many.lead.size > few.lead.size + 5
    kept = many.log[many.log["lead"].isin(few.names)].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, few.log)


def test_a_draw_of_rates_for_each_replicate_is_used():
    model = by_the_clock()
    rates = np.stack([model.table.rate, model.table.rate * 0.0])
    sums = period_sums(model, [0, 30], open_deals=deal(), replications=2, drawn=Draws(rates, np.ones((2, 1))))
    assert sums.wins[0, 0, 0] == 1
    assert sums.wins[1].sum() == 0


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_the_log_is_written_whole(tmp_path, name):
    run = run_model(by_the_clock(), 30, seed=4, open_deals=deal())
    write_table(run.log, tmp_path / name)
    back = pd.read_csv(tmp_path / name) if name.endswith("csv") else pd.read_parquet(tmp_path / name)
    assert back["lead"].tolist() == run.log["lead"].tolist()
    assert pd.to_datetime(back["at"]).dt.round("ms").tolist() == run.log["at"].dt.round("ms").tolist()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"engine": "simpi"}, "did you mean 'simpy'"),
        ({"seed": -1}, "the seed is -1"),
        ({"days": -1.0}, "-1 days"),
        ({"days": 1e6}, "at most"),
    ],
)
def test_what_cannot_be_simulated_is_refused(change, sentence):
    with pytest.raises(FunnelError, match=sentence):
        run_model(by_the_clock(), **({"days": 3.0} | change))


def test_periods_and_rates_of_the_wrong_shape_are_refused():
    with pytest.raises(FunnelError, match="ascending"):
        period_sums(by_the_clock(), [0, 5, 5])
    with pytest.raises(FunnelError, match="one draw per replicate"):
        period_sums(by_the_clock(), [0, 5], replications=2, drawn=Draws(np.zeros((1, 1)), np.ones((2, 1))))

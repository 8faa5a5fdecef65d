"""What decided the sample comes back from its history, within 4 standard errors where it can be known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.calibration.posterior import draw_rates, expected_leavers
from funnelsim.calibration.response import fit_response
from funnelsim.calibration.trust import Trust, trust_of
from funnelsim.forecasting.exact import at_ages, chances
from funnelsim.history.log import History, bookings
from funnelsim.history.read import read_history
from funnelsim.history.spend import read_spend
from funnelsim.model.model import Model
from funnelsim.model.rates import constant_table
from funnelsim.sample import sample_path

FEW = 20.0


@pytest.fixture(scope="module")
def truth() -> dict:
    return json.loads(sample_path("truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def history() -> History:
    return read_history(sample_path(), as_of="2026-06-30")


@pytest.fixture(scope="module")
def model(history: History) -> Model:
    """All observations weigh alike, for the truth does not change."""
    return fit_model(history, half_life=np.inf)


@pytest.fixture(scope="module")
def record(history: History, model: Model) -> Trust:
    return trust_of(history, model)


def true_rates(truth: dict, model: Model) -> np.ndarray:
    """Return the true rates in the model's order, (groups, stages, exits, bins)."""
    rate = np.zeros(model.counts.events.shape)
    for g, segment in enumerate(model.groups):
        for s, stage in enumerate(model.funnel.stages):
            for x, taken in enumerate(model.funnel.exits[s]):
                rate[g, s, x] = truth["rates"][segment][stage].get(taken, 0.0)
    return rate


def test_leavers_are_as_many_as_the_true_rates_expect(truth: dict, model: Model, record: Trust) -> None:
    """In every cell of segment, stage, exit and age with 20 expected leavers, and in their sum of squares."""
    expected = expected_leavers(record.counts, true_rates(truth, model))
    enough = expected >= FEW
    z = ((record.counts.events - expected) / np.sqrt(np.maximum(expected, 1e-9)))[enough]
    assert enough.sum() > 80
    assert abs(z).max() < 4
    assert (z**2).sum() < enough.sum() + 4 * np.sqrt(2 * enough.sum())


def test_fitted_rates_are_within_their_posterior(truth: dict, model: Model) -> None:
    """Draws of the rates hold the truth: 4 posterior standard deviations, where 20 leads or more left."""
    drawn = draw_rates(replace(model, win_level=1.0), 1000, np.random.default_rng(2))[:, 0]
    known = true_rates(truth, model)
    enough = (model.counts.events >= FEW) & (known > 0)
    drawn = np.log(drawn[:, enough])
    z = (drawn.mean(0) - np.log(known[enough])) / drawn.std(0)
    assert enough.sum() > 80
    assert abs(z).max() < 4


def test_another_truth_is_found_out(truth: dict, model: Model, record: Trust) -> None:
    """The planted fault: small companies take the rates of large ones, or all leave a tenth slower."""
    expected = expected_leavers(record.counts, 0.9 * true_rates(truth, model))
    total = record.counts.events.sum(axis=(2, 3)), expected.sum(axis=(2, 3))
    assert ((total[0] - total[1]) / np.sqrt(total[1])).max() > 4
    swapped = expected_leavers(record.counts, true_rates(truth, model)[::-1])
    assert abs((record.counts.events.sum() - swapped.sum()) / np.sqrt(swapped.sum())) > 4


def test_ways_in_are_taken_as_often_as_truth_says(truth: dict, record: Trust) -> None:
    frame = record.frame
    first = frame[frame["entry"].to_numpy() & ~frame["reopened"].to_numpy()]
    for segment, shares in truth["starts"].items():
        mine = first[first["segment"] == segment]["stage"]
        for stage, share in shares.items():
            error = np.sqrt(share * (1 - share) / len(mine))
            assert abs((mine == stage).mean() - share) < 4 * error, (segment, stage)


def test_amounts_of_wins_come_back(truth: dict, history: History, model: Model) -> None:
    segment = bookings(history)["lead"].map(history.leads["segment"])
    for group, name in enumerate(model.groups):
        known, wins = truth["values"][name], int((segment == name).sum())
        relative = np.sqrt(np.exp(known["spread"] ** 2) - 1) / np.sqrt(wins)
        mean = known["mean"] * known["won_share"]
        assert abs(model.values.mean[group] / mean - 1) < 4 * relative
        assert abs(model.values.ratio[group] - known["won_share"]) < 0.02


def test_intake_of_the_next_quarter_is_expected(truth: dict, model: Model) -> None:
    """True means of July to September; the pool's own spread is what it claims to be wrong by."""
    known = sum(sum(truth["expected_leads"][month].values()) for month in ("2026-07", "2026-08", "2026-09"))
    said = model.entries.path[:92].sum()
    assert abs(np.log(said / known)) < 4 * model.entries.spread
    assert model.entries.spread < 0.3


def test_open_deals_are_worth_what_the_true_rates_say(truth: dict, history: History, model: Model) -> None:
    """Wins expected of the open pipeline within a quarter: fitted against true rates, by segment."""
    deals = open_pipeline(history, model)
    known = true_rates(truth, model)
    edges = np.broadcast_to(model.counts.edges, (*known.shape[:2], known.shape[3])).copy()
    tables = [constant_table(edges, known)]
    drawn = draw_rates(replace(model, win_level=1.0), 40, np.random.default_rng(3))[:, 0]
    tables += [constant_table(edges, rate) for rate in drawn]
    wins = []
    for table in tables:
        found = chances(model.funnel, table, np.array([0.0, 92.0]), oldest=float(deals.age.max()))
        chance = at_ages(found, deals.group, deals.stage, deals.age)[:, 0]
        wins.append([chance[deals.group == g].sum() for g in range(len(model.groups))])
    true, fitted = np.array(wins[0]), np.array(wins[1:])
    assert (abs(fitted.mean(0) - true) < 4 * fitted.std(0)).all(), (true, fitted.mean(0), fitted.std(0))


def test_channels_answer_money_as_truth_says(truth: dict, history: History) -> None:
    found = {one.channel: one for one in fit_response(history, read_spend(sample_path("spend.csv")))}
    assert set(found) == set(truth["channels"])
    for name, known in truth["channels"].items():
        assert abs(found[name].elasticity - known["elasticity"]) < 4 * found[name].error, name

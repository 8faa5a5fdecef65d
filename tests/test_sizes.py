"""Kinds of lead by amount: found where amounts tell how leads live, and there only; one rule everywhere."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hotels import company, without_dates
from numpy.testing import assert_allclose
from scipy.stats import nbinom

import funnelsim as fs
from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.calibration.parts import calibrate_large
from funnelsim.calibration.posterior import STRENGTHS, likelier_apart
from funnelsim.calibration.values import sized
from funnelsim.forecasting.forecast import Forecast, forecast_periods, totals
from funnelsim.forecasting.periods import periods_from
from funnelsim.forecasting.split import revenue_by
from funnelsim.history.log import History, open_leads, spells
from funnelsim.model.model import Model, OpenDeals, Sizes
from funnelsim.model.store import load_model, same, save_model
from funnelsim.sample import sample_path

UNTIL = pd.Timestamp("2026-01-01")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample company without its segments."""
    path = tmp_path_factory.mktemp("bare") / "history.csv"
    pd.read_csv(sample_path()).drop(columns="segment").to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def fitted(bare: Path) -> tuple[History, Model]:
    history = fs.read_history(bare)
    return history, fit_model(history)


def quarter(history: History, model: Model, deals: OpenDeals | None = None) -> Forecast:
    pipeline = open_pipeline(history, model) if deals is None else deals
    ahead = periods_from(history.until, "quarter", 1, history.period_start)
    return forecast_periods(model, pipeline, ahead, draws=60, seed=1)


def shuffled(history: History, seed: int) -> History:
    """Give every lead the last amount of another one, for all its life; who shows one, and when, stays."""
    rng, last = np.random.default_rng(seed), history.leads["value"].dropna()
    given = pd.Series(rng.permutation(last.to_numpy()), last.index)
    updates = history.updates
    moved = updates["lead"].map(given).where(updates["value"].notna())
    leads = history.leads.assign(value=history.leads.index.map(given))
    return replace(history, leads=leads, updates=updates.assign(value=moved))


def test_what_makes_two_kinds_likelier_is_the_ratio_of_negative_binomials() -> None:
    """A Poisson count with a Gamma(k, k) factor is negative binomial: an independent road, by SciPy."""
    left, days = np.array([40.0, 20.0]), np.array([500.0, 1000.0])
    mean = 60.0 * days / 1500.0
    logs = [float(nbinom.logpmf(left, k, k / (k + mean)).sum()) for k in STRENGTHS]
    assert_allclose(likelier_apart(left, 7.0 * days), max(logs) - logs[-1], rtol=1e-6)
    assert likelier_apart(left, left) == 0


def test_without_its_segments_the_sample_is_forecast_as_with_them(fitted: tuple[History, Model]) -> None:
    """Before kinds by amount it came out at 13 M instead of 5.5 M."""
    named = fs.read_history(sample_path())
    right, plain = (totals(quarter(one, fit_model(one))).iloc[0] for one in (named, fitted[0]))
    assert fitted[1].groups == fitted[1].sizes.names
    assert abs(plain["mean"] / right["mean"] - 1) < 0.1
    assert abs(plain["sd"] / right["sd"] - 1) < 0.1


@pytest.mark.parametrize("seed", range(4))
def test_amounts_that_tell_nothing_make_no_kinds(fitted: tuple[History, Model], seed: int) -> None:
    model = fit_model(shuffled(fitted[0], seed))
    assert model.sizes is None and model.groups == ("all",) and model.grouped_by == ""


def test_amounts_known_at_the_win_only_make_no_kinds(bare: Path) -> None:
    late = fs.read_history(bare, mapping={"value_known": "win"})
    assert fit_model(late).sizes is None


def test_a_lead_has_one_size_by_what_it_showed_last_and_the_shares_are_met() -> None:
    """A hundred leads show nothing yet: three in ten of them are large, whatever the order of the rows."""
    rows = [(f"n{k}", "Lead", UNTIL - pd.Timedelta(days=9 + k / 100), np.nan) for k in range(100)]
    rows += [("small", "Lead", UNTIL - pd.Timedelta(days=8), 400.0)]
    rows += [("grown", "Lead", UNTIL - pd.Timedelta(days=7), 400.0)]
    rows += [("grown", "Offer", UNTIL - pd.Timedelta(days=6), 600.0)]
    frame = pd.DataFrame(rows, columns=["lead", "stage", "at", "value"])
    rule = Sizes(500.0, 0.3)
    stages = {"stages": ["Lead", "Offer"], "won": "Won", "lost": "Lost"}
    one, other = (
        sized(fs.read_history(table, as_of=UNTIL, mapping=stages), rule) for table in (frame, frame[::-1])
    )
    size = open_leads(one).set_index("lead")["size"]
    assert size["small"] == "amount below 500" and size["grown"] == "amount from 500"
    assert (size[size.index.str.startswith("n")] == "amount from 500").sum() == 30
    assert (spells(one).groupby("lead")["size"].nunique() == 1).all()
    assert (open_leads(other).set_index("lead")["size"].reindex(size.index) == size).all()
    assert sized(one, None) is one


def test_the_road_by_parts_knows_the_kinds(bare: Path, fitted: tuple[History, Model]) -> None:
    """The first part, a third of all leads, tells them."""
    model, rest = calibrate_large(bare, rows=30_000)
    assert model.grouped_by == "size" and model.groups == model.sizes.names
    assert abs(model.sizes.cut / fitted[1].sizes.cut - 1) < 0.1
    whole, parts = (
        totals(one).iloc[0]["mean"] for one in (quarter(*fitted), quarter(rest.facts, model, rest.deals))
    )
    assert abs(parts / whole - 1) < 0.05


def test_a_split_by_segment_says_plainly_that_it_is_by_amount(bare: Path) -> None:
    """Open, new and booked money stand under the same names, and add up to the forecast."""
    from funnelsim.forecasting.situation import situation

    place = situation(str(bare), as_of="2026-06-01", period="quarter")
    found = forecast_periods(place.model, place.deals, place.periods, booked=place.booked, draws=20)
    table = revenue_by(place, found, "segment")
    assert set(table["part"]) == set(place.model.groups)
    assert (table.groupby("part")[["open", "new"]].sum() > 0).all(axis=None)
    said = totals(found).set_index("period")["mean"]
    assert_allclose(table.groupby("period")["expected"].sum().reindex(said.index), said, rtol=1e-6)


def test_the_rule_is_saved_with_the_model(fitted: tuple[History, Model], tmp_path: Path) -> None:
    save_model(fitted[1], tmp_path / "model.json")
    back = load_model(tmp_path / "model.json")
    assert same(back, fitted[1])
    pipelines = [open_pipeline(fitted[0], model).group for model in (back, fitted[1])]
    assert (pipelines[0] == pipelines[1]).all()


def test_few_leads_of_a_stage_have_dear_ones_among_them_as_often_as_many() -> None:
    """Three hundred stages of two leads each, a fifth dear: without luck in rounding none would be."""
    rows = [(f"{s}-{k}", f"stage {s}", UNTIL - pd.Timedelta(days=5)) for s in range(300) for k in range(2)]
    frame = pd.DataFrame(rows, columns=["lead", "stage", "at"]).assign(value=np.nan)
    stages = {"stages": list(frame["stage"].unique()), "won": "Won", "lost": "Lost"}
    read = fs.read_history(frame, as_of=UNTIL, mapping=stages)
    dear = (open_leads(sized(read, Sizes(500.0, 0.2)))["size"] == "amount from 500").sum()
    assert abs(dear - 120) < 3 * np.sqrt(300 * 0.4 * 0.6)


def test_leads_that_live_by_their_dates_have_no_kinds_by_amount() -> None:
    """Two kinds of guests that differ in everything: by their age amounts tell them, by their dates not."""
    history = company(3)[0]
    dear = history.leads["value"] * np.where(history.leads["segment"] == "group 1", 20.0, 1.0)
    bare = replace(history, leads=history.leads.drop(columns="segment").assign(value=dear))
    dated, plain = fit_model(bare), fit_model(without_dates(bare))
    assert dated.due is not None and dated.sizes is None
    assert plain.due is None and plain.sizes is not None

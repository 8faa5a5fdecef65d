"""Every verb takes whatever the user has, twice in a row, and its result shows itself."""

from __future__ import annotations

import pytest
from made_up import history

import funnelsim as fs
from funnelsim.errors import FunnelError
from funnelsim.history.export import tidy_log, write_table

FUNNEL = "saas_marketing_and_sales"
ENDS = {"won": ["Won"], "lost": ["Lost"]}
FEW = {"period": "month", "periods": 1, "draws": 8}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("verbs") / "log.csv"
    write_table(tidy_log(history()), path)
    return path


def answers(what):
    """What each verb says of one thing; backtest and budget ask for a past and for spend."""
    return {
        "check": fs.check(what),
        "calibrate": fs.calibrate(what),
        "situation": fs.situation(what, period="month", periods=1),
        "forecast": fs.forecast(what, **FEW),
        "compare": fs.compare(what, ["nothing_changes"], **FEW),
        "simulate": fs.simulate(what, days=20),
    }


@pytest.mark.parametrize("what", ["file", "history", FUNNEL, "model"])
def test_verbs_take_whatever_there_is_and_can_be_called_twice(what, file):
    given = {"file": file, "history": fs.read_history(file), "model": fs.read_funnel(FUNNEL)}.get(what, what)
    first, second = answers(given), answers(given)
    for verb, result in first.items():
        assert str(result) == str(second[verb]), verb
        assert "\n" not in str(result), verb


def test_results_show_themselves_in_a_notebook(file):
    for verb, result in answers(file).items():
        shown = result._repr_html_()
        assert shown.startswith("<p><b>") and "<table" in shown, verb
        assert repr(result) == str(result), verb  # what a notebook keeps as plain text


def test_a_situation_is_fitted_once_and_answers_like_the_file(file):
    place = fs.situation(file, period="month", periods=2)
    again = fs.situation(place)
    assert again is place
    assert str(fs.forecast(place, draws=8)) == str(fs.forecast(file, period="month", draws=8))


def test_backtest_and_budget_are_called_twice(file):
    records = [fs.backtest(file, start="2025-10-01", draws=4, workers=1) for _ in range(2)]
    assert str(records[0]) == str(records[1])
    sample, spend = fs.sample_path(), fs.sample_path("spend.csv")
    place = fs.situation(sample, spend=spend, periods=2)
    assert str(fs.budget(place, draws=20)) == str(fs.budget(place, draws=20))
    assert fs.charts.budget(fs.budget(place, draws=20)).to_dict()["layer"]


def test_a_stated_funnel_has_no_past_to_test_on():
    with pytest.raises(FunnelError, match="Lead funnel is a stated funnel"):
        fs.backtest("lead_funnel")


def test_an_existing_file_wins_over_a_shipped_name(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lead_funnel").write_bytes(file.read_bytes())
    assert fs.situation("lead_funnel").history is not None
    (tmp_path / "lead_funnel").unlink()
    assert fs.situation("lead_funnel").history is None


def test_day_0_of_a_stated_funnel_is_its_start():
    assert fs.situation("lead_funnel").periods[0].start == fs.read_funnel("lead_funnel").as_of


def test_how_a_file_is_read_is_no_question_to_what_is_read_already(file):
    known = fs.read_history(file)
    with pytest.raises(FunnelError, match="mapping: says how a file is read"):
        fs.forecast(known, mapping={"won": ["Won"]})
    with pytest.raises(FunnelError, match="source: says how a file is read"):
        fs.forecast(FUNNEL, source="log")


def test_charts_draw_results(file):
    made = fs.forecast(file, **FEW)
    checked = fs.check(file)
    run = fs.simulate(FUNNEL, days=60)
    pictures = [
        fs.charts.fan(made),
        fs.charts.split(made),
        fs.charts.spread(made),
        fs.charts.funnel(checked),
        fs.charts.incidence(checked),
        fs.charts.dwell(checked),
        fs.charts.ages(checked),
        fs.charts.movement(run),
        fs.charts.queue(run, run.model.pools[0].name),
        fs.charts.waits(today=run, again=run),
    ]
    for picture in pictures:
        assert picture.to_dict()["title"]["text"]


def test_every_public_name_is_there():
    assert set(fs.__all__) <= set(dir(fs))
    for name in fs.__all__:
        assert getattr(fs, name) is not None
    assert all(hasattr(fs.inside, name) for name in fs.inside.__all__)


def test_check_tells_costs_coverage_and_shares_within_the_days_that_are_asked_for(file):
    spend = fs.check(file).history.leads["channel"].drop_duplicates().to_frame().assign(spend=1000.0)
    found = fs.check(file, horizon=30, spend=spend, target="2M")
    told = found.metrics.set_index(["metric", "scope"])["value"]
    entered = found.history.leads["channel"].value_counts()
    assert told["cost per lead"].to_dict() == pytest.approx((1000 / entered).to_dict())
    assert told["pipeline coverage", "all"] == told["open pipeline", "all"] / 2e6
    usual = fs.check(file).metrics.set_index(["metric", "scope"])["value"]
    assert told["win rate", "all"] < usual["win rate", "all"]
    assert (found.conversion["horizon"] == 30).all()
    with pytest.raises(FunnelError, match="horizon 0"):
        fs.check(file, horizon=0)
    with pytest.raises(FunnelError, match="one amount"):
        fs.check(file, target="total=2M")

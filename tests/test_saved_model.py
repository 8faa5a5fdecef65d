"""A model that was fitted before forecasts the leads that are open now; a backtest must not take one."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from typer.testing import CliRunner

import funnelsim as fs
from funnelsim.calibration.calibrate import fit_model
from funnelsim.cli import app
from funnelsim.errors import FunnelError
from funnelsim.forecasting.forecast import totals
from funnelsim.forecasting.situation import situation
from funnelsim.history.log import History
from funnelsim.history.read import read_history
from funnelsim.model.model import Model
from funnelsim.model.store import save_model
from funnelsim.sample import sample_path

DRAWS = 6


@pytest.fixture(scope="module")
def history() -> History:
    return read_history(sample_path())


@pytest.fixture(scope="module")
def fitted(history: History) -> Model:
    return fit_model(history)


def ran(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_saved_model_gives_the_forecast_of_the_fit(history: History, fitted: Model, tmp_path: Path) -> None:
    save_model(fitted, tmp_path / "model.json")
    own = fs.forecast(history, draws=DRAWS)
    told = fs.forecast(history, draws=DRAWS, model=tmp_path / "model.json")
    pd.testing.assert_frame_equal(told.periods, own.periods)
    pd.testing.assert_frame_equal(told.deals, own.deals)
    assert situation(history, model=fitted).model.notes[0].startswith("Model: fitted before, to what was")


def test_the_terminal_calibrates_once_and_forecasts_and_compares_later(tmp_path: Path) -> None:
    model, file = tmp_path / "model.json", tmp_path / "forecast.json"
    ran("calibrate", sample_path(), "--as-of", "2026-03-31", "-o", model)
    given = (sample_path(), "--model", model, "--draws", DRAWS, "--periods", 1)
    said = ran("forecast", *given, "--as-of", "2026-04-30", "--json", file)
    assert "- Model: fitted before, to what was known until 2026-03-31." in said
    assert json.loads(file.read_text(encoding="utf-8"))["periods"][0]["mean"] > 0
    assert "price_up" in ran("compare", *given[:1], "price_up", *given[1:], "--as-of", "2026-04-30")


def test_leads_to_come_are_those_of_the_days_that_are_left(history: History) -> None:
    before = fit_model(history.as_of("2026-03-31"))
    later = situation(history.as_of("2026-04-30"), model=before)
    assert later.model.as_of == pd.Timestamp("2026-05-01")
    size = before.entries.path.size
    assert_allclose(later.model.entries.path[: size - 30], before.entries.path[30:])
    assert_allclose(later.model.entries.path[size - 30 :], np.resize(before.entries.path[-365:], 30))
    assert len(later.deals) == len(situation(history.as_of("2026-04-30")).deals)
    kept = situation(later, period="month").model
    assert_allclose(kept.table.rate, before.table.rate, rtol=0)


def test_a_thin_history_is_no_hindrance_where_the_model_is_known(history: History, fitted: Model) -> None:
    leads = history.open["lead"].iloc[:40]
    won = history.wins["lead"].iloc[:1]
    rows = pd.read_csv(sample_path(), dtype="str")
    few = rows[rows["lead"].isin([*leads, *won])]
    day = f"{history.until - pd.Timedelta(days=1):%Y-%m-%d}"
    assert fs.forecast(few, as_of=day, draws=DRAWS).silent
    told = fs.forecast(few, as_of=day, draws=DRAWS, model=fitted)
    assert not told.silent
    assert totals(told, "wins")["mean"].iloc[0] > 0


def test_what_does_not_fit_is_refused(history: History, fitted: Model) -> None:
    with pytest.raises(FunnelError, match=r"known until 2026-06-30, the history ends on 2026-03-31"):
        fs.forecast(history.as_of("2026-03-31"), model=fitted)
    with pytest.raises(FunnelError, match="spend: the model is fitted already"):
        fs.forecast(history, model=fitted, spend=sample_path("spend.csv"))
    with pytest.raises(FunnelError, match="model: a stated funnel was given, which has one already"):
        fs.forecast("ecommerce", model=fitted)
    with pytest.raises(FunnelError, match="model: a situation was given"):
        fs.compare(situation(history), ["price_up"], model=fitted)
    with pytest.raises(FunnelError, match="model: it knows amounts, the history shows none"):
        fs.forecast(pd.read_csv(sample_path(), dtype="str").drop(columns="value"), model=fitted)
    with pytest.raises(FunnelError, match="' is no stage of the model; known: Visit"):
        fs.forecast(history, model=fs.read_funnel("ecommerce", "2026-01-01"))


def test_a_backtest_refuses_a_model_in_a_sentence(history: History, fitted: Model, tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match="it knows the future of every past date"):
        fs.backtest(history, model=fitted)
    save_model(fitted, tmp_path / "model.json")
    result = CliRunner().invoke(
        app, ["backtest", str(sample_path()), "--model", str(tmp_path / "model.json")]
    )
    assert isinstance(result.exception, FunnelError)

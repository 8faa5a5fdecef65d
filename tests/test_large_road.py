"""From a file read in parts to a forecast: the same as from one that is held, also by a cluster's workers."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from distributed import Client
from numpy.testing import assert_allclose
from test_large import PARTS, alike
from typer.testing import CliRunner

import funnelsim as fs
from funnelsim.calibration import parts as room
from funnelsim.calibration.parts import calibrate_large, dask_client
from funnelsim.cli import app
from funnelsim.errors import FunnelError
from funnelsim.forecasting.forecast import Forecast
from funnelsim.forecasting.situation import situation
from funnelsim.history import large_file
from funnelsim.model.store import save_model
from funnelsim.sample import sample_path

pytest.importorskip("duckdb", reason="no DuckDB: pip install 'funnelsim[formats]'")
DRAWS = 6


@pytest.fixture(scope="module")
def held() -> Forecast:
    return fs.forecast(sample_path(), draws=DRAWS, target=5e6)


def same(found: Forecast, told: Forecast) -> None:
    numbers = found.periods.columns.drop(["period", "start", "end", "origin", "measure"])
    assert found.periods["period"].tolist() == told.periods["period"].tolist()
    assert_allclose(found.periods[["mean", "sd"]], told.periods[["mean", "sd"]], rtol=1e-9)
    assert_allclose(found.periods[numbers], told.periods[numbers], rtol=1e-6)
    assert_allclose(found.widths.drop(columns="period"), told.widths.drop(columns="period"), rtol=1e-6)
    pd.testing.assert_frame_equal(found.past, told.past)
    assert found.currency == told.currency


def test_a_file_read_in_parts_is_forecast_as_one_that_is_held(held: Forecast) -> None:
    place = situation(sample_path(), large=True)
    assert place.history is None and place.facts is not None
    assert str(place) == "history.csv as of 2026-06-30: 1,423 open leads, 2026 Q3 to 2026 Q4"
    same(fs.forecast(place, draws=DRAWS, target=5e6), held)
    pd.testing.assert_frame_equal(place.ways, situation(sample_path()).ways)
    one = situation(place, periods=1)
    assert len(one.periods) == 1 and one.model is place.model


def test_a_file_that_is_large_goes_that_way_by_itself(
    held: Forecast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_file, "LARGE_TEXT", 1000)
    found = fs.forecast(sample_path(), draws=DRAWS, target=5e6)
    assert "Read in 1 part" in " ".join(fs.calibrate(sample_path()).notes)
    same(found, held)
    assert "flag" not in found.deals


def test_a_known_model_forecasts_a_large_file(held: Forecast, tmp_path: Path) -> None:
    save_model(fs.calibrate(sample_path()), tmp_path / "model.json")
    same(fs.forecast(sample_path(), draws=DRAWS, target=5e6, model=tmp_path / "model.json", large=True), held)


def test_the_terminal_goes_from_the_file_to_the_forecast(tmp_path: Path) -> None:
    words = ["forecast", str(sample_path()), "--large", "--draws", "4", "--periods", "1"]
    files = ["--json", str(tmp_path / "f.json"), "--html", str(tmp_path / "f.html")]
    ran = CliRunner().invoke(app, [*words, *files, "--deals", str(tmp_path / "deals.csv")])
    assert ran.exit_code == 0, ran.output
    assert "Read in 1 part" in ran.output and "As of 2026-06-30" in ran.output
    assert json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))["periods"][0]["mean"] > 0
    assert len(pd.read_csv(tmp_path / "deals.csv")) == 1423
    ran = CliRunner().invoke(app, ["compare", str(sample_path()), "price_up", *words[2:]])
    assert ran.exit_code == 0, ran.output


def test_what_was_read_in_parts_cannot_be_looked_at_again() -> None:
    place = situation(sample_path(), large=True)
    for ask in (fs.backtest, lambda one: fs.forecast(one, own_record=True, draws=2), fs.check,
                lambda one: situation(one, period="week")):  # fmt: skip
        with pytest.raises(FunnelError, match="was read in parts: its past is not held"):
            ask(place)
    assert fs.calibrate(place) is place.model
    with pytest.raises(FunnelError, match="by segment: of a history that was read in parts"):
        fs.forecast(place, by="segment")
    with pytest.raises(FunnelError, match="only a file can be read in parts"):
        fs.forecast(pd.DataFrame({"lead": []}), large=True)
    with pytest.raises(FunnelError, match="query: says what is read of a data base"):
        fs.forecast(sample_path(), large=True, query="SELECT 1")


def test_rows_in_any_order_and_parts_of_any_size_give_the_same_model(tmp_path: Path) -> None:
    days = pd.read_csv(sample_path(), dtype="str").assign(at=lambda frame: frame["at"].str.slice(0, 10))
    days.sample(frac=1.0, random_state=3).to_csv(tmp_path / "log.csv", index=False)
    alike(calibrate_large(tmp_path / "log.csv", rows=PARTS)[0], fs.calibrate(days))


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_of_a_cluster_give_the_same_model(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LEADS_FOR_AMOUNTS", 4_000)
    told, rest = calibrate_large(sample_path(), rows=PARTS)
    with Client(n_workers=workers, threads_per_worker=1, dashboard_address=None) as client:
        found, far = calibrate_large(sample_path(), rows=PARTS, client=client)
        address = client.scheduler.address
        if workers == 2:
            by_address = situation(sample_path(), dask=address)
            assert len(by_address.deals) == len(rest.deals)
    alike(found, told)
    for name in ("name", "stage", "group", "age", "value"):
        np.testing.assert_array_equal(getattr(far.deals, name), getattr(rest.deals, name))
    pd.testing.assert_frame_equal(far.wins, rest.wins)


def test_no_cluster_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE", 0.2)
    with pytest.raises(FunnelError, match=r"dask 'tcp://127.0.0.1:9': no cluster answers there"):
        dask_client("tcp://127.0.0.1:9")

"""A forecast stretched by its own record: what changes, what stays, and what is said of it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import UNTIL, history
from numpy.testing import assert_allclose
from test_cli import run

from funnelsim.forecasting.backtest import by_own_record, past_scales, words_of
from funnelsim.forecasting.forecast import NAMES
from funnelsim.forecasting.situation import situation
from funnelsim.history.export import tidy_log, write_table
from funnelsim.history.read import read_history
from funnelsim.verbs import forecast

DATA = history(900)
PLACE = situation(DATA, period="month", periods=2)
PLAIN = forecast(PLACE, draws=10, target=40_000.0)
WIDE = by_own_record(PLAIN, DATA, "month", workers=1)
SCALES = past_scales(DATA, period="month", count=2, latest=8, workers=1).set_index(["measure", "step"])[
    "scale"
]


def total(found: pd.DataFrame, measure: str) -> pd.DataFrame:
    return found[(found["origin"] == "total") & (found["measure"] == measure)].reset_index(drop=True)


@pytest.mark.parametrize("measure", ["revenue", "wins"])
def test_totals_are_as_much_wider_as_past_forecasts_were_off(measure: str) -> None:
    before, after = total(PLAIN.periods, measure), total(WIDE.periods, measure)
    scales = SCALES[measure].to_numpy()
    assert (scales != 1).all()
    assert_allclose(after["sd"], before["sd"] * scales)
    assert_allclose(after["0.90"] - after["0.50"], (before["0.90"] - before["0.50"]) * scales)
    assert_allclose(after[["mean", "0.50"]], before[["mean", "0.50"]])


def test_parts_stay_and_widths_and_target_follow() -> None:
    parts = PLAIN.periods["origin"] != "total"
    pd.testing.assert_frame_equal(WIDE.periods[parts], PLAIN.periods[parts])
    assert_allclose(WIDE.widths["chance"], PLAIN.widths["chance"])
    assert_allclose(WIDE.widths["total"], total(WIDE.periods, "revenue")["sd"])
    rest = np.sqrt(np.maximum(WIDE.widths["total"] ** 2 - WIDE.widths["chance"] ** 2, 0))
    assert_allclose(WIDE.widths["parameter"], rest)
    levels = np.array([float(name) for name in NAMES])
    rows = total(WIDE.periods, "revenue")[NAMES].to_numpy(dtype=np.float64)
    below = [np.interp(40_000.0, row, levels) for row in rows]
    assert_allclose(WIDE.widths["p_target"], 1 - np.array(below), atol=0.02)


def test_it_is_said_by_how_much_and_why() -> None:
    assert len(WIDE.notes) == 2
    assert WIDE.notes[0].startswith(
        "Own record, revenue: against what they said, past forecasts were off by a"
    )
    assert f"{SCALES['revenue', 1]:.2f} (1 month ahead, 8 forecasts), " in WIDE.notes[0]
    assert f"{SCALES['revenue', 2]:.2f} (2 months ahead, 7 forecasts);" in WIDE.notes[0]
    few = pd.DataFrame({"measure": ["wins"], "step": [1], "scale": [1.0], "n": [3]})
    assert "under four past forecasts are over" in words_of(few, "week")[0]


def test_without_a_record_nothing_changes_but_a_note() -> None:
    young = replace(DATA, began=UNTIL - pd.Timedelta(days=70))
    left = by_own_record(PLAIN, young, "month", workers=1)
    pd.testing.assert_frame_equal(left.periods, PLAIN.periods)
    assert left.notes[0].startswith("Own record: not used, as there is none (backtest: of the 2 whole months")
    silent = replace(PLAIN, silent=("Wins on record: none",))
    assert by_own_record(silent, DATA, "month") is silent


def test_a_real_record_asks_for_little(real_data: Path) -> None:
    """Bank loans by the week: forecasts that hold what they promise are neither halved nor doubled."""
    log, guide = real_data / "bpic2012" / "events.parquet", Path(__file__).parent / "maps" / "bpic2012.yaml"
    history = read_history(log, mapping=guide)
    scales = past_scales(history, period="week", count=2, latest=8, draws=10)
    assert scales["n"].tolist() == [8, 8, 7, 7]
    assert scales["scale"].between(0.6, 1.6).all() and scales["scale"].nunique() == 4


def test_the_terminal_says_it_in_table_page_and_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.csv"
    write_table(tidy_log(DATA), log)
    files = ("--json", tmp_path / "f.json", "--html", tmp_path / "f.html")
    assert run("forecast", log, "--period", "month", "--draws", 5, "--own-record", *files) == 0
    assert "- Own record, revenue: against what they said" in capsys.readouterr().out
    assert json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))["notes"][1].startswith(
        "Own record, wins"
    )
    assert "Own record, wins" in (tmp_path / "f.html").read_text(encoding="utf-8")

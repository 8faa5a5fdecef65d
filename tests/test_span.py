"""All periods together: a distribution of their own, in which a deal wins once, and targets of parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from test_crowd import in_blocks
from test_forecast import DAY_0, QUARTERS, THREE, THREE_AGAIN, again, deals, serial

import funnelsim as fs
from funnelsim.errors import FunnelError
from funnelsim.forecasting.backtest import total_scales
from funnelsim.forecasting.forecast import NAMES, Forecast, forecast_periods
from funnelsim.forecasting.periods import Period, periods_from
from funnelsim.forecasting.situation import Situation, situation
from funnelsim.sample import sample_path

YEAR = periods_from(DAY_0, "quarter", 4)
ONE = (Period("total", YEAR[0].start, YEAR[-1].end),)
WAITING = deals(*((k % 2, 7.0 * k, 40.0 + k) for k in range(60)))


def line(frame: pd.DataFrame, origin: str = "total", measure: str = "revenue") -> pd.Series:
    return frame[(frame["origin"] == origin) & (frame["measure"] == measure)].iloc[0]


def by_period(found: Forecast, measure: str) -> pd.DataFrame:
    return found.periods[(found.periods["origin"] == "total") & (found.periods["measure"] == measure)]


@pytest.mark.parametrize("model", [serial(), serial(spread=0.3), again(0.0004)], ids=["one", "wide", "again"])
def test_the_total_is_what_one_period_of_that_length_says(model: fs.Model) -> None:
    """Without common factors of the periods, four quarters together are the year."""
    booked = pd.DataFrame({"at": [DAY_0 - pd.Timedelta(days=1), DAY_0], "value": [5.0, 7.0]})
    same: dict[str, Any] = {"booked": booked, "draws": 5, "engine": "exact"}
    open_now = THREE if len(model.funnel.stages) > 2 else THREE_AGAIN
    found = forecast_periods(model, open_now, YEAR, target="total=90k", whole=True, **same)
    whole = forecast_periods(model, open_now, ONE, target=90e3, **same)
    assert_frame_equal(found.total, whole.periods, rtol=1e-8)
    assert_frame_equal(found.total_width, whole.widths, rtol=1e-8)


@pytest.mark.parametrize("engine", ["exact", "compiled"])
def test_asking_for_the_total_moves_no_period(engine: str) -> None:
    model = serial(spread=0.2, win_spread=0.15)
    asked = forecast_periods(model, THREE, QUARTERS, draws=20, engine=engine, whole=True)
    plain = forecast_periods(model, THREE, QUARTERS, draws=20, engine=engine)
    assert_frame_equal(asked.periods, plain.periods, check_exact=True)
    assert_frame_equal(asked.widths, plain.widths, check_exact=True)
    assert_frame_equal(asked.deals, plain.deals, check_exact=True)
    assert len(plain.total) == len(plain.total_width) == 0 and plain.with_total[0] is plain.periods


def test_a_deal_wins_once_in_the_whole_span() -> None:
    """One deal alone: the total's chance is the sum of the periods' chances, and its sd that of one coin."""
    one = deals((2, 12.0, 1000.0))
    found = forecast_periods(serial(0.0), one, QUARTERS, target="total=1000", draws=1)
    chance, wins = by_period(found, "wins")["mean"].sum(), line(found.total, "total", "wins")
    assert_allclose([wins["mean"], wins["sd"]], [chance, np.sqrt(chance * (1 - chance))], rtol=1e-9)
    assert_allclose(found.total_width["p_target"], chance, rtol=1e-6)
    assert by_period(found, "wins")["0.99"].sum() > wins["0.99"] == 1.0


def near(one: Forecast, two: Forecast, draws: int) -> None:
    for origin in ("open", "new", "total"):
        for measure in ("wins", "revenue"):
            a, b = line(one.total, origin, measure), line(two.total, origin, measure)
            assert abs(a["mean"] - b["mean"]) < 4 * b["sd"] / np.sqrt(draws), (origin, measure)
    assert_allclose(line(one.total)["sd"], line(two.total)["sd"], rtol=0.08)


def test_formula_and_lives_agree_on_the_total() -> None:
    model = serial(spread=0.2, win_spread=0.15)
    exact = forecast_periods(model, THREE, QUARTERS, draws=400, target="total=140k")
    lives = forecast_periods(model, THREE, QUARTERS, draws=2000, engine="compiled", target="total=140k")
    near(exact, lives, 2000)
    p, said = (float(found.total_width["p_target"].iloc[0]) for found in (exact, lives))
    assert 0.05 < p < 0.95 and abs(p - said) < 4 * np.sqrt(p * (1 - p) / 2000)


def test_customers_who_win_again_count_once_for_any_win_and_again_for_further_ones() -> None:
    exact = forecast_periods(again(0.0004), WAITING, QUARTERS, draws=1, engine="exact", whole=True)
    lives = forecast_periods(again(0.0004), WAITING, QUARTERS, draws=3000, engine="compiled", whole=True)
    near(exact, lives, 3000)


def test_where_a_span_is_too_long_for_the_formula_its_total_is_lived() -> None:
    """Two wins of one lead in a quarter are rare, in three years they are not."""
    periods = periods_from(DAY_0, "quarter", 12)
    found = forecast_periods(again(0.0015), WAITING, periods, draws=300, whole=True)
    assert found.engine == "exact"
    assert found.notes[0].startswith("Total: by 300 simulated lives, as leads win more than once")
    wins = line(found.total, "total", "wins")
    assert abs(wins["mean"] - by_period(found, "wins")["mean"].sum()) < 4 * wins["sd"] / np.sqrt(300)


@pytest.fixture(scope="module")
def place() -> Situation:
    return situation(sample_path(), period="month", periods=2)


def test_very_many_deals_have_the_same_total(place: Situation, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> Forecast:
        more: dict[str, Any] = {"booked": place.booked, "draws": 10, "target": "total=3M"}
        return forecast_periods(place.model, place.deals, place.periods, **more)

    whole = asked()
    plain = in_blocks(monkeypatch, place, 200, draws=10)
    found = asked()
    assert_frame_equal(found.periods, plain.periods, check_exact=True)
    assert_allclose(found.total[["mean", "sd"]], whole.total[["mean", "sd"]], rtol=1e-9, atol=1e-9)
    assert_allclose(found.total_width["p_target"], whole.total_width["p_target"], atol=0.02)


def test_a_cut_period_moves_no_earlier_one_and_the_total_is_no_sum_of_quantiles(place: Situation) -> None:
    quick: dict[str, Any] = {"draws": 10, "target": "total=3M"}
    found = fs.forecast(place, until="2026-09-15", **quick)
    assert found.periods["period"].unique().tolist() == ["2026-07", "2026-08", "2026-09 to 2026-09-15"]
    longer = fs.forecast(place, periods=3, **quick)
    early = found.periods["period"].isin(["2026-07", "2026-08"])
    assert_frame_equal(found.periods[early], longer.periods[early], check_exact=True)
    total, sums = line(found.total), by_period(found, "revenue")
    assert 0 < total["mean"] < line(longer.total)["mean"]
    assert total["0.90"] < sums["0.90"].sum() and total["0.10"] > sums["0.10"].sum()
    assert_allclose(total["mean"], sums["mean"].sum(), rtol=1e-9)
    assert (np.diff(total[NAMES].astype(float)) >= 0).all()
    assert np.isfinite(found.total_width["p_target"]).all() and found.widths["p_target"].isna().all()
    assert fs.situation(fs.situation(place, until="2026-09-15")).periods[-1].cut
    assert fs.situation(place, until="2026-09-15").ways.iloc[:, -1].isna().all()
    with pytest.raises(FunnelError, match="periods 2 and until 2026-09: two ends"):
        fs.forecast(place, periods=2, until="2026-09")


def test_the_own_record_widens_the_total_as_it_does_the_periods(place: Situation) -> None:
    plain = fs.forecast(place, draws=10).periods
    wide = plain.assign(sd=plain["sd"] * np.where(plain["measure"] == "wins", 1.5, 1.0))
    assert_allclose(total_scales(plain, wide).set_index("measure")["scale"][["revenue", "wins"]], [1.0, 1.5])


def test_targets_of_parts(place: Situation, tmp_path: Path) -> None:
    text = "group,period,target\nlarge,2026-07,1M\nlarge,total,2.5M\nsmall,,200k\n"
    (tmp_path / "goals.csv").write_text(text, encoding="utf-8")
    found = fs.forecast(place, draws=20, by="segment", targets=tmp_path / "goals.csv")
    goals, parts = found.goals, found.parts
    assert goals is not None and parts is not None
    assert list(zip(goals["part"], goals["period"], strict=True)) == [
        ("large", "2026-07"), ("large", "total"), ("small", "2026-07"), ("small", "2026-08")
    ]  # fmt: skip
    expected = parts.set_index(["part", "period"])["expected"]
    assert_allclose(goals["expected"].iloc[0], expected["large", "2026-07"], rtol=0.01)
    assert_allclose(goals["expected"].iloc[1], expected["large"].sum(), rtol=0.01)
    assert goals["p_target"].iloc[:2].between(0.01, 0.99).all()


@pytest.mark.parametrize("column", ["channel", "owner"])
def test_targets_of_channels_and_owners(place: Situation, column: str) -> None:
    assert place.history is not None
    names = place.history.leads[column].dropna().unique()[:2]
    goals = pd.DataFrame({"group": names, "period": "total", "target": "1"})
    found = fs.forecast(place, draws=20, by=column, targets=goals)
    assert found.goals is not None and found.parts is not None
    expected = found.parts.groupby("part")["expected"].sum()
    assert_allclose(found.goals["expected"], expected[names], rtol=0.02)
    assert (found.goals["p_target"] > 0.5).all()


def test_one_part_that_is_everything_has_the_chances_of_the_whole() -> None:
    goals = pd.DataFrame({"group": "all", "period": ["2026-01", "total"], "target": ["20k", "40k"]})
    quick: dict[str, Any] = {"period": "month", "periods": 2, "draws": 20}
    found = fs.forecast(
        serial(spread=0.2), by="segment", targets=goals, target="2026-01=20k,total=40k", **quick
    )
    whole = [found.widths["p_target"].iloc[0], found.total_width["p_target"].iloc[0]]
    assert found.goals is not None
    assert_allclose(found.goals["p_target"], whole, rtol=1e-9)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("lrge", "2026-07", "1M"), "targets: no group 'lrge'; did you mean 'large'"),
        (("large", "2026-13", "1M"), "target 2026-13: no such period"),
        (("large", "total", "much"), "target total=much: expected an amount"),
    ],
)
def test_wrong_targets_of_parts(place: Situation, row: tuple[str, str, str], words: str) -> None:
    frame = pd.DataFrame([row], columns=["group", "period", "target"])
    with pytest.raises(FunnelError, match=words):
        fs.forecast(place, draws=2, by="segment", targets=frame)
    with pytest.raises(FunnelError, match="targets: say by 'by'"):
        fs.forecast(place, draws=2, targets=frame)

"""The verdict: scale, skill with its interval, coverage, and nothing learned from what came later."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from funnelsim.forecasting.backtest import (
    OURS,
    SCALED,
    Snapshot,
    coverage,
    record_of,
    scales_of,
    scored_rows,
    skill,
    summary,
)
from funnelsim.forecasting.forecast import LEVELS, NAMES
from funnelsim.forecasting.periods import Period

Z = norm.ppf(LEVELS)
MONTHS = [Period(f"m{i}", *pd.date_range("2025-01-01", periods=30, freq="MS")[[i, i + 1]]) for i in range(24)]


def shots(spread: float = 10.0) -> dict[pd.Timestamp, Snapshot]:
    """Return forecasts of 100 (revenue) and 10 (wins) for every month, with a baseline that says 80 and 8."""
    quantiles = np.stack([[100 + spread * Z], [10 + spread / 10 * Z]])
    mean, point = np.array([[100.0], [10.0]]), {"rule": np.array([[80.0], [8.0]])}
    return {m.start: Snapshot((m,), quantiles, mean, point) for m in MONTHS}


def wins(seed: int = 1, sd: float = 10.0) -> pd.DataFrame:
    """Return one win a month, whose amount is drawn around 100."""
    rng = np.random.default_rng(seed)
    at = [m.start + pd.Timedelta(days=3) for m in MONTHS]
    return pd.DataFrame({"at": at, "value": 100 + rng.normal(0, sd, len(at))})


def test_every_origin_is_scored_beside_what_happened() -> None:
    record = record_of(shots(), [m.start for m in MONTHS[6:]], wins(), MONTHS[-1].end)
    assert len(record) == 18 * 2 * 3
    assert set(record["method"]) == {OURS, SCALED, "rule"}
    row = record[(record["method"] == OURS) & (record["measure"] == "revenue")].iloc[0]
    assert row["period"] == "m6" and row["step"] == 1
    assert_allclose(row["actual"], wins()["value"][6])


def test_a_period_that_is_not_over_is_not_scored() -> None:
    record = record_of(shots(), [m.start for m in MONTHS], wins(), MONTHS[-1].start)
    assert record["period"].nunique() == 23


def test_only_errors_known_at_the_origin_dress_and_scale_it() -> None:
    """Changing what happened from month 15 on changes no forecast made until then."""
    origins = [m.start for m in MONTHS[6:16]]
    later = wins()
    later.loc[15:, "value"] = 100_000.0
    one, two = (record_of(shots(), origins, data, MONTHS[-1].end) for data in (wins(), later))
    said = one[one["origin"] < origins[-1]][NAMES]
    assert_allclose(said, two[two["origin"] < origins[-1]][NAMES], rtol=0)
    assert one["actual"].max() < 1000 < two["actual"].max()


def test_without_amounts_only_wins_are_scored() -> None:
    record = record_of(shots(), [MONTHS[6].start], wins().assign(value=np.nan), MONTHS[-1].end)
    assert set(record["measure"]) == {"wins"}


def test_too_narrow_forecasts_are_widened_by_their_record() -> None:
    """What happens varies three times as much as was said."""
    record = record_of(shots(5.0), [m.start for m in MONTHS[8:]], wins(sd=15.0), MONTHS[-1].end)
    money = record[record["measure"] == "revenue"].groupby("method")["inside_80"].mean()
    assert money[OURS] < 0.6 < money[SCALED]


def made_up(seed: int, better: float, number: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    actual = rng.normal(0, 1, number)
    rows = []
    for method, center in (
        (OURS, actual + rng.normal(0, better, number)),
        ("rule", rng.normal(0, 1, number)),
    ):
        for i in range(number):
            row = {"origin": i, "step": 1, "measure": "revenue", "method": method, "actual": actual[i]}
            rows.append(row | dict(zip(NAMES, center[i] + Z, strict=True)))
    return scored_rows(pd.DataFrame(rows))


def test_skill_says_who_is_better_and_whether_that_is_luck() -> None:
    better, equal = skill(made_up(3, 0.3)), skill(made_up(4, 1.4))
    assert better["skill"][0] > 0.2 and better["low"][0] > 0
    assert equal["low"][0] < 0 < equal["high"][0]
    assert better["n"][0] == 60


def test_skill_compares_only_origins_that_both_forecast() -> None:
    record = made_up(3, 0.3)
    part = record[(record["method"] == OURS) | (record["origin"] < 20)]
    assert skill(part)["n"][0] == 20


def test_skill_against_oneself_is_nothing() -> None:
    record = made_up(5, 0.3)
    copy = record[record["method"] == OURS].assign(method="rule")
    found = skill(pd.concat([record[record["method"] == OURS], copy]))
    assert_allclose(found[["skill", "low", "high"]], 0, atol=1e-12)


def test_coverage_has_its_range_of_luck() -> None:
    rng = np.random.default_rng(8)
    rows = [
        {"origin": i, "step": 1, "measure": "revenue", "method": OURS, "actual": rng.normal()}
        for i in range(200)
    ]
    record = scored_rows(pd.DataFrame([row | dict(zip(NAMES, Z, strict=True)) for row in rows]))
    table = coverage(record)
    assert table["nominal"].tolist() == [0.5, 0.8, 0.95]
    assert ((table["low"] < table["nominal"]) & (table["nominal"] < table["high"])).all()
    assert (abs(table["covered"] - table["nominal"]) < 4 * np.sqrt(0.25 / 200)).all()


@pytest.mark.parametrize(
    "column", ["n", "crps", "pinball", "mape", "inside_50", "inside_80", "inside_95", "pit"]
)
def test_summary_has_every_score(column: str) -> None:
    record = record_of(shots(), [m.start for m in MONTHS[6:]], wins(), MONTHS[-1].end)
    table = summary(record)
    assert len(table) == 2 * 3 and np.isfinite(table[column]).all()


def test_the_95_interval_is_that_of_the_stated_quantiles() -> None:
    """Not one between them: an outcome just inside 0.025 counts, whatever 0.01 and 0.05 are."""
    bent = np.where(np.isin(LEVELS, (0.025, 0.975)), Z / 2, Z)
    rows = [{"actual": sign * bent[1] * size} for sign in (1, -1) for size in (0.99, 1.01)]
    record = scored_rows(pd.DataFrame([row | dict(zip(NAMES, bent, strict=True)) for row in rows]))
    assert record["inside_95"].tolist() == [True, False, True, False]


def test_scales_of_a_calm_and_a_wild_record() -> None:
    calm = scales_of(shots(15.0), wins(), MONTHS[-1].end).set_index("measure")
    wild = scales_of(shots(4.0), wins(), MONTHS[-1].end).set_index("measure")
    assert calm["scale"]["revenue"] < 1 < wild["scale"]["revenue"]
    assert calm["n"]["revenue"] == 24 and calm["step"]["wins"] == 1
    assert scales_of(shots(), wins(), MONTHS[2].end)["scale"].tolist() == [1.0, 1.0]

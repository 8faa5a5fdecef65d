"""Without numba, vl-convert, pyarrow and statsmodels, as in a browser: the same answers, in plain Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import funnelsim as fs
from funnelsim.forecasting import distribution, exact
from funnelsim.simulation import luck

ROOT = Path(__file__).resolve().parent.parent
LESSONS = [
    *sorted((ROOT / "notebooks").glob("0[12]_*.ipynb")),
    *sorted((ROOT / "notebooks" / "course").glob("0[12]_*.ipynb")),
]
BLOCKED = """
import json, sys
for name in ("numba", "llvmlite", "vl_convert", "pyarrow", "statsmodels"):
    sys.modules[name] = None
import funnelsim as fs
"""
ANSWERS = """
history = fs.read_history(fs.sample_path())
forecast = fs.forecast(history, draws=20, target=5_000_000)
rows = forecast.periods[["mean", "0.10", "0.50", "0.90"]].to_numpy().tolist()
lives = fs.simulate("lead_funnel", days=200, engine="simpy")
team = fs.simulate("sales_process", days=60, engine="simpy")
logs = [one.log[["lead", "stage"]].to_numpy().tolist() for one in (lives, team)]
days = [one.day.tolist() for one in (lives, team)]
chart = fs.charts.split(forecast)._repr_mimebundle_()
shown = sorted((chart[0] if isinstance(chart, tuple) else chart))
print(json.dumps([len(history.events), rows, logs, days, shown]))
"""
REFUSALS = """
def said(act):
    try:
        act()
    except fs.FunnelError as error:
        return str(error)
    return ""
history = fs.read_history(fs.sample_path())
place = fs.situation(history)
table = sys.argv[1]
from funnelsim.show.charts.theme import png
print(json.dumps([
    said(lambda: fs.read_history(table)),
    said(lambda: fs.budget(place, spend=fs.sample_path("spend.csv"))),
    said(lambda: png({})),
]))
"""
RUN = """
for cell in json.loads(open(sys.argv[1], encoding="utf-8").read())["cells"]:
    if cell["cell_type"] == "code":
        exec("".join(cell["source"]), globals())
print("ran")
"""


def plainly(code: str, *words: str, folder: Path = ROOT) -> str:
    """Run a program in a Python that has none of the four libraries, and return its last line."""
    seen = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error::RuntimeWarning"}
    ran = subprocess.run(
        [sys.executable, "-c", BLOCKED + code, *words],
        capture_output=True, encoding="utf-8", cwd=folder, env=seen, timeout=500,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout.splitlines()[-1]


def test_forecasts_and_lives_are_the_same_ones() -> None:
    events, rows, logs, days, shown = json.loads(plainly(ANSWERS))
    history = fs.read_history(fs.sample_path())
    forecast = fs.forecast(history, draws=20, target=5_000_000)
    assert events == len(history.events)
    here = forecast.periods[["mean", "0.10", "0.50", "0.90"]].to_numpy()
    np.testing.assert_allclose(np.array(rows, dtype=float), here, rtol=1e-9)
    for name, span, log, day in zip(("lead_funnel", "sales_process"), (200, 60), logs, days, strict=True):
        run = fs.simulate(name, days=span)
        assert log == run.log[["lead", "stage"]].to_numpy().tolist()
        assert day == run.day.tolist()
    assert shown == ["application/vnd.vegalite.v5+json", "text/plain"]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_first_lessons_run(path: Path) -> None:
    assert plainly(RUN, str(path), folder=path.parent) == "ran"


def test_what_needs_more_says_so_in_a_sentence(tmp_path: Path) -> None:
    table = tmp_path / "log.parquet"
    fs.read_history(fs.sample_path()).events.to_parquet(table)
    parquet, spend, page = json.loads(plainly(REFUSALS, str(table)))
    assert parquet.endswith("needs pyarrow, which is not installed here: pip install pyarrow")
    assert "needs statsmodels" in spend
    assert "needs vl-convert-python" in page
    assert all("\n" not in one for one in (parquet, spend, page))


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("periods", [1, 3])
def test_the_backward_pass_in_arrays_is_the_compiled_one(once: bool, periods: int) -> None:
    rng = np.random.default_rng(7)
    groups, stages, places, exits, times, ages = 2, 3, 5, 3, 40, 30
    edges = np.tile(np.array([0.0, 2.5, 7.0, np.inf]), (groups, stages, 1))
    rate = rng.uniform(0.0, 0.2, (2, groups, stages, exits, 4))
    targets = np.array([[1, 3, -1], [2, 4, 0], [3, 4, 0]])
    given: list[Any] = [
        edges, rate, rng.uniform(0.6, 1.5, (2, groups, stages)), np.repeat([0, 1], times // 2), targets,
        np.array([0.0, 0.0, 0.5, 1.0, 0.0]) if once else np.array([0.0, 0.0, 0.0, 1.0, 0.0]),
        rng.dirichlet(np.ones(periods), times), 1.0, ages, once, np.array([0.7, 1.3]),
        rng.integers(0, 2, times), np.array([[False, True, False], [False] * 3, [True, False, False]]),
    ]  # fmt: skip
    assert places == given[5].size
    for one, two in zip(exact._backward(*given), exact.plain_backward(*given), strict=True):
        assert one.shape == two.shape and one.max() > 0.05
        np.testing.assert_allclose(two, one, rtol=1e-10, atol=1e-14)


def test_sums_of_deals_in_arrays_are_the_compiled_ones() -> None:
    rng = np.random.default_rng(8)
    place, chance = rng.uniform(0.0, 90.0, 30), rng.uniform(0.02, 0.95, (5, 30))
    theta = 2 * np.pi * np.arange(129) / 256
    for prices in (1, 2, 3):
        given = (place, chance / prices, theta, prices)
        np.testing.assert_allclose(
            distribution.plain_product(*given), distribution._product(*given), rtol=1e-9, atol=1e-16
        )
    seldom = np.ascontiguousarray(chance.T) * 0.2
    np.testing.assert_allclose(
        distribution.plain_logarithms(place, seldom, 256), distribution._logarithms(place, seldom, 256),
        rtol=1e-9, atol=1e-15,
    )  # fmt: skip
    real, imag = rng.normal(-1, 1, (5, 9)), rng.normal(0, 2, (5, 9))
    for spread in (0.0, 0.4):
        given = (-np.abs(real), imag, spread)
        np.testing.assert_allclose(distribution.plain_compound(*given), distribution._compound(*given))


def test_luck_in_whole_numbers_is_the_compiled_one() -> None:
    rng = np.random.default_rng(9)
    for seed, lead in rng.integers(0, 2**64, (50, 2), dtype=np.uint64):
        given = (np.uint64(seed), np.uint32(7), np.uint64(lead), 3, luck.WORK)
        assert luck.plain_words(*given) == luck.words(*given)
        assert luck.plain_mix(np.uint64(lead)) == luck.mix(np.uint64(lead))
        assert luck.plain_referred_lead(np.uint64(lead), 5, 40, 2) == luck.referred_lead(
            np.uint64(lead), 5, 40, 2
        )

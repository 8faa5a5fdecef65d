"""Many replications: the same for any number of workers, stopped when precise enough or by hand."""

import json

import numpy as np
import pandas as pd
import pytest
from distributed import Client
from test_step import one_stage
from typer.testing import CliRunner

import funnelsim as fs
from funnelsim.cli import app
from funnelsim.errors import FunnelError
from funnelsim.model.model import Draws, OpenDeals
from funnelsim.simulation import run as module
from funnelsim.simulation.record import Sums
from funnelsim.simulation.run import half_width, period_sums, replicate


def deals(count: int = 40):
    names = np.array([f"deal {i}" for i in range(count)], dtype=object)
    return OpenDeals(
        names, np.zeros(count, int), np.zeros(count, int), np.arange(float(count)), np.ones(count)
    )


def made(**wishes):
    return replicate(one_stage(), [0, 10, 40], open_deals=deals(), progress=False, **wishes)


def test_workers_do_not_change_a_bit():
    alone, two = made(replications=20), made(replications=20, workers=2)
    np.testing.assert_array_equal(alone.sums.revenue, two.sums.revenue)
    plain = period_sums(one_stage(), [0, 10, 40], open_deals=deals(), replications=20)
    np.testing.assert_array_equal(alone.sums.revenue, plain.revenue)
    np.testing.assert_array_equal(alone.sums.wins, plain.wins)
    assert alone.complete
    assert len(alone) == 20


def test_a_cluster_does_not_change_a_bit():
    with Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
        far = made(replications=20, client=client)
    np.testing.assert_array_equal(far.sums.revenue, made(replications=20).sums.revenue)


def test_auto_stops_when_precise_enough_and_not_before():
    coarse, fine = made(replications="auto", precision=0.2), made(replications="auto", precision=0.1)
    assert coarse.complete and fine.complete
    assert coarse.half_width <= 0.2 and fine.half_width <= 0.1
    assert len(coarse) < len(fine) < 20_000
    before = Sums(fine.sums.revenue[: -module.ROUND], fine.sums.wins[: -module.ROUND])
    assert half_width(before, (0.1, 0.5, 0.9)) > 0.1


def test_auto_gives_up_at_the_most():
    limited = made(replications="auto", precision=1e-6, most=96)
    assert len(limited) == 96
    assert limited.half_width > 1e-6


def test_half_width_covers_the_mean_and_the_quantiles_as_it_says():
    rng = np.random.default_rng(1)
    hits = []
    for _ in range(400):
        revenue = np.zeros((200, 1, 2))
        revenue[:, 0, 1] = rng.normal(10.0, 2.0, 200)
        mean, error = revenue[:, 0, 1].mean(), revenue[:, 0, 1].std(ddof=1) / np.sqrt(200)
        assert half_width(Sums(revenue, revenue), ()) == pytest.approx(module.Z_95 * error / mean)
        hits.append(abs(mean - 10.0) <= module.Z_95 * error)
        total = np.sort(revenue[:, 0, 1])
        # the 95 % interval of a median of 200: order statistics 100 -+ 1.96 sqrt(50), from 86.1 to 113.9
        between = (total[114] - total[86]) / 2
        widest = max(between, module.Z_95 * error) / mean
        assert half_width(Sums(revenue, revenue), (0.5,)) == pytest.approx(widest)
    assert abs(np.mean(hits) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 400)


def test_stopping_by_hand_gives_what_is_done_so_far(monkeypatch):
    real, calls = module.chunk_sums, []

    def interrupted(*given):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(given)
        return real(*given)

    monkeypatch.setattr(module, "chunk_sums", interrupted)
    result = made(replications=80)
    assert not result.complete
    assert len(result) == 2 * module.TASK_SIZE
    assert result.label.startswith("stopped early: 16 replications")
    np.testing.assert_array_equal(result.sums.wins, period_sums_first(16))


def period_sums_first(count):
    return period_sums(one_stage(), [0, 10, 40], open_deals=deals(), replications=count).wins


def test_draws_of_rates_go_to_their_replicate():
    rate = one_stage().table.rate
    draws = np.stack([rate * factor for factor in (0.0, 1.0, 0.0, 2.0)])
    wins = made(replications=4, drawn=Draws(draws, np.ones((4, 2)))).sums.wins.sum(axis=(1, 2))
    assert wins[0] == wins[2] == 0
    assert wins[1] > 0 and wins[3] > 0


@pytest.mark.parametrize("count", [0, -3, "many"])
def test_an_impossible_number_is_refused(count):
    with pytest.raises(FunnelError, match="replications"):
        made(replications=count)


def test_the_verb_lives_many_times_and_says_what_luck_does():
    many = fs.simulate("sales_funnel_5", 60, replications=16, seed=3)
    assert len(many) == 16 and many.complete
    one = fs.simulate("sales_funnel_5", 60, seed=3, replicate=5)
    assert many.frame["wins"].iloc[5] == one.log["stage"].isin(one.model.funnel.roles["won"]).sum()
    assert many.table.set_index("measure").loc["revenue", "mean"] == pytest.approx(
        many.frame["revenue"].mean()
    )
    assert str(many).endswith(f"{many.label}.") and many.label in many._repr_html_()
    two = fs.simulate("sales_funnel_5", 60, replications=16, seed=3, workers=2)
    np.testing.assert_array_equal(two.sums.revenue, many.sums.revenue)
    for wrong in (0, "many"):
        with pytest.raises(FunnelError, match="replications; expected a whole number"):
            fs.simulate("sales_funnel_5", replications=wrong)
    with pytest.raises(FunnelError, match="precision 0: expected a share above 0"):
        fs.simulate("sales_funnel_5", replications="auto", precision=0)
    with pytest.raises(FunnelError, match="workers 0"):
        fs.simulate("sales_funnel_5", replications=4, workers=0)


def test_auto_from_the_terminal_is_as_precise_as_it_says(tmp_path):
    out = tmp_path / "lives.csv"
    words = ["simulate", "sales_funnel_5", "--days", "365", "--replications", "auto"]
    result = CliRunner().invoke(app, [*words, "--precision", "0.08", "-o", str(out)])
    assert result.exit_code == 0, result.output
    lives = pd.read_csv(out)
    assert f"{len(lives):,} replications, half-width" in result.output
    assert 1.96 * lives["revenue"].std() / np.sqrt(len(lives)) < 0.08 * lives["revenue"].mean()
    assert not (tmp_path / "lives.map.yaml").exists()
    assert isinstance(CliRunner().invoke(app, [*words[:5], "soon"]).exception, FunnelError)


def test_many_runs_can_be_drawn_in_their_own_currency():
    many = fs.simulate("sales_funnel_5", days=60, replications=4)
    assert many.currency == "EUR"
    axis = json.dumps(fs.charts.luck(many).to_dict())
    assert "Revenue (EUR)" in axis

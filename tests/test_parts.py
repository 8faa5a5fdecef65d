"""A forecast's parts add up to it, whatever it is split by."""

from pathlib import Path

import pytest
from numpy.testing import assert_allclose
from typer.testing import CliRunner

from funnelsim.cli import app
from funnelsim.errors import FunnelError
from funnelsim.forecasting.forecast import Forecast
from funnelsim.forecasting.situation import Situation, situation
from funnelsim.forecasting.split import COLUMNS, UNBORN, revenue_by, wide
from funnelsim.history.read import read_history
from funnelsim.sample import sample_path
from funnelsim.verbs import forecast


@pytest.fixture(scope="module")
def stand() -> tuple[Situation, Forecast]:
    place = situation(read_history(sample_path()).as_of("2026-05-15"))
    return place, forecast(place, draws=10)


@pytest.mark.parametrize("column", COLUMNS)
def test_parts_add_up_to_every_origin(stand: tuple[Situation, Forecast], column: str) -> None:
    place, found = stand
    table = revenue_by(place, found, column)
    revenue = found.periods[found.periods["measure"] == "revenue"]
    for origin, name in (("booked", "booked"), ("open", "open"), ("new", "new"), ("total", "expected")):
        means = revenue[revenue["origin"] == origin].set_index("period")["mean"]
        assert_allclose(table.groupby("period")[name].sum().reindex(means.index), means, rtol=1e-9)
    assert table.drop_duplicates("part")["leads"].sum() == len(place.deals)
    assert wide(table).columns.tolist() == ["part", "open leads", "2026 Q2", "2026 Q3"]


def test_parts_are_those_of_single_deals_and_wins(stand: tuple[Situation, Forecast]) -> None:
    place, found = stand
    table = revenue_by(place, found, "segment").set_index(["part", "period"])
    large = found.deals[found.deals["segment"] == "large"]
    share = (large["P(win 2026 Q3)"] * large["value"].fillna(0.0)).sum()
    every = (found.deals["P(win 2026 Q3)"] * found.deals["value"].fillna(0.0)).sum()
    assert 0.5 < share / every < 1
    opened = table["open"].xs("2026 Q3", level="period")
    assert_allclose(opened["large"] / opened.sum(), share / every, atol=0.1)
    inside = place.booked[place.booked["at"] >= "2026-04-01"]
    of_large = place.history.leads["segment"].reindex(inside["lead"]).to_numpy() == "large"
    assert_allclose(table["booked"]["large", "2026 Q2"], inside["value"].to_numpy()[of_large].sum())


def test_leads_to_come_have_a_channel_but_no_owner(stand: tuple[Situation, Forecast]) -> None:
    by_owner, by_channel = (revenue_by(*stand, column) for column in ("owner", "channel"))
    alone = by_owner[by_owner["part"] == UNBORN]
    assert alone["new"].sum() == pytest.approx(by_owner["new"].sum())
    assert (alone["open"] == 0).all()
    assert UNBORN not in set(by_channel["part"])
    assert (by_channel["new"] > 0).all()


def test_what_cannot_be_split(stand: tuple[Situation, Forecast]) -> None:
    place, found = stand
    with pytest.raises(FunnelError, match="by 'chanel': no forecast is split so; did you mean 'channel'"):
        revenue_by(place, found, "chanel")
    told = forecast(place, draws=2, engine="compiled")
    with pytest.raises(FunnelError, match="simulated forecast"):
        revenue_by(place, told, "owner")


def test_the_terminal_shows_and_writes_parts(tmp_path: Path) -> None:
    file = tmp_path / "parts.json"
    words = ["forecast", str(sample_path()), "--draws", "5", "--by", "channel", "--json", str(file)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0
    assert "Expected revenue by channel" in result.output
    assert '"parts"' in file.read_text(encoding="utf-8")

"""Measures side by side follow the rules of the whole, and clicks and costs those of the time they are of."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import funnelsim as fs
from funnelsim.cli import app
from funnelsim.errors import FunnelError
from funnelsim.history.metrics import metrics, of_leads
from funnelsim.history.read import read_history

ROWS = (
    ("a", "web", "Ada", "2026-01-05", "2026-01-10", "Won", "2026-01-20", 100),
    ("b", "web", "Ada", "2026-01-06", "2026-01-16", "Lost", "2026-01-26", 40),
    ("c", "web", "Ben", "2026-02-01", "2026-02-11", "Won", "2026-02-21", 300),
    ("d", "fair", "Ben", "2026-02-02", "2026-02-12", "Won", "2026-03-04", 200),
    ("e", "fair", "Ben", "2026-02-03", "", "Lost", "2026-02-05", 10),
    ("f", "web", "Ada", "2026-04-02", "2026-04-04", "", "", 70),
)
SPEND = """channel,week,spend,clicks,impressions,visits,bounces
web,2026-01-05,30,50,1000,40,10
web,2026-01-12,30,50,1500,40,30
fair,2026-02-02,100,,,,
"""
MAPPING = {
    "columns": {"channel": "channel", "owner": "owner", "value": "value"}, "won": ["Won"], "lost": ["Lost"],
    "stages": ["Lead", "Offer"], "teams": {"marketing": "Lead", "sales": "Offer"}, "currency": "EUR",
}  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> Path:
    lines = ["lead,stage,at,channel,owner,value"]
    for lead, channel, owner, came, offered, end, ended, value in ROWS:
        for stage, at in (("Lead", came), ("Offer", offered), (end, ended)):
            if stage and at:
                lines.append(f"{lead},{stage},{at},{channel},{owner},{value}")
    path = tmp_path / "log.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "spend.csv").write_text(SPEND, encoding="utf-8")
    return path


def test_owners_and_channels_by_hand(log: Path) -> None:
    known = fs.check(log, mapping=MAPPING)
    owners = known.metrics_by("owner").set_index("part")
    assert owners["entrances"].to_dict() == {"Ada": 3, "Ben": 3}
    assert owners["total revenue"].to_dict() == {"Ada": 100, "Ben": 500}
    assert owners["average order value"].to_dict() == {"Ada": 100, "Ben": 250}
    assert owners.loc["Ben", "cycle length"] == pytest.approx((20 + 30) / 2)
    assert owners.loc["Ada", "open pipeline"] == 70
    assert owners.loc["Ben", "win rate"] == pytest.approx(2 / 3)
    by_channel = known.metrics_by("channel").set_index("part")
    assert by_channel["wins"].to_dict() == {"web": 2, "fair": 1}


def test_costs_count_leads_and_wins_of_the_weeks_that_money_is_known_of(log: Path) -> None:
    known = fs.check(log, mapping=MAPPING)
    web = known.metrics_by("channel", spend=log.parent / "spend.csv").set_index("part").loc["web"]
    # Between the first week and the end of the last: a, b and c came, a's 100 was won; 60 was spent.
    assert web["cost per lead"] == pytest.approx(60 / 3)
    assert web["cost per customer"] == pytest.approx(60 / 1)
    assert web["ROI"] == pytest.approx((100 - 60) / 60)
    assert web["click rate"] == pytest.approx(100 / 2500)
    assert web["bounce rate"] == pytest.approx(40 / 80)
    assert web["visits to leads"] == pytest.approx(3 / 80)
    fair = known.metrics_by("channel", spend=log.parent / "spend.csv").set_index("part").loc["fair"]
    assert np.isnan(fair["click rate"]), "nobody counted clicks there"


def test_teams_keep_a_lead_while_they_have_it(log: Path) -> None:
    teams = fs.check(log, mapping=MAPPING).metrics_by("team").set_index("part")
    assert teams["leads"].to_dict() == {"marketing": 6, "sales": 5}
    assert teams.loc["marketing", "conversion"] == pytest.approx(5 / 6)
    assert teams.loc["sales", "conversion"] == teams.loc["sales", "win rate"]


def test_every_part_is_measured_by_the_rules_of_the_whole() -> None:
    known = fs.check(read_history(fs.sample_path()))
    for by in ("segment", "period"):
        told = known.metrics_by(by)
        whole = known.metrics.set_index(["metric", "scope"])["value"]
        assert told["entrances"].sum() == whole["entrances", "all"]
        assert told["total revenue"].sum() == pytest.approx(whole["total revenue", "all"])
    part = known.history.leads["segment"].iloc[0]
    own = metrics(of_leads(known.history, known.history.leads.index[known.history.leads["segment"] == part]))
    rate = own[(own["metric"] == "win rate") & (own["scope"] == "all")]["value"].iloc[0]
    assert known.metrics_by("segment").set_index("part").loc[part, "win rate"] == rate


def test_the_terminal_shows_them_and_refuses_in_a_sentence(log: Path) -> None:
    mapping = log.parent / "m.yaml"
    mapping.write_text(
        "columns: {channel: channel, value: value}\nwon: [Won]\nlost: [Lost]\nstages: [Lead, Offer]\n",
        encoding="utf-8",
    )
    ask = ["check", str(log), "--mapping", str(mapping), "--by"]
    done = CliRunner().invoke(app, [*ask, "channel", "--spend", str(log.parent / "spend.csv")])
    assert done.exit_code == 0 and "By channel" in done.output and "cost per lead" in done.output
    with pytest.raises(FunnelError, match="by owner: the history has no owner"):
        fs.check(log, mapping=mapping).metrics_by("owner")
    with pytest.raises(FunnelError, match="none are named"):
        fs.check(log, mapping=mapping).metrics_by("team")
    with pytest.raises(FunnelError, match="by"):
        fs.check(log, mapping=mapping).metrics_by("chanel")


def test_more_parts_than_a_reader_takes_in_stand_together() -> None:
    known = fs.check(read_history(fs.sample_path())).history
    from funnelsim.history.metrics import MOST_PARTS, metrics_by

    part = pd.Series([f"p{n % 40}" for n in range(len(known.leads))], index=known.leads.index)
    told = metrics_by(known, part)
    assert len(told) == MOST_PARTS + 1 and told["part"].iloc[-1] == "all others"
    assert told["entrances"].sum() == metrics(known).query("metric == 'entrances'")["value"].iloc[0]

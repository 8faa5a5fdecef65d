"""Leads handed over are no wins; leads of marketing and deals of sales become one way by their key."""

from pathlib import Path

import pandas as pd
import pytest

from funnelsim.calibration.calibrate import fit_model
from funnelsim.errors import FunnelError
from funnelsim.history.log import History, bookings, open_leads, spells
from funnelsim.history.metrics import metrics
from funnelsim.history.read import one_way, read_history

MARKETING = pd.DataFrame(
    [
        ("m1", "New", "2025-01-01", "web"), ("m1", "To sales", "2025-01-05", "web"),
        ("m2", "New", "2025-01-02", "fair"), ("m2", "To sales", "2025-01-06", "fair"),
        ("m3", "New", "2025-01-03", "web"), ("m3", "Lost", "2025-01-09", "web"),
        ("m4", "New", "2025-01-04", "web"),
    ],
    columns=["lead", "stage", "at", "channel"],
)  # fmt: skip
KEYS = {"m1": "d1", "m2": "d9"}
SALES = pd.DataFrame(
    [
        ("d1", "Proposal", "2025-01-05", 100.0), ("d1", "Won", "2025-02-01", 120.0),
        ("d2", "Proposal", "2025-01-07", 70.0),
    ],
    columns=["lead", "stage", "at", "value"],
)  # fmt: skip
HANDED = {"handed_over": ["To sales"]}
COLUMNS = {"deal": "opportunity", "channel": "channel"}


def leads(**more: object) -> History:
    table = MARKETING.assign(opportunity=MARKETING["lead"].map(KEYS).fillna(""))
    return read_history(table, {**HANDED, "columns": COLUMNS, **more})


def moves(history: History) -> list[str]:
    return [f"{event.lead} {event.stage}" for event in history.events.itertuples()]


def test_a_hand_over_is_no_win_no_loss_and_no_revenue() -> None:
    assert read_history(MARKETING).won == ("To sales",), "its name alone would make it a win"
    made = read_history(MARKETING, HANDED)
    assert (made.won, made.lost, made.handed_over) == ((), ("Lost",), ("To sales",))
    assert bookings(made).empty
    assert open_leads(made)["lead"].tolist() == ["m4"]
    assert spells(made)["exit"].tolist() == ["To sales", "To sales", "Lost", ""]
    assert any(limit.startswith("2 leads were handed over ('To sales')") for limit in made.limits)
    table = metrics(made, horizon_days=5).set_index(["metric", "scope"])["value"]
    assert table["hand-overs", "To sales"] == 2
    assert not {"wins", "win rate", "revenue", "lifetime value"} & set(table.index.get_level_values(0))
    assert table["hand-over rate", "all"] == table["conversion", "New"]
    assert table["conversion", "New"] == pytest.approx(0.5)


def test_a_model_of_a_history_with_wins_and_hand_overs_earns_by_wins_only() -> None:
    both = pd.concat([MARKETING, SALES], ignore_index=True)
    made = read_history(both, {**HANDED, "won": "Won"})
    funnel = fit_model(made).funnel
    assert set(funnel.ends) == {"Won", "Lost", "To sales"}
    assert dict(funnel.earns) == {"Won": 1.0}


def test_one_row_per_lead_can_be_handed_over_too() -> None:
    table = pd.DataFrame(
        [("a", "2025-01-01", "To sales", "2025-01-05"), ("b", "2025-01-02", "To sales", ""),
         ("c", "2025-01-03", "Lost", "2025-01-04"), ("d", "2025-01-03", "New", "")],
        columns=["lead", "born", "state", "closed"],
    )  # fmt: skip
    said = {
        "columns": {"lead": "lead"},
        "dates": {"New": "born"},
        "outcome": {"stage": "state", "at": "closed"},
    }
    made = read_history(table, {**said, **HANDED})
    assert open_leads(made)["lead"].tolist() == ["d"]
    assert moves(made) == ["a New", "a To sales", "c New", "c Lost", "d New"]
    assert {line.kind for line in made.quality.findings} >= {"handed over without a date of closing"}


@pytest.mark.parametrize(("key", "other"), [("won", "lost"), ("won", "handed_over"), ("lost", "handed_over")])
def test_an_end_is_of_one_kind(key: str, other: str) -> None:
    with pytest.raises(FunnelError, match=f"'x' is named under both `{key}` and `{other}`"):
        read_history(MARKETING, {key: "x", other: ["x"]})


def test_leads_go_on_as_the_deals_that_they_became() -> None:
    made = one_way(leads(), read_history(SALES))
    assert moves(made) == [
        "d1 New", "d1 Proposal", "d1 Won", "d2 Proposal", "m2 New", "m2 To sales", "m3 New", "m3 Lost",
        "m4 New",
    ]  # fmt: skip
    assert made.stages == ("New", "Proposal")
    assert (made.won, made.lost, made.handed_over) == (("Won",), ("Lost",), ("To sales",))
    assert made.leads.loc["d1", ["channel", "value"]].tolist() == ["web", 120.0]
    assert made.until == pd.Timestamp("2025-02-02")
    assert any("Leads have events until 2025-01-10, deals until 2025-02-02" in limit for limit in made.limits)
    assert bookings(made)[["lead", "value"]].to_numpy().tolist() == [["d1", 120.0]]
    assert made.quality.read == len(MARKETING) + len(SALES)


def test_a_lead_that_a_deal_continues_has_no_end_of_its_own() -> None:
    later = pd.concat([MARKETING, pd.DataFrame({"lead": ["m5"], "stage": ["New"], "at": ["2025-03-01"]})])
    table = later.assign(opportunity=later["lead"].map(KEYS | {"m5": "d1"}).fillna(""))
    marketing = read_history(table, {**HANDED, "columns": COLUMNS})
    sales = read_history(SALES, as_of="2025-03-31")
    made = one_way(marketing, sales)
    assert bookings(made)[["lead", "value"]].to_numpy().tolist() == [["d1", 120.0]]
    way = spells(made).query("lead == 'd1'")
    assert way["exit"].tolist() == ["Proposal", "Won"]
    assert way["entry"].tolist() == [True, False]
    line = next(line for line in made.quality.findings if line.kind == "further leads of one deal")
    assert line.count == 1, "m5 came to the same deal later"


def test_stages_of_one_name_are_told_apart() -> None:
    made = one_way(leads(), read_history(SALES.replace("Proposal", "New")))
    assert made.stages == ("New (lead)", "New")
    assert moves(made)[:2] == ["d1 New (lead)", "d1 New"]


def test_wrong_keys_are_refused() -> None:
    with pytest.raises(FunnelError, match="no attribute `deal`; name its column"):
        one_way(read_history(MARKETING, HANDED), read_history(SALES))
    with pytest.raises(FunnelError, match="0 of 4 leads became one of these deals"):
        one_way(leads(), read_history(SALES.assign(lead="x" + SALES["lead"])))


def test_a_mapping_joins_two_files(tmp_path: Path) -> None:
    table = MARKETING.assign(opportunity=MARKETING["lead"].map(KEYS).fillna(""))
    table.to_csv(tmp_path / "leads.csv", index=False)
    SALES.to_csv(tmp_path / "deals.csv", index=False)
    own = "handed_over: To sales\ncolumns: {deal: opportunity, channel: channel}\n"
    (tmp_path / "leads.yaml").write_text(own, encoding="utf-8")
    (tmp_path / "map.yaml").write_text("before: {file: leads.csv, mapping: leads.yaml}\n", encoding="utf-8")
    made = read_history(tmp_path / "deals.csv", tmp_path / "map.yaml")
    assert moves(made) == moves(one_way(leads(), read_history(SALES)))
    inline = {"before": {"file": "leads.csv", "mapping": {**HANDED, "columns": COLUMNS}}}
    assert moves(read_history(tmp_path / "deals.csv", inline)) == moves(made)
    with pytest.raises(FunnelError, match=r"before.file: there is no 'lead.csv'"):
        read_history(tmp_path / "deals.csv", {"before": {"file": "lead.csv", "mapping": {}}})
    key = read_history(tmp_path / "deals.csv", inline, anonymise="secret")
    assert moves(key) != moves(made)
    assert len(key.leads) == len(made.leads), "hashed with one key, they still belong together"


SALESFORCE_LEADS = """\
Id,Status,CreatedDate,IsConverted,ConvertedDate,ConvertedOpportunityId,LeadSource,IsDeleted
00Q1,Qualified,2025-01-01,true,2025-01-04,0061,Web,false
00Q2,Unqualified,2025-01-02,false,,,Web,false
00Q3,Closed - Not Converted,2025-01-02,false,,,Web,false
00Q4,Working,2025-01-03,false,,,Event,false
00Q5,Qualified,2025-01-03,true,2025-01-05,,Event,false
00Q6,Qualified,2025-01-03,true,2025-01-05,0069,Event,false
00Q7,Working,2025-01-03,false,,,Event,true
"""
SALESFORCE_HISTORY = """OpportunityId,StageName,CreatedDate,Amount
0061,Proposal,2025-01-04,100
0061,Closed Won,2025-01-20,110
"""


def test_salesforce_leads_given_up_or_converted_elsewhere_are_not_open(tmp_path: Path) -> None:
    (tmp_path / "Lead.csv").write_text(SALESFORCE_LEADS, encoding="utf-8")
    (tmp_path / "OpportunityHistory.csv").write_text(SALESFORCE_HISTORY, encoding="utf-8")
    made = read_history(tmp_path)
    assert moves(made) == ["0061 Lead", "0061 Proposal", "0061 Closed Won", "00Q4 Lead"]
    assert open_leads(made)["lead"].tolist() == ["00Q4"]
    kinds = {line.kind: line.count for line in made.quality.findings}
    assert (kinds["leads given up"], kinds["converted to no deal of this export"]) == (2, 2)
    assert (made.quality.read, made.quality.used) == (8, 4), "the deleted lead was no row of the way at all"


def test_salesforce_leads_alone_are_handed_over(tmp_path: Path) -> None:
    (tmp_path / "Lead.csv").write_text(SALESFORCE_LEADS, encoding="utf-8")
    made = read_history(tmp_path / "Lead.csv")
    assert "Salesforce leads" in made.source
    assert (made.won, made.handed_over) == ((), ("Converted",))
    assert open_leads(made)["lead"].tolist() == ["00Q4"]
    assert made.leads.loc["00Q1", "deal"] == "0061"
    assert (made.quality.read, made.quality.used) == (7, 4)
    deals = read_history(
        pd.DataFrame({"lead": "0061", "stage": ["Proposal", "Won"], "at": ["2025-01-04", "2025-01-06"]})
    )
    assert moves(one_way(made, deals))[:2] == ["0061 Open", "0061 Proposal"]

"""Exports of each vendor, in the shape in which they come, become the history that they tell."""

from pathlib import Path

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.log import History, bookings, open_leads, spells
from funnelsim.history.read import SOURCES, read_history

MAPS = Path(__file__).parent / "maps"


def read(folder: Path, text: str, name: str = "export.csv", **how: object) -> History:
    path = folder / name
    path.write_text(text.lstrip("\n"), encoding="utf-8")
    made = read_history(path, **how)
    aside = sum(line.count for line in made.quality.findings if line.done.startswith("set aside"))
    assert made.quality.read == made.quality.used + aside, "every row of every source is accounted for"
    return made


def moves(history: History) -> list[str]:
    return [f"{e.lead} {e.stage} {e.at:%d}" for e in history.events.itertuples()]


def count(history: History, kind: str) -> int:
    return sum(line.count for line in history.quality.findings if line.kind == kind)


def test_salesforce_history_repeats_a_stage_when_another_field_changed(tmp_path: Path) -> None:
    made = read(tmp_path, """
Id,OpportunityId,CreatedById,CreatedDate,StageName,Amount,CloseDate,IsDeleted
1,006A,u,02/13/26 08:55 PM,Prospecting,100,04/01/26,FALSE
2,006A,u,02/14/26 08:55 AM,Prospecting,150,04/01/26,FALSE
3,006A,u,02/15/26 12:05 AM,Closed Won,140,02/15/26,FALSE
4,006B,u,02/13/26 08:55 PM,Prospecting,50,05/01/26,FALSE
5,006C,u,02/13/26 08:55 PM,Prospecting,50,05/01/26,TRUE
""")  # fmt: skip
    assert "OpportunityHistory" in made.source
    assert moves(made) == ["006A Prospecting 13", "006A Closed Won 15", "006B Prospecting 13"]
    assert made.events["at"][1] == pd.Timestamp("2026-02-15 00:05")
    assert bookings(made)["value"].tolist() == [140.0]
    assert made.as_of("2026-02-14").leads.loc["006A", "value"] == 150.0
    assert made.as_of("2026-02-13").leads.loc["006A", "value"] == 100.0
    assert spells(made)["value"].tolist() == [150.0, 50.0]
    assert open_leads(made)["expected_close"].tolist() == [pd.Timestamp("2026-05-01")]
    assert count(made, "repeats") == 1
    assert count(made, "deleted rows") == 1
    assert (made.quality.read, made.quality.used) == (5, 3)


def test_salesforce_field_history(tmp_path: Path) -> None:
    made = read(tmp_path, """
OpportunityId,Field,OldValue,NewValue,CreatedDate,IsDeleted
006A,Amount,,100,2026-01-01T08:00:00Z,false
006A,StageName,Prospecting,Proposal,2026-01-02T08:00:00Z,false
006A,Amount,100,90,2026-01-03T08:00:00Z,false
006A,NextStep,,call,2026-01-04T08:00:00Z,false
006A,StageName,Proposal,Closed Won,2026-01-05T08:00:00Z,false
""")  # fmt: skip
    assert moves(made) == ["006A Proposal 02", "006A Closed Won 05"]
    assert made.as_of("2026-01-02").leads.loc["006A", "value"] == 100.0
    assert bookings(made)["value"].tolist() == [90.0]
    assert any("1 leads appear with their first recorded change" in limit for limit in made.limits)
    assert count(made, "changes of other fields") == count(made, "changes before a stage is known") == 1
    assert (made.quality.read, made.quality.used) == (5, 2)


def test_salesforce_entry_dates_and_trend(tmp_path: Path) -> None:
    made = read(tmp_path, """
Opportunity ID,Discovery_Entry_Date__c,Proposal_Entry_Date__c,Closed_Won_Date__c,Amount
A,2026-01-01,2026-01-05,2026-01-09,10
B,2026-01-02,,,20
""")  # fmt: skip
    assert moves(made) == ["A Discovery 01", "A Proposal 05", "A Closed Won 09", "B Discovery 02"]
    made = read(tmp_path, """
OpportunityId,OldStageName,NewStageName,EffectiveFromDate,EffectiveToDate,NewAmount
A,,Discovery,2026-01-01,2026-01-05,10
A,Discovery,Closed Won,2026-01-05,,12
""")  # fmt: skip
    assert made.source.startswith("export.csv, read as Salesforce historical trend")
    assert bookings(made)["value"].tolist() == [12.0]


def test_salesforce_opportunities_alone_are_one_stage(tmp_path: Path) -> None:
    made = read(tmp_path, """
Id,Name,StageName,Amount,CloseDate,IsClosed,IsWon,CreatedDate,LeadSource
A,x,Closed Won,10,2026-01-09,TRUE,TRUE,2026-01-01,Web
B,y,Closed Lost,20,2026-01-08,TRUE,FALSE,2026-01-01,Web
C,z,Proposal,30,2026-03-08,FALSE,FALSE,2026-01-02,
""")  # fmt: skip
    assert moves(made) == ["A Open 01", "A Won 09", "B Open 01", "B Lost 08", "C Open 02"]
    assert any("no stage history" in limit for limit in made.limits)
    assert made.stages == ("Open",)


HUBSPOT = """
Record ID,Deal Name,Pipeline,Amount,Deal owner,{}
1,x,Sales,"1,000.50",Ann,2026-01-01 09:00,2026-01-04 09:00,2026-01-09 09:00
2,y,Sales,20,Ann,2026-01-02 09:00,2026-01-05 09:00,
"""


@pytest.mark.parametrize(
    "headers",
    [
        "Date entered 'Qualified (Sales)',Date entered 'Contract (Sales)',Date entered 'Closed Won (Sales)'",
        ",".join(f'"Date entered ""{name} (Sales)"""' for name in ("Qualified", "Contract", "Closed Won")),
        "hs_date_entered_Qualified,hs_date_entered_Contract,hs_date_entered_closedwon",
        "hs_v2_date_entered_Qualified,hs_v2_date_entered_Contract,hs_v2_date_entered_closedwon",
    ],
)
def test_hubspot_in_both_generations(tmp_path: Path, headers: str) -> None:
    made = read(tmp_path, HUBSPOT.format(headers))
    assert "HubSpot deal export, stages from 3 'Date entered' columns" in made.source
    assert made.stages == ("Qualified", "Contract")
    assert [row.split()[-1] for row in moves(made)] == ["01", "04", "09", "02", "05"]
    assert made.leads["value"].tolist() == [1000.5, 20.0]
    assert any("one date per stage" in limit for limit in made.limits)


def test_hubspot_prefers_the_newer_columns_and_sees_re_entries(tmp_path: Path) -> None:
    made = read(tmp_path, """
Record ID,hs_date_entered_lead,hs_v2_date_entered_lead,hs_date_entered_closedwon,\
hs_v2_cumulative_time_in_lead,hs_v2_latest_time_in_lead
1,2026-01-01,2026-01-03,2026-01-09,200,100
2,2026-01-01,2026-01-01,,100,100
""")  # fmt: skip
    assert moves(made)[0] == "1 lead 03"
    assert count(made, "stages that were entered again") == 1
    assert any("older columns only, such as 'hs_date_entered_closedwon'" in limit for limit in made.limits)


def test_hubspot_lifecycle_is_won_by_customers(tmp_path: Path) -> None:
    stage = "Date entered '{} (Lifecycle Stage Pipeline)'"
    header = ",".join(["Contact ID", *(stage.format(name) for name in ("Lead", "Customer", "Evangelist"))])
    made = read(tmp_path, f"{header}\n1,2026-01-01,2026-01-05,\n2,2026-01-02,,\n")
    assert made.won == ("Customer",)
    assert "HubSpot contact export" in made.source


def test_hubspot_without_any_date_is_refused_with_the_property(tmp_path: Path) -> None:
    with pytest.raises(
        FunnelError, match=r"all 2 columns like 'Date entered .Lead.' are empty.*hs_v2_date_entered"
    ):
        read(tmp_path, "Record ID,Date entered 'Lead',Date entered 'Won'\n1,,\n2,,\n")


def test_hubspot_property_history_and_connector(tmp_path: Path) -> None:
    made = read(tmp_path, """
dealId,property,timestamp,value,sourceType
7,dealstage,1767225600000,qualifiedtobuy,CRM_UI
7,amount,1767225600000,500,CRM_UI
7,amount,1767312000000,600,CRM_UI
7,dealstage,1767571200000,closedwon,CRM_UI
""")  # fmt: skip
    assert moves(made) == ["7 qualifiedtobuy 01", "7 closedwon 05"]
    assert bookings(made)["value"].tolist() == [600.0]
    made = read(tmp_path, """
deal_id,deal_name,date_stage_entered,pipeline_stage_label
7,x,2026-01-01 10:00:00,Contract
7,x,2026-01-03 10:00:00,Closed lost
8,x,2026-01-03 10:00:00,Closed won
""")  # fmt: skip
    assert (made.won, made.lost) == (("Closed won",), ("Closed lost",))


PAIRS = """7,Müller,qualifiedtobuy,2026-01-01 09:00
8,"Big, Ltd",contractsent,2026-01-06 10:00,qualifiedtobuy,2026-01-02 10:00
9,x,closedwon,2026-01-09 08:00,contractsent,2026-01-05 08:00,qualifiedtobuy,2026-01-03 08:00
"""


@pytest.mark.parametrize("header", ["Deal ID,Deal Name,Deal Stage,Timestamp\n", "Deal ID,Deal Name\n", ""])
def test_hubspot_history_with_all_changes_in_one_row(tmp_path: Path, header: str) -> None:
    made = read(tmp_path, header + PAIRS)
    assert "HubSpot property history with the changes of a deal in one row" in made.source
    assert moves(made) == [
        "7 qualifiedtobuy 01",
        *("8 qualifiedtobuy 02", "8 contractsent 06"),
        *("9 qualifiedtobuy 03", "9 contractsent 05", "9 closedwon 09"),
    ]
    assert made.stages == ("qualifiedtobuy", "contractsent")
    assert made.won == ("closedwon",)
    assert made.quality.read == made.quality.used == 3, "rows of the file, of two changes each on average"
    assert any("last 20 changes" in limit for limit in made.limits)


def test_a_row_too_long_is_no_history_in_pairs(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match="row 3: 6 cells, but the header has 4"):
        read(tmp_path, "Deal ID,Deal Name,Deal Stage,Timestamp\n" + PAIRS.replace(",2026-01-05 08:00", ""))
    made = read(tmp_path, "Deal ID,Deal Name\n" + PAIRS + "9,x,,2026-01-10\n10,y,closedlost,2026-01-10\n")
    assert count(made, "rows without a stage") == 1


def test_pipedrive_list_is_one_stage_so_that_no_visit_is_missing(tmp_path: Path) -> None:
    made = read(tmp_path, """
Deal - ID,Deal - Title,Deal - Owner,Deal - Value,Deal - Currency of Value,\
Deal - Stage,Deal - Status,\
Deal - Deal created,Deal - Last stage change,Deal - Won time,Deal - Lost time,Deal - Expected close date
1,x,Ann,100,EUR,Offer,won,2026-01-01 10:00,2026-01-02 10:00,2026-01-05 10:00,,
2,y,Ann,200,EUR,Offer,lost,2026-01-01 11:00,,,2026-01-06 10:00,
3,z,Ann,300,EUR,Lead,open,2026-01-02 10:00,,,,2026-03-01
4,z,Ann,300,EUR,Lead,deleted,2026-01-02 10:00,,,,
""")  # fmt: skip
    assert moves(made) == ["1 Open 01", "1 Won 05", "2 Open 01", "2 Lost 06", "3 Open 02"]
    assert any("last stage change only" in limit for limit in made.limits)
    assert count(made, "deleted rows") == 1
    assert (made.quality.read, made.quality.used) == (4, 3)
    assert open_leads(made)["expected_close"].tolist() == [pd.Timestamp("2026-03-01")]


def test_pipedrive_flow(tmp_path: Path) -> None:
    made = read(tmp_path, """
id,item_id,user_id,field_key,old_value,new_value,log_time
1,5,9,stage_id,1,2,2026-01-02 10:00:00
2,5,9,value,1,2,2026-01-03 10:00:00
3,5,9,status,open,won,2026-01-04 10:00:00
""")  # fmt: skip
    assert moves(made) == ["5 stage 2 02", "5 Won 04"]


def test_zendesk_sell(tmp_path: Path) -> None:
    text = """
id,name,value,currency,stage_id,stage,loss_reason_id,last_stage_change_at,created_at
1,x,10,USD,4,Won,,2026-01-05T10:00:00Z,2026-01-01T10:00:00Z
2,x,10,USD,5,Lost,3,2026-01-06T10:00:00Z,2026-01-01T10:00:00Z
3,x,10,USD,2,Quote,,2026-01-03T10:00:00Z,2026-01-02T10:00:00Z
"""
    assert moves(read(tmp_path, text)) == ["1 Open 01", "1 Won 05", "2 Open 01", "2 Lost 06", "3 Open 02"]
    with pytest.raises(FunnelError, match="stage_id is a number here"):
        read(tmp_path, text.replace(",stage,", ",colour,"))


def test_dynamics_spreads_the_stages_between_and_says_so(tmp_path: Path) -> None:
    made = read(tmp_path, """
opportunityid,activestageid,activestageidname,createdon,activestagestartedon,completedon,traversedpath,statecode,statuscode
A,s3,Propose,2026-01-01,2026-01-05,2026-01-09,"s1,s2,s3",1,2
B,s1,Qualify,2026-01-02,2026-01-02,,s1,0,1
C,s2,Develop,2026-01-01,2026-01-04,2026-01-06,"s1,s2",1,3
""")  # fmt: skip
    expected = ["A Qualify 01", "A Develop 03", "A Propose 05", "A Won 09", "B Qualify 02"]
    assert moves(made) == [*expected, "C Qualify 01", "C Develop 04", "C Lost 06"]
    assert any(limit.startswith("1 entries of stages between") for limit in made.limits)


def test_business_central(tmp_path: Path) -> None:
    made = read(tmp_path, """
Opportunity No.;Sales Cycle Stage;Sales Cycle Stage Description;Date of Change;Action Taken;\
Estimated Value (LCY);Estimated Close Date
OP1;1;Erstkontakt;13.01.2026;;"1.000,00";01.03.2026
OP1;2;Angebot;15.01.2026;Next;"1.200,00";01.03.2026
OP1;2;Angebot;20.01.2026;Won;"1.100,00";20.01.2026
""")  # fmt: skip
    assert moves(made) == ["OP1 Erstkontakt 13", "OP1 Angebot 15", "OP1 Won 20"]
    assert bookings(made)["value"].tolist() == [1100.0]


def test_a_source_can_be_named(tmp_path: Path) -> None:
    text = "case_id,activity,timestamp\n1,Lead,2026-01-01\n1,Won,2026-01-05\n"
    assert "a log with one row per stage entered" in read(tmp_path, text, source="log").source
    with pytest.raises(FunnelError, match="'hubspott' is no source; did you mean 'hubspot'"):
        read(tmp_path, text, source="hubspott")
    with pytest.raises(FunnelError, match="not a table of the source 'pipedrive'; its columns are case_id"):
        read(tmp_path, text, source="pipedrive")
    assert len({source.name for source in SOURCES}) == len(SOURCES)


def test_a_mapping_adds_to_what_is_recognised(tmp_path: Path) -> None:
    text = "case_id,activity,timestamp\n1,Lead,2026-01-01\n1,Paid,2026-01-05\n"
    assert read(tmp_path, text, mapping={"won": "Paid"}).won == ("Paid",)


def test_the_demo_organisation(real_data: Path) -> None:
    made = read_history(real_data / "salesforce_sample")
    assert "OpportunityHistory.csv, read as Salesforce OpportunityHistory" in made.source
    assert made.quality.read == 48
    assert len(made.leads) == 36
    assert made.leads["channel"].notna().any()
    assert any("has no CreatedDate" in limit for limit in made.limits)
    alone = read_history(real_data / "salesforce_sample" / "OpportunityHistory.csv")
    pd.testing.assert_frame_equal(alone.events, made.events)


def test_public_sets_without_a_mapping(real_data: Path) -> None:
    made = read_history(real_data / "maven_crm" / "sales_pipeline.csv")
    told = read_history(real_data / "maven_crm" / "sales_pipeline.csv", MAPS / "maven.yaml")
    pd.testing.assert_frame_equal(spells(made), spells(told))
    made = read_history(real_data / "olist", {"began": "2018-01-01"})
    told = read_history(
        real_data / "olist" / "olist_marketing_qualified_leads_dataset.csv", MAPS / "olist.yaml"
    )
    pd.testing.assert_frame_equal(spells(made), spells(told))
    with pytest.raises(FunnelError, match="leads without their wins"):
        read_history(real_data / "olist" / "olist_marketing_qualified_leads_dataset.csv")


SNAKE = """
id,name,stage_name,amount,created_date,close_date,is_closed,is_won,is_deleted
0060,n,Closed Won,1000,2025-01-01 10:00:00,2025-02-01,true,true,false
0061,n,Closed Lost,1000,2025-01-02 10:00:00,2025-02-01,true,false,false
0062,n,Proposal,500,2025-01-03 10:00:00,2025-05-01,false,false,false
0063,n,Closed Won,1000,2025-01-04 10:00:00,2025-02-01,true,true,true
"""
SNAKE_HISTORY = """
id,opportunity_id,stage_name,amount,close_date,created_date,_fivetran_deleted
x01,0060,Proposal,1000,2025-02-01,2025-01-01 10:00:00,false
x02,0060,Closed Won,1000,2025-02-01,2025-02-01 10:00:00,false
x03,0061,Proposal,500,2025-02-01,2025-01-01 10:00:00,false
x04,0062,Proposal,500,2025-02-01,2025-01-01 10:00:00,true
"""
REPORT = """
Opportunity Name,Stage,Amount,Created Date,Close Date,Opportunity Owner,Lead Source
A,Closed Won,"1,000",1/1/2025,2/14/2025,Ann,Web
A,Closed Lost,700,1/2/2025,2/14/2025,Ann,Web
B,Proposal,500,1/3/2025,6/30/2025,Bob,

"Confidential Information - Do Not Distribute",,,,,,
"""
FIVETRAN = """
deal_id,deal_pipeline_stage_id,property_amount,property_createdate,property_closedate,property_hs_is_closed,\
property_hs_is_closed_won,is_deleted
1,closedwon,1000,2025-01-01 10:00:00+00,2025-02-01 10:00:00+00,true,true,false
2,closedlost,700,2025-01-02 10:00:00+00,2025-02-02 10:00:00+00,true,false,false
3,1234,500,2025-01-03 10:00:00+00,,false,false,false
4,closedwon,1000,2025-01-03 10:00:00+00,2025-02-02 10:00:00+00,true,true,true
"""
BITRIX = """
ID;TITLE;STAGE_ID;STAGE_SEMANTIC_ID;OPPORTUNITY;CURRENCY_ID;DATE_CREATE;CLOSEDATE;ASSIGNED_BY_ID;SOURCE_ID
1;x;C2:WON;S;1000;EUR;2025-01-01T10:00:00+03:00;2025-02-01;7;WEB
2;y;C2:LOSE;F;700;EUR;2025-01-02T10:00:00+03:00;2025-02-01;7;WEB
3;z;C2:EXECUTING;P;500;EUR;2025-01-03T10:00:00+03:00;2025-02-20;8;CALL
"""
ZOHO = """
Record Id,Deal Name,Stage,Amount,Closing Date,Created Time,Deal Owner,Lead Source
zcrm_1,a,Closed Won,1000,2025-02-01,2025-01-01 10:00:00,Ann,Web
zcrm_2,b,Closed-Lost to Competition,700,2025-02-01,2025-01-02 10:00:00,Ann,Web
zcrm_3,c,Value Proposition,500,2025-05-01,2025-01-03 10:00:00,Bob,
"""
ODOO = """
id,name,stage_id,create_date,date_open,date_closed,expected_revenue,probability,active,won_status,user_id
1,a,Won,2025-01-01 10:00:00,2025-01-01 11:00:00,2025-02-01 10:00:00,1000,100,True,won,Ann
2,b,Qualified,2025-01-02 10:00:00,2025-01-02 11:00:00,2025-02-01 10:00:00,700,0,False,lost,Ann
3,c,Proposition,2025-01-03 10:00:00,,,500,40,True,pending,Bob
"""
CLOSE = """
id,lead_name,status_label,status_type,date_created,date_won,date_lost,value_formatted,user_name
oppo_1,a,Won,won,2025-01-01T10:00:00+00:00,2025-02-01,,"$1,000",Ann
oppo_2,b,Lost,lost,2025-01-02T10:00:00+00:00,,2025-02-01,$700,Ann
oppo_3,c,Active,active,2025-01-03T10:00:00+00:00,,,$500,Bob
"""
COPPER = """
id,name,status,monetary_value,date_created,close_date,date_stage_changed,pipeline_stage_id
1,a,Won,1000,1735725600,2/14/2025,1738404000,9
2,b,Abandoned,700,1735812000,2/14/2025,1738404000,9
3,c,Open,500,1735898400,,1735898400,9
"""
FRESHSALES = """
Deal name,Deal stage,Deal value,Created at,Closed date,Expected close date,Sales owner
a,Won,1000,2025-01-01 10:00,2025-02-01,2025-02-01,Ann
b,Lost,700,2025-01-02 10:00,2025-02-01,2025-02-01,Ann
c,Negotiation,500,2025-01-03 10:00,,2025-05-01,Bob
"""
MONDAY = """
Deals,,,,,
Active Deals,,,,,
Name,Stage,Deal Value,Deal creation date,Close Date,Expected Close Date
a,Won,1000,2025-01-01,2025-02-01,2025-02-01
b,Lost,700,2025-01-02,2025-02-01,2025-02-01
c,Proposal,500,2025-01-03,,2025-05-01
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SNAKE, "Salesforce Opportunity"), (REPORT, "Salesforce Opportunity"),
        (FIVETRAN, "a HubSpot deal export"), (BITRIX, "a Bitrix24 list"),
        (ZOHO, "a Zoho list"), (ODOO, "an Odoo list"), (CLOSE, "a Close list"),
        (COPPER, "a Copper list"), (FRESHSALES, "a list of deals"), (MONDAY, "a list of deals"),
    ],
)  # fmt: skip
def test_lists_that_are_recognised_without_a_mapping(tmp_path: Path, text: str, words: str) -> None:
    made = read(tmp_path, text)
    assert f"read as {words}" in made.source
    wins, waiting = bookings(made), open_leads(made)
    assert (len(wins), wins["value"].sum()) == (1, 1000.0)
    assert made.events["stage"].isin(made.lost).sum() == 1
    assert (len(waiting), waiting["value"].sum()) == (1, 500.0)
    aside = sum(line.count for line in made.quality.findings if line.done.startswith("set aside"))
    assert made.quality.read == made.quality.used + aside
    assert made.quality.used == 3


BITRIX_ITEMS = """
id,title,stageId,opportunity,currencyId,createdTime,closedate,assignedById
1,x,C2:WON,1000,EUR,2025-01-01T10:00:00+03:00,2025-02-01T03:00:00+03:00,7
2,y,C2:LOSE,700,EUR,2025-01-02T10:00:00+03:00,2025-02-01T03:00:00+03:00,7
3,z,C2:EXECUTING,500,EUR,2025-01-03T10:00:00+03:00,2025-02-20T03:00:00+03:00,8
"""
VIEW = """
Topic,Status Reason,Est. Revenue,Actual Revenue,Created On,Actual Close Date
a,Won,900,1000,1/2/2025 10:00 AM,2/14/2025
b,Out-Sold,700,,1/2/2025 10:00 AM,2/14/2025
c,On Hold,500,,1/3/2025 10:00 AM,
"""
HUBSPOT_EMPTY = """
Record ID,Deal Stage,Amount,Create Date,Close Date,Is Closed Won,Is closed,Date entered 'Proposal (Sales)'
1,Closed won,1000,2025-01-01 10:00,2025-02-01 10:00,,,
2,Closed lost,700,2025-01-02 10:00,2025-02-02 10:00,,,
3,Proposal,500,2025-01-03 10:00,,,,
"""
PIPEDRIVE_TABLE = """
id,title,status,stage_id,value,currency,add_time,won_time,lost_time,close_time
1,a,won,5,1000,EUR,2025-01-01 10:00:00,2025-02-01 10:00:00,,2025-02-01 10:00:00
2,b,lost,5,700,EUR,2025-01-02 10:00:00,,2025-02-02 10:00:00,2025-02-02 10:00:00
3,c,open,4,500,EUR,2025-01-03 10:00:00,,,
"""
ODOO_LABELS = """
Opportunity,Stage,Created on,Closed Date,Expected Revenue,Salesperson,Expected Closing,Active
a,Won,2025-01-01 10:00:00,2025-02-01 10:00:00,1000,Ann,2025-02-01,TRUE
b,Qualified,2025-01-02 10:00:00,2025-02-01 10:00:00,700,Ann,2025-02-01,FALSE
c,Proposition,2025-01-03 10:00:00,,500,Bob,2025-05-01,TRUE
"""
COPPER_PAGE = """
Opportunity,Owned By,Value,Close Date,Stage,Status,Created At,Updated At
a,Ann,"$1,000.00",2/14/2025,Contract,Won,1/2/2025,2/14/2025
b,Ann,$700.00,2/14/2025,Contract,Lost,1/2/2025,2/14/2025
c,Bob,$500.00,5/1/2025,Proposal,Open,1/3/2025,1/13/2025
"""
BY_HAND = """
deal,created,closed,status,amount in EUR
1,2025-01-01,2025-02-01,Won,1000
2,2025-01-02,2025-02-02,Lost,700
3,2025-01-03,,Open,500
"""
TWO_ENDS = """
deal,created,won date,lost date,amount
1,2025-01-01,2025-02-01,,1000
2,2025-01-02,,2025-02-02,700
3,2025-01-03,,,500
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BITRIX_ITEMS, "a Bitrix24 list"), (VIEW, "Dynamics 365 opportunities"),
        (HUBSPOT_EMPTY, "a HubSpot deal export, created and closed"),
        (PIPEDRIVE_TABLE, "a Pipedrive list"), (ODOO_LABELS, "a list of deals"),
        (COPPER_PAGE, "a list of deals"), (BY_HAND, "a list of deals"), (TWO_ENDS, "a list of deals"),
    ],
)  # fmt: skip
def test_other_ways_in_which_lists_come(tmp_path: Path, text: str, words: str) -> None:
    test_lists_that_are_recognised_without_a_mapping(tmp_path, text, words)


def test_a_currency_may_stand_in_the_heading(tmp_path: Path) -> None:
    assert read(tmp_path, BY_HAND).currency == "EUR"
    with pytest.raises(FunnelError, match="the mapping says `currency: USD`, the amount is in EUR"):
        read(tmp_path, BY_HAND, mapping={"currency": "USD"})
    assert read(tmp_path, PIPEDRIVE_TABLE).currency == "EUR"


def test_leads_of_bitrix_that_became_deals_are_handed_over(tmp_path: Path) -> None:
    made = read(tmp_path, """
ID,TITLE,STATUS_ID,STATUS_SEMANTIC_ID,OPPORTUNITY,CURRENCY_ID,DATE_CREATE,DATE_CLOSED
1,x,CONVERTED,S,1000,EUR,2025-01-01T10:00:00+03:00,2025-02-01T03:00:00+03:00
2,y,JUNK,F,700,EUR,2025-01-02T10:00:00+03:00,2025-02-01T03:00:00+03:00
3,z,NEW,P,500,EUR,2025-01-03T10:00:00+03:00,
""")  # fmt: skip
    assert (len(bookings(made)), made.handed_over) == (0, ("Converted",))
    assert made.events["stage"].isin(made.lost).sum() == 1
    assert open_leads(made)["value"].tolist() == [500.0]
    made = read(tmp_path, """
ID,TYPE_ID,OWNER_ID,CREATED_TIME,STATUS_SEMANTIC_ID,STATUS_ID
1,1,5,2025-01-01T10:00:00+03:00,P,NEW
2,3,5,2025-01-05T10:00:00+03:00,S,CONVERTED
3,1,6,2025-01-02T10:00:00+03:00,P,NEW
4,3,6,2025-01-06T10:00:00+03:00,F,JUNK
""")  # fmt: skip
    assert (made.won, made.lost, made.handed_over) == ((), ("JUNK",), ("CONVERTED",))


@pytest.mark.parametrize("at", ["Modified_Time", "Last Modified Time"])
def test_zoho_names_the_moment_of_a_stage_in_two_ways(tmp_path: Path, at: str) -> None:
    made = read(tmp_path, f"""
id,Potential_Name,Stage,Moved_To__s,{at},Duration_Days,Amount
1,77,Qualification,Closed Won,2025-01-01T10:00:00+00:00,4,100
2,77,Closed Won,,2025-01-05T10:00:00+00:00,,120
3,78,Qualification,,2025-01-02T10:00:00+00:00,,50
""")  # fmt: skip
    assert moves(made) == ["77 Qualification 01", "77 Closed Won 05", "78 Qualification 02"]
    assert (bookings(made)["value"].tolist(), open_leads(made)["value"].tolist()) == ([120.0], [50.0])


def test_a_list_takes_the_names_of_more_ends_from_a_mapping(tmp_path: Path) -> None:
    text = ZOHO.replace("Value Proposition,500,2025-05-01", "Signed,500,2025-01-20")
    assert len(open_leads(read(tmp_path, text))) == 1
    made = read(tmp_path, text, mapping={"won": "Signed"})
    assert (len(bookings(made)), len(open_leads(made))) == (2, 0)


def test_histories_of_stages_of_connectors_and_other_crms(tmp_path: Path) -> None:
    made = read(tmp_path, SNAKE_HISTORY)
    assert "OpportunityHistory" in made.source
    assert moves(made) == ["0060 Proposal 01", "0060 Closed Won 01", "0061 Proposal 01"]
    assert (made.quality.read, count(made, "deleted rows")) == (4, 1)
    made = read(tmp_path, """
ID,TYPE_ID,OWNER_ID,CREATED_TIME,STAGE_SEMANTIC_ID,STAGE_ID
1,1,5,2025-01-01T10:00:00+03:00,P,C2:NEW
2,3,5,2025-01-05T10:00:00+03:00,S,C2:WON
3,1,6,2025-01-02T10:00:00+03:00,P,C2:NEW
4,3,6,2025-01-06T10:00:00+03:00,F,C2:APOLOGY
""")  # fmt: skip
    assert "Bitrix24 history of stages" in made.source
    assert (made.won, made.lost) == (("C2:WON",), ("C2:APOLOGY",))
    made = read(tmp_path, """
Deal Name,Stage,Amount,Modified Time
a,Qualification,100,2025-01-01 10:00
a,Closed Won,120,2025-01-05 10:00
""")  # fmt: skip
    assert "Zoho history of stages" in made.source
    assert bookings(made)["value"].tolist() == [120.0]
    made = read(tmp_path, """
deal_id,name,timestamp,value,source
7,dealstage,2025-01-01 10:00:00,qualifiedtobuy,CRM
7,amount,2025-01-01 10:00:00,500,CRM
7,hs_owner,2025-01-02 10:00:00,500,CRM
7,dealstage,2025-01-05 10:00:00,closedwon,CRM
""")  # fmt: skip
    assert "HubSpot property history" in made.source
    assert (len(bookings(made)), count(made, "changes of other fields"), made.quality.read) == (1, 1, 4)


def field_history() -> str:
    """20 opportunities, 8 of them won, 12 in their first stage, each with a change of another field."""
    rows = ["OpportunityId,Field,OldValue,NewValue,CreatedDate"]
    for n in range(20):
        rows.append(f"O{n},created,,,2025-01-{n + 1:02d}T10:00:00Z")
        rows.append(f"O{n},Owner,a,b,2025-01-{n + 2:02d}T10:00:00Z")
        if n < 8:
            rows.append(f"O{n},StageName,Prospecting,Proposal,2025-01-{n + 3:02d}T10:00:00Z")
            rows.append(f"O{n},StageName,Proposal,Closed Won,2025-02-{n + 3:02d}T10:00:00Z")
    return "\n".join(rows)


def test_the_creation_rows_of_a_field_history_begin_the_leads(tmp_path: Path) -> None:
    made = read(tmp_path, field_history())
    assert (len(made.leads), len(bookings(made)), len(open_leads(made))) == (20, 8, 12)
    assert open_leads(made)["stage"].unique().tolist() == ["Prospecting"]
    assert made.stages == ("Prospecting", "Proposal")
    assert (made.quality.read, made.quality.used, count(made, "changes of other fields")) == (56, 36, 20)
    assert any(
        "12 leads without a change of stage are taken to be in 'Prospecting'" in limit
        for limit in made.limits
    )
    assert not any("first recorded change" in limit for limit in made.limits)


def test_a_creation_comes_before_a_change_of_the_same_moment(tmp_path: Path) -> None:
    """Rows in either order: born as a Prospecting of 100, moved at once and worth 200 from then on."""
    rows = field_history().replace(
        "O3,StageName,Prospecting,Proposal,2025-01-06T", "O3,StageName,Prospecting,Proposal,2025-01-04T"
    )
    head, *lines = [*rows.split("\n"), "O3,Amount,100,200,2025-01-04T10:00:00Z"]
    for order in (lines, lines[::-1]):
        made = read(tmp_path, "\n".join([head, *order]))
        mine = made.events[(made.events["lead"] == "O3").to_numpy()]
        assert mine["stage"].tolist() == ["Prospecting", "Proposal", "Closed Won"]
        assert bookings(made).set_index("lead")["value"]["O3"] == 200.0

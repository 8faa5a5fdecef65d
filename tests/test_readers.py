"""Tables to histories: what is understood, what is counted, and what is refused in one sentence."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.log import History, bookings, open_leads, quality_table, spells
from funnelsim.history.read import read_history

MAPS = Path(__file__).parent / "maps"
TIDY = """lead,stage,at,channel,segment,owner,value
a,Inquiry,2026-01-01,web,small,Ann,100
a,Proposal,2026-01-05,web,small,Bob,100
a,Won,2026-01-10 08:00,web,small,Bob,90
b,Proposal,2026-01-02,event,large,Ann,
b,Lost,2026-01-03,event,large,Ann,
c,Inquiry,2026-01-06,,small,Ann,70
"""


def written(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def accounted(history: History) -> bool:
    aside = sum(line.count for line in history.quality.findings if line.done.startswith("set aside"))
    return history.quality.read == history.quality.used + aside


def test_a_tidy_log_needs_no_mapping(tmp_path: Path) -> None:
    made = read_history(written(tmp_path, TIDY))
    assert made.stages == ("Inquiry", "Proposal")
    assert (made.won, made.lost) == (("Won",), ("Lost",))
    assert made.until == pd.Timestamp("2026-01-11")
    assert made.began == pd.Timestamp("2026-01-01")
    assert open_leads(made)[["lead", "stage", "age"]].to_numpy().tolist() == [["c", "Inquiry", 5.0]]
    assert made.leads.loc["a", ["channel", "owner", "value"]].tolist() == ["web", "Bob", 90.0]
    assert "one row per stage entered" in made.source
    assert made.quality.read == made.quality.used == 6
    assert accounted(made)


def test_values_and_owners_are_those_known_then(tmp_path: Path) -> None:
    made = read_history(written(tmp_path, TIDY))
    then = made.as_of("2026-01-04")
    assert then.leads.loc["a", ["owner", "value"]].tolist() == ["Ann", 100.0]
    assert bookings(made)["value"].tolist() == [90.0]
    assert spells(made).query("lead == 'a'")["value"].tolist() == [100.0, 100.0]


def test_as_of_sets_later_rows_aside_and_counts_them(tmp_path: Path) -> None:
    made = read_history(written(tmp_path, TIDY), as_of="2026-01-05")
    assert made.until == pd.Timestamp("2026-01-06")
    assert next((line.kind, line.count) for line in made.quality.findings) == ("future dates", 2)
    assert accounted(made)
    assert read_history(written(tmp_path, TIDY), as_of="2026-06-30").until == pd.Timestamp("2026-07-01")


def test_parquet_is_the_same_history(tmp_path: Path) -> None:
    path = written(tmp_path, TIDY)
    frame = pd.read_csv(path)
    frame["at"] = pd.to_datetime(frame["at"], format="ISO8601")
    frame.to_parquet(tmp_path / "log.parquet")
    made, other = read_history(path), read_history(tmp_path / "log.parquet")
    pd.testing.assert_frame_equal(spells(made), spells(other))
    pd.testing.assert_frame_equal(spells(made), spells(read_history(frame)))


def test_a_newest_first_file_is_turned_round(tmp_path: Path) -> None:
    a = "a,Won,2026-01-09\na,Offer,2026-01-01\na,Lead,2026-01-01\n"
    b = "b,Offer,2026-01-02\nb,Lead,2026-01-01\n"
    made = read_history(written(tmp_path, "lead,stage,at\n" + a + b))
    assert made.events["stage"].tolist() == ["Lead", "Offer", "Won", "Lead", "Offer"]
    assert made.stages == ("Lead", "Offer")


def test_the_order_of_stages_does_not_depend_on_where_leads_enter() -> None:
    rows = [("x", "B", 1), ("x", "C", 2), ("y", "C", 0), ("y", "Won", 1), ("z", "A", 5), ("z", "B", 6)]
    rows += [(f"late {n}", "C", n) for n in range(9)]
    frame = pd.DataFrame(rows, columns=["lead", "stage", "day"])
    frame["at"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(frame["day"], unit="D")
    assert read_history(frame).stages == ("A", "B", "C")


def test_chinese_stages_and_headers(tmp_path: Path) -> None:
    text = "客户,阶段,日期,金额\n甲,线索,2026年1月1日,\n甲,赢单,2026年1月9日,￥1.5\n"
    text += "乙,线索,2026年1月2日,\n乙,丢单,2026年1月3日,\n"
    (tmp_path / "gbk.csv").write_bytes(text.encode("gb18030"))
    made = read_history(tmp_path / "gbk.csv")
    assert (made.stages, made.won, made.lost) == (("线索",), ("赢单",), ("丢单",))
    assert made.currency == "CNY"
    assert "GB18030" in made.source


MAPPING = """
columns: {lead: case, stage: activity, at: when, value: amount}
where: {transition: COMPLETE}
stages: {sub: Submitted, off: Offered}
won: [app]
lost: [can, dec]
attributes: {file: cases.csv, lead: id}
period_start: 4
"""
EVENTS = """case,activity,when,transition
1,sub,01.01.2026 08:00,COMPLETE
1,call,01.01.2026 09:00,COMPLETE
1,off,13.01.2026 08:00,START
1,off,14.01.2026 08:00,COMPLETE
1,off,15.01.2026 08:00,COMPLETE
1,app,16.01.2026 08:00,COMPLETE
2,sub,02.01.2026 08:00,COMPLETE
2,dec,02.01.2026 08:00,COMPLETE
3,sub,,COMPLETE
"""


def mapped(folder: Path, mapping: str = MAPPING, events: str = EVENTS) -> History:
    written(folder, 'id,amount\n1,"1.000,50 €"\n2,"2,00 €"\n', "cases.csv")
    return read_history(written(folder, events), written(folder, mapping, "map.yaml"))


def test_the_mapping_file_names_columns_stages_ends_and_a_second_file(tmp_path: Path) -> None:
    made = mapped(tmp_path)
    assert made.stages == ("Submitted", "Offered")
    assert (made.won, made.lost) == (("app",), ("can", "dec"))
    assert made.events["stage"].tolist() == ["Submitted", "Offered", "app", "Submitted", "dec"]
    assert made.events["at"][1] == pd.Timestamp("2026-01-14 08:00")
    assert made.leads["value"].tolist() == [1000.5, 2.0]
    assert (made.currency, made.period_start) == ("EUR", 4)
    kinds = {line.kind: line.count for line in made.quality.findings}
    assert kinds["rows with another transition"] == 1
    assert kinds["other stages"] == 1
    assert kinds["rows without a date"] == 1
    assert kinds["repeats"] == 1
    assert kinds["same-second jumps"] == 1
    assert kinds["stages of the mapping without a row"] == 1, "nobody was cancelled"
    assert accounted(made)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("activity", "activty"), "log.csv or cases.csv: no column 'activty' for 'stage'; did you mean"),
        (("amount}", "amuont}"), "no column 'amuont' for 'value'; did you mean 'amount'?"),
        (("columns:", "colums:"), "map.yaml: unknown key 'colums'; did you mean 'columns'?"),
        (("sub:", "subm:"), "no row has the stage 'subm' of the mapping; did you mean 'sub'?"),
        (("COMPLETE", "COMPLETED"), "no row has 'COMPLETED' in column 'transition' (where); did you mean"),
        (("cases.csv", "../cases.csv"), "'../cases.csv' lies outside the folder"),
        (("cases.csv", "case.csv"), "there is no 'case.csv' in"),
        (("[can, dec]", "[can, app]"), "'app' is named under both `won` and `lost`"),
        (("period_start: 4", "period_start: 13"), "map.yaml: period_start: 13 given"),
    ],
)  # fmt: skip
def test_a_wrong_mapping_is_refused_in_one_sentence(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    with pytest.raises(FunnelError) as refusal:
        mapped(tmp_path, MAPPING.replace(*change))
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TIDY.replace("lead,", "laed,"), "log.csv: no column 'lead'; did you mean 'laed'?"),
        (TIDY.replace("2026-01-05", "2026-13-05"), "log.csv, column 'at', row 3: '2026-13-05' is no date"),
        (TIDY.replace(",90", ",-90"), "log.csv, column 'value', row 4: '-90' is a negative amount"),
        (TIDY.replace(",90", ",ninety"), "log.csv, column 'value', row 4: 'ninety' is no amount"),
        (TIDY.replace("a,Won", "a," + "W" * 1_000_000), "row 4, column 'stage': a cell of 1,000,000 "),
        (TIDY.replace(",90", ",90,90"), "log.csv, row 4: 8 cells, but the header has 7"),
        (TIDY.replace("Won", "Paid"), "log.csv: no stage looks like a win"),
        (TIDY.splitlines()[0], "log.csv: no row below the header"),
        ("", "the file is empty"),
        ("  \n\n ", "the file is empty"),
        (TIDY.replace("a,Inq", 'a,"Inq'), "is a quotation mark left open"),
        (TIDY.replace("2026-01-05", "03/04/2026"), "'03/04/2026' may have the day or the month first"),
        (TIDY.replace("b,Proposal", "\0b,Proposal"), "log.csv, row 5: holds binary data"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FunnelError) as refusal:
        read_history(written(tmp_path, text))
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(np.random.default_rng(1).bytes(5000))
    (tmp_path / "cut.parquet").write_bytes(b"PAR1" + b"x" * 100)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with zipfile.ZipFile(tmp_path / "up.zip", "w") as archive:
        archive.writestr("../../up.csv", TIDY)
    for name in ("noise", "cut.parquet", "loop", "up.zip", "absent.csv", "."):
        with pytest.raises(FunnelError) as refusal:
            read_history(tmp_path / name)
        assert "\n" not in str(refusal.value)


def test_loan_applications(real_data: Path) -> None:
    made = read_history(real_data / "bpic2012" / "events.parquet", MAPS / "bpic2012.yaml")
    counts = made.events["stage"].value_counts()
    assert counts[["A_APPROVED", "A_DECLINED", "A_CANCELLED"]].tolist() == [2246, 7635, 2807]
    assert len(made.leads) == 13087
    assert len(open_leads(made)) == 399
    assert made.leads["value"].notna().all()
    assert made.quality.read == 262_200
    assert accounted(made)
    then = read_history(real_data / "bpic2012" / "events.parquet", MAPS / "bpic2012.yaml", as_of="2012-02-01")
    pd.testing.assert_frame_equal(spells(then), spells(made.as_of("2012-02-01")))


def test_marketplace_sellers(real_data: Path) -> None:
    made = read_history(
        real_data / "olist" / "olist_marketing_qualified_leads_dataset.csv", MAPS / "olist.yaml"
    )
    assert made.events["stage"].value_counts().to_dict() == {"Contacted": 8000, "Won": 842}
    assert made.began == pd.Timestamp("2018-01-01")
    assert (spells(made)["since"] > 0).sum() > 1000, "leads of 2017 enter late"
    assert any("No lost dates" in limit for limit in made.limits)
    assert {line.kind: line.count for line in made.quality.findings}["ends before the creation"] == 1
    assert (made.quality.read, made.quality.used) == (8000, 8000)
    assert (spells(made)["channel"] == "unknown").any()


def test_two_dates_per_deal(real_data: Path) -> None:
    made = read_history(real_data / "maven_crm" / "sales_pipeline.csv", MAPS / "maven.yaml")
    assert made.events["stage"].value_counts().to_dict() == {"Engaging": 8300, "Won": 4238, "Lost": 2473}
    assert {line.kind: line.count for line in made.quality.findings}["rows without a date"] == 500
    assert len(open_leads(made)) == 1589
    assert bookings(made)["value"].sum() == 10_005_534
    assert (
        made.as_of("2017-06-30").leads["value"].notna().sum() == (bookings(made)["at"] < "2017-07-01").sum()
    )
    assert quality_table(made)["rows"].iloc[[0, -1]].tolist() == [made.quality.read, made.quality.used]

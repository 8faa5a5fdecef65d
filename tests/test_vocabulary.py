"""Yes and no, won and lost, deleted: the words of other people's tables, for all readers alike."""

from pathlib import Path

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.log import bookings, open_leads
from funnelsim.history.read import read_history
from funnelsim.history.tables import Table
from funnelsim.history.vocabulary import flags, last_word, outcome_of, plain, says_closed, without_gone

OPPORTUNITIES = "Id,StageName,Amount,CreatedDate,CloseDate,IsClosed,IsWon,IsDeleted\n" + "".join(
    f"006{n:02d},x,{100 * n},2025-03-{n + 1:02d}T09:30:00Z,2025-04-{n + 1:02d},{{{end}}},{{no}}\n"
    for n, end in enumerate(["won"] * 5 + ["lost"] * 4 + ["open"] * 3)
)


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        ("true", "false"), ("TRUE", "FALSE"), ("t", "f"), ("1", "0"), ("1.0", "0.0"), ("y", "n"),
        ("Yes", "No"), ("ja", "nein"), ("J", "N"), ("oui", "non"), ("vrai", "faux"), ("sí", "no"),
        ("si", "no"), ("x", ""),
        ("是", "否"), ("Verdadero", "Falso"), ("sim", "não"), ("да", "нет"), ("on", "off"),
    ],
)  # fmt: skip
def test_flags_of_any_language(tmp_path: Path, yes: str, no: str) -> None:
    states = {"won": f"{yes},{yes}", "lost": f"{yes},{no}", "open": f"{no},{no}"}
    (tmp_path / "opps.csv").write_text(OPPORTUNITIES.format(**states, no=no), encoding="utf-8")
    made = read_history(tmp_path / "opps.csv")
    assert (len(bookings(made)), made.events["stage"].eq("Lost").sum(), len(open_leads(made))) == (5, 4, 3)
    assert bookings(made)["value"].sum() == 1000.0


def test_an_unknown_word_is_refused_with_file_row_and_word(tmp_path: Path) -> None:
    states = {"won": "true,true", "lost": "true,maybe", "open": "false,false"}
    (tmp_path / "opps.csv").write_text(OPPORTUNITIES.format(**states, no="false"), encoding="utf-8")
    with pytest.raises(FunnelError, match=r"opps.csv, row 7, column 'IsWon': 'maybe' is neither yes nor no"):
        read_history(tmp_path / "opps.csv")


def test_typed_flags() -> None:
    table = Table(pd.DataFrame({"a": [True, False], "b": [1, 0], "c": [1.0, None]}), "x", "")
    assert [flags(table, name).tolist() for name in "abc"] == [[True, False]] * 3


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("Closed Won", "won"), ("closedwon", "won"), ("Closed - Won", "won"), ("6 - Closed Won", "won"),
        ("Won (upsell)", "won"), ("WON", "won"), ("Deal won", "won"), ("Won, invoiced", "won"),
        ("Abgeschlossen und gewonnen", "won"), ("Fermé gagné", "won"), ("Cierre ganado", "won"),
        ("赢单(线下)", "won"),
        ("受注", "won"), ("Gewonnen", "won"),
        ("Closed Lost", "lost"), ("Closed-Lost to Competition", "lost"), ("Lost: price", "lost"),
        ("失注", "lost"),
        ("Lost no budget", "lost"), ("Closed/Lost - No budget", "lost"), ("Proposal lost", "lost"),
        ("Won't buy", "lost"), ("Won\N{RIGHT SINGLE QUOTATION MARK}t buy", "lost"), ("Not won", "lost"),
        ("nicht gewonnen", "lost"), ("Verloren", "lost"), ("Perdu - prix", "lost"), ("输单", "lost"),
        ("Wonder demo", ""), ("Winner's call", ""), ("Lost contact", ""), ("Lost contact - retry", ""),
        ("Winback", ""),
        ("Won back", ""), ("Almost won", ""), ("Not lost", ""), ("Won/Lost", ""),
        ("Closed", ""), ("Closing", ""),
        ("Glossary", ""), ("Lostwithiel", ""), ("Contract", ""), ("", ""), ("---", ""),
    ],
)  # fmt: skip
def test_won_and_lost_are_told_by_whole_words(name: str, end: str) -> None:
    assert outcome_of(name) == end


def test_what_sounds_like_an_end() -> None:
    assert [says_closed(name) for name in ("Closed", "Lost contact", "Wonder", "Closing")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert plain("Closed - Won") == "closedwon"
    assert (last_word("O_DECLINED"), last_word("")) == ("declined", "")


HUBSPOT = "Record ID,Deal Name,Deal Stage,Pipeline,Amount,Create Date,Close Date\n"


@pytest.mark.parametrize(
    ("stages", "wins", "losses", "waiting"),
    [
        (["Closed Won"] * 3 + ["Won't buy"] * 5 + ["Qualified"] * 2, 3, 5, 2),
        (["Gewonnen"] * 6 + ["Verloren"] * 4 + ["Angebot"] * 3, 6, 4, 3),
        (["Closed Won"] * 6 + ["Lost contact - retry"] * 4 + ["Wonder demo"] * 4, 6, 0, 8),
    ],
)
def test_the_words_of_a_stage_tell_the_ends_of_a_hubspot_export(
    tmp_path: Path, stages: list[str], wins: int, losses: int, waiting: int
) -> None:
    close = {"Lost contact - retry": "2025-09-11 11:00", "Wonder demo": "2025-09-11 11:00"}
    rows = [
        f"{100 + n},Deal {n},{stage},Sales Pipeline,1000,2025-01-{n + 1:02d} 10:00,"
        f"{close.get(stage, '2025-02-10 11:00')}\n"
        for n, stage in enumerate(stages)
    ]
    (tmp_path / "deals.csv").write_text(HUBSPOT + "".join(rows), encoding="utf-8")
    made = read_history(tmp_path / "deals.csv")
    lost = made.events["stage"].isin(made.lost).sum()
    assert (len(bookings(made)), lost, len(open_leads(made))) == (wins, losses, waiting)
    assert bookings(made)["value"].sum() == 1000.0 * wins
    sounds = [line.count for line in made.quality.findings if line.kind.endswith("sounds like an end")]
    assert sounds == ([4] if "Wonder demo" in stages else [])


GONE = [
    "IsDeleted",
    "is_deleted",
    "hs_is_deleted",
    "_fivetran_deleted",
    "merged",
    "Archived",
    "Deal - Archive status",
]


@pytest.mark.parametrize("name", GONE)
def test_rows_that_are_gone_are_set_aside_in_any_table(name: str) -> None:
    log = pd.DataFrame({"lead": list("aabbc"), "stage": ["A", "Won", "A", "Won", "A"], name: list("ffttf")})
    made = read_history(log.assign(at=pd.date_range("2025-01-01", periods=5)))
    assert len(bookings(made)) == 1
    assert (made.quality.read, made.quality.used) == (5, 3)
    assert [(line.count, line.done) for line in made.quality.findings if line.kind.endswith("rows")] == [
        (2, "set aside: gone in the source")
    ]
    mapped = read_history(
        log.assign(at=pd.date_range("2025-01-01", periods=5)), {"columns": {"lead": "lead"}}
    )
    assert mapped.quality.used == 3
    asked = read_history(log.assign(at=pd.date_range("2025-01-01", periods=5)), {"where": {name: ["f", "t"]}})
    assert asked.quality.used == 5, "the mapping says itself which rows it wants"


@pytest.mark.parametrize(
    ("name", "cells", "left"),
    [
        ("deleted_at", ["", "2025-02-01", ""], 2),
        ("MasterRecordId", ["", "00Q1", "00Q2"], 1),
        ("deleted", ["", "2025-02-01 10:00", ""], 2),
        ("Deal - Archive status", ["Not archived", "Archived", "active"], 2),
        ("archived", ["false", "true", "archived"], 1),
    ],
)
def test_what_says_that_a_row_is_gone(name: str, cells: list[str], left: int) -> None:
    table = Table(pd.DataFrame({"lead": list("abc"), name: cells}, index=[2, 3, 4]), "x.csv", "")
    there, findings = without_gone(table)
    assert len(there.frame) == left
    assert sum(line.count for line in findings) == 3 - left


def test_all_gone_or_an_unknown_word_is_refused() -> None:
    def table(*cells: str) -> Table:
        return Table(pd.DataFrame({"IsDeleted": cells}, index=range(2, 2 + len(cells))), "x.csv", "")

    with pytest.raises(FunnelError, match="x.csv, column 'IsDeleted': every row is gone"):
        without_gone(table("true"))
    with pytest.raises(
        FunnelError, match="x.csv, row 3, column 'IsDeleted': 'perhaps' is neither yes nor no"
    ):
        without_gone(table("false", "perhaps"))


@pytest.mark.parametrize(
    ("column", "word"),
    [
        ("IsDelete", "True"), ("__deleted", "true"), ("_sdc_deleted_at", "2025-01-09T00:00:00Z"),
        ("deleted_by", "Ann"), ("Gelöscht", "ja"), ("supprimé", "oui"), ("Record_Status__s", "Trash"),
        ("merged_into_id", "77"), ("archiviert", "ja"), ("已删除", "是"),
    ],
)  # fmt: skip
def test_what_connectors_and_other_languages_call_gone(tmp_path: Path, column: str, word: str) -> None:
    there = {"Record_Status__s": "Available", "已删除": "否"}.get(column, "")
    rows = [f"deal,created,closed,status,amount,{column}", f"1,2025-01-01,2025-02-01,Won,1000,{there}"]
    rows += [f"2,2025-01-03,,Open,500,{there}", f"3,2025-01-03,,Open,900,{word}"]
    (tmp_path / "d.csv").write_text("\n".join(rows), encoding="utf-8")
    made = read_history(tmp_path / "d.csv")
    assert open_leads(made)["value"].tolist() == [500.0]
    assert sum(line.count for line in made.quality.findings if line.done.startswith("set aside")) == 1


@pytest.mark.parametrize(
    ("won", "lost"),
    [
        ("Megnyert", "Elveszett"), ("Κερδισμένη", "Χαμένη"), ("Câștigat", "Pierdut"), ("Виграно", "Програно"),
        ("فوز", "خسارة"), ("贏單", "輸單"), ("Thắng", "Thua"), ("Menang", "Kalah"),
    ],
)  # fmt: skip
def test_won_and_lost_in_further_languages(won: str, lost: str) -> None:
    assert (outcome_of(won), outcome_of(lost)) == ("won", "lost")

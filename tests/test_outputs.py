"""No output replaces what is read, another output, or somebody's mapping; wrong words come before work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from made_up import history
from test_cli import run

import funnelsim as fs
from funnelsim.history.export import tidy_log, write_table


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    write_table(tidy_log(history()), path)
    return path


def refused(capsys, *words):
    assert run(*words) == 2
    sentence = capsys.readouterr().err.strip()
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("link", ["same", "symbolic", "hard"])
def test_an_output_that_is_the_input_is_refused(log, tmp_path, capsys, link):
    before, deals = log.read_bytes(), log
    if link != "same":
        deals = tmp_path / "deals.csv"
        (os.symlink if link == "symbolic" else os.link)(log, deals)
    assert "is what is read" in refused(capsys, "forecast", log, "--deals", deals, "--draws", 4)
    assert log.read_bytes() == before


def test_mapping_spend_and_scenario_are_inputs_too(log, tmp_path, capsys):
    guide = tmp_path / "map.json"
    guide.write_text('{"won": ["Won"]}')
    assert "is what is read" in refused(capsys, "forecast", log, "--mapping", guide, "--json", guide)
    assert "is what is read" in refused(capsys, "backtest", log, "--mapping", guide, "--json", guide)


def test_two_outputs_of_one_name_are_refused(log, tmp_path, capsys):
    words = ("--json", tmp_path / "x.html", "--html", tmp_path / "x.html")
    assert "is written as .json" in refused(capsys, "forecast", log, *words)
    one = tmp_path / "x.csv"
    told = refused(capsys, "simulate", "lead_funnel", "--days", 5, "-o", tmp_path / "map.yaml")
    assert "'.yaml' is none of these" in told
    assert not one.exists()


def test_an_output_in_the_folder_that_is_read_is_refused(log, tmp_path, capsys):
    assert "lies in the folder" in refused(capsys, "forecast", tmp_path, "--deals", tmp_path / "d.csv")


def test_a_mapping_of_somebody_else_is_not_replaced(tmp_path, capsys):
    guide = tmp_path / "log.map.yaml"
    guide.write_text("won: [Signed]\n")
    told = refused(capsys, "simulate", "lead_funnel", "--days", 5, "-o", tmp_path / "log.csv")
    assert "would be replaced" in told and guide.read_text() == "won: [Signed]\n"
    guide.unlink()
    for _ in range(2):
        assert run("simulate", "lead_funnel", "--days", 5, "-o", tmp_path / "log.csv") == 0


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet"])
def test_the_ending_decides_the_format(tmp_path, capsys, ending):
    path = tmp_path / f"log.{ending}"
    assert run("simulate", "lead_funnel", "--days", 20, "-o", path) == 0
    read = {"csv": pd.read_csv, "xlsx": pd.read_excel, "parquet": pd.read_parquet}[ending]
    assert {"lead", "stage", "at"} <= set(read(path).columns)


def test_a_workbook_is_ready_to_be_used(log, tmp_path):
    path = tmp_path / "deals.xlsx"
    assert run("forecast", log, "--draws", 4, "--deals", path) == 0
    sheet = openpyxl.load_workbook(path).active
    assert sheet.freeze_panes == "A2" and sheet.auto_filter.ref and sheet["A1"].font.bold
    heads = [cell.value for cell in sheet[1]]
    chance = next(number for number, head in enumerate(heads) if head.startswith("P(win"))
    assert sheet[2][chance].number_format == "0.0%"


def test_a_comparison_is_written_for_programs_and_as_a_workbook(log, tmp_path):
    files = [tmp_path / name for name in ("c.json", "c.xlsx", "c.html")]
    options = [word for path in files for word in (f"--{path.suffix[1:]}", path)]
    asked = ["price +5%; costs 1000", "nothing_changes"]
    assert run("compare", log, *asked, "--draws", 8, "--target", "total=1M", *options) == 0
    told = json.loads(files[0].read_text(encoding="utf-8"))
    plan, same = told["scenarios"][1:]
    whole = plan["periods"][-1]
    assert told["headline"].startswith("'price") and whole["period"] == "total"
    assert plan["together"]["cost"] == whole["cost"] == 1000
    assert abs(plan["months"][-1]["net"] - whole["net"]) < 1e-6 * abs(whole["net"]) + 1e-3
    assert {row["difference"] for row in same["periods"]} == {0}
    book = openpyxl.load_workbook(files[1])
    assert book.sheetnames == ["plans", "periods", "months", "widths", "levers"]
    assert [row["period"] for row in told["widths"]] == [row["period"] for row in plan["periods"]]
    assert any(note.startswith("Of the width of revenue") for note in told["notes"])
    heads = [cell.value for cell in book["plans"][1]]
    assert all(sheet.freeze_panes == "A2" for sheet in book)
    assert book["plans"][2][heads.index("roi")].number_format == "0.0%"
    assert book["plans"][2][heads.index("cost")].number_format == "#,##0.00"
    page = files[2].read_text(encoding="utf-8")
    for question in (
        "Which plan?",
        "What would change?",
        "When does it pay?",
        "hang on?",
        "width come from?",
    ):
        assert question in page


def test_standard_output_holds_the_numbers_and_nothing_else(log, capsys):
    assert run("forecast", log, "--draws", 4, "--json", "-") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["periods"] and "Forecast of revenue" in told.err
    assert run("forecast", log, "--draws", 4, "--deals", "-") == 0
    assert capsys.readouterr().out.startswith("lead,stage,")
    assert "standard output" in refused(capsys, "forecast", log, "--html", "-")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["forecast", "--by", "segmnt"], "did you mean 'segment'"),
        (["forecast", "--engine", "exakt"], "did you mean 'exact'"),
        (["forecast", "--scenario", "price_upp"], "did you mean 'price_up'"),
        (["compare", "price_upp"], "did you mean 'price_up'"),
        (["budget", "--curve", "powr"], "did you mean 'power'"),
        (["backtest", "--every", "0"], "every 0"),
    ],
)
def test_wrong_words_are_refused_before_a_file_is_even_looked_for(words, sentence, capsys):
    command, *rest = words
    assert sentence in refused(capsys, command, "nowhere.csv", *rest)


def start(*words):
    command = [sys.executable, "-m", "funnelsim.cli", *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="processes are read from /proc")
def test_a_terminated_backtest_leaves_no_worker_and_says_so():
    process = start("backtest", fs.sample_path(), "--draws", 200)
    deadline = time.monotonic() + 60
    while not workers_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.2)
    workers = workers_of(process.pid)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert workers and process.returncode == 143
    assert told.strip() == "funnelsim: terminated; nothing was written"
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]


def workers_of(parent):
    """The processes that another one started, read from /proc."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue  # it ended while we looked
        if f"\nPPid:\t{parent}\n" in text:
            found.append(int(status.parent.name))
    return found


def test_the_key_comes_from_a_file_or_the_environment(log, tmp_path, monkeypatch, capsys):
    (tmp_path / "key.txt").write_text("secret\n")
    monkeypatch.setenv("FUNNEL_KEY", "secret")
    told = []
    for key in ("secret", f"@{tmp_path / 'key.txt'}", "env:FUNNEL_KEY"):
        assert run("forecast", log, "--draws", 4, "--anonymise", key, "--deals", "-") == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] == told[2]
    assert "FUNNEL_NONE is not set" in refused(capsys, "check", log, "--anonymise", "env:FUNNEL_NONE")


@pytest.mark.parametrize("day", ["9999-12-31", "9999-06-30", "2199-01-01"])
@pytest.mark.parametrize("period", ["week", "quarter"])
def test_a_day_long_after_everything_is_refused_at_once(log, day, period, capsys):
    assert "nobody knows" in refused(capsys, "forecast", log, "--as-of", day, "--period", period)


def test_charts_without_docstrings_are_refused_before_any_work(tmp_path):
    words = ["-OO", "-m", "funnelsim.cli", "forecast", "sales_funnel_5", "--html", str(tmp_path / "f.html")]
    made = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=60)
    assert (made.returncode, made.stdout) == (2, "")
    assert made.stderr == (
        "funnelsim: --html: charts cannot be drawn with PYTHONOPTIMIZE=2 (-OO); 1 (-O) will do\n"
    )


@pytest.mark.parametrize(
    "says", ["attributes: {file: more.csv, lead: lead}", "before: {file: more.csv, mapping: {won: x}}"]
)
def test_files_that_a_mapping_names_are_inputs_too(says, log, tmp_path, capsys):
    (tmp_path / "map.yaml").write_text(says + "\n")
    (tmp_path / "more.csv").write_text("lead,channel\n1,web\n")
    told = refused(capsys, "forecast", log, "--map", tmp_path / "map.yaml", "--deals", tmp_path / "more.csv")
    assert "more.csv: is what is read; name another file to write to" in told
    assert (tmp_path / "more.csv").read_text() == "lead,channel\n1,web\n"


def test_a_link_that_leads_to_itself_is_refused(log, tmp_path, capsys):
    (tmp_path / "a.json").symlink_to(tmp_path / "b.json")
    (tmp_path / "b.json").symlink_to(tmp_path / "a.json")
    assert "a.json: a link that leads to itself" in refused(
        capsys, "check", log, "--json", tmp_path / "a.json"
    )

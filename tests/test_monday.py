"""The report says who it is, contradicts no other line, fits a phone, and its workbook keeps counting."""

import asyncio
import base64
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from chromium import Tab, drive, headless
from companies import random_company
from made_up import history
from openpyxl import load_workbook
from typer.testing import CliRunner

import funnelsim as fs
from funnelsim.cli import app
from funnelsim.forecasting.delivery import as_of_day
from funnelsim.forecasting.outputs import health_tables
from funnelsim.history.log import History
from funnelsim.history.read import read_history
from funnelsim.sample import sample_path
from funnelsim.show import words
from funnelsim.show.terminal import forecast_table

DRAWS = 10
SMALL = 3_000_000  # bytes
PAPER = 688  # pixels between the margins of an A4 page, 182 mm
HISTORIES = {
    "sample": lambda: read_history(sample_path(), sample_path("mapping.yaml")),
    "made up": history,
    "few": lambda: history(300, seed=3),
    "company 3": lambda: random_company(3).history,
    "company 8": lambda: random_company(8).history,
}


class Words(HTMLParser):
    """The words of a page outside its scripts, and the rows of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.said, self.rows, self.inside = "", [], ""
        self.headings: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.said += data
        if self.inside == "h2":
            self.headings.append(data)
        if self.inside in ("td", "button") and self.rows:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def monday(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, fs.Situation]:
    """The second report of a company, a week after its first."""
    folder = tmp_path_factory.mktemp("monday")
    known = history()
    fs.report(
        known.as_of("2025-12-24"), folder / "first.html", record=folder / "r.db", draws=DRAWS, target=20e3
    )
    place = fs.situation(known)
    fs.report(place, folder / "second.html", record=folder / "r.db", draws=DRAWS, target=20e3)
    return folder, place


@pytest.mark.parametrize("name", HISTORIES)
def test_the_page_says_who_it_is_and_what_the_terminal_says(name: str, tmp_path: Path) -> None:
    known: History = HISTORIES[name]()
    place = fs.situation(known, period="month")
    path = fs.report(place, tmp_path / "page.html", draws=DRAWS).page
    assert path.stat().st_size < SMALL
    page, found = Words(path.read_text(encoding="utf-8")), fs.forecast(place, draws=DRAWS)
    for part in (place.name, as_of_day(place), "calendar months"):
        assert part in page.said
    assert ("no currency stated" in page.said) == (found.currency == "")
    table = forecast_table(*found.with_total)
    for row in table.itertuples(index=False, name=None):
        assert [words.cell(cell, "figure") for cell in row] in page.rows
    mean = found.periods.query("origin == 'total' and measure == 'revenue'")["mean"].iloc[0]
    assert f"{words.amount(float(mean), found.currency)} expected in" in page.said
    book = load_workbook(tmp_path / "page.xlsx")
    assert book["plan"]["G2"].value == pytest.approx(float(mean), rel=1e-12)


def test_the_second_report_tells_what_changed_and_the_record(monday: tuple[Path, fs.Situation]) -> None:
    folder, place = monday
    first, second = (
        Words((folder / f"{name}.html").read_text(encoding="utf-8")) for name in ("first", "second")
    )
    assert "What changed since last time?" not in first.said and "How good were we?" in first.said
    told = fs.bridge(place, since="2025-12-24", draws=DRAWS)
    assert told.sentences[0] in second.said
    assert not [heading for heading in second.headings if heading.endswith("?") or not heading]
    for row in told.frame[["part", "level"]].itertuples(index=False):
        assert any(
            cells[0] == row.part and cells[-1] == words.cell(row.level, "money")
            for cells in second.rows
            if cells
        )
    state = fs.health(place, target=20e3, draws=DRAWS)
    said = [sentence.removesuffix(".") for sentence in (*state.sentences, *state.notes)]
    assert state.sentences and all(sentence in second.said for sentence in said)
    for title, frame, kinds in health_tables(state).values():
        assert title in second.said
        told = words.kinds_of(frame, kinds)
        for row in frame.head(3).to_dict("records"):
            assert [words.cell(row[name], told[name]) for name in frame.columns] in second.rows
    assert "Is the target covered?" in second.said
    for question in ("Will we make it?", "Which deals carry it?", "What if the largest fall out?"):
        assert second.said.count(question) == 2, "once in the menu, once above its answer"


def test_the_headline_is_the_chance_in_words(monday: tuple[Path, fs.Situation]) -> None:
    folder, place = monday
    chance = fs.forecast(place, draws=DRAWS, target=20e3).widths["p_target"].iloc[0]
    said = f"{words.odds(float(chance))} of 20 k in 2026 Q1"
    assert said in (folder / "second.html").read_text(encoding="utf-8")


def value_of(book: Any, sheet: str, cell: str) -> float:
    """Work out a cell as a spreadsheet does: sums, IF on a blank cell, and the four rules."""
    raw = book[sheet][cell].value
    if not str(raw).startswith("="):
        return float(raw or 0.0)
    text = str(raw)[1:]
    if found := re.fullmatch(r'IF\((\w+)="",(\w+),(\w+)\)\*(\w+)', text):
        own, given, typed, worth = found.groups()
        chosen = given if book[sheet][own].value is None else typed
        return value_of(book, sheet, chosen) * value_of(book, sheet, worth)
    total = 0.0
    for sign, part in re.findall(r"([+-]?)(SUM\([^)]*\)|[A-Z]+\d+)", text):
        if summed := re.fullmatch(r"SUM\((\w+)!([A-Z]+)(\d+):[A-Z]+(\d+)\)", part):
            where, column, begin, end = summed.groups()
            size = sum(value_of(book, where, f"{column}{row}") for row in range(int(begin), int(end) + 1))
        else:
            size = value_of(book, sheet, part)
        total += -size if sign == "-" else size
    return total


def test_totals_of_the_workbook_follow_the_chances_of_a_planner(monday: tuple[Path, fs.Situation]) -> None:
    folder, _ = monday
    book = load_workbook(folder / "second.xlsx")
    heads = {cell.value: cell.column_letter for cell in book["deals"][1]}
    plan = {cell.value: cell.column_letter for cell in book["plan"][1]}
    expected, own = (f"{plan[name]}2" for name in ("expected", "with your chances"))
    before = value_of(book, "plan", expected)
    assert value_of(book, "plan", own) == pytest.approx(before, rel=1e-12)
    assert value_of(book, "plan", f"{plan['change']}2") == pytest.approx(0, abs=1e-6)
    chance, worth = (
        float(book["deals"][f"{heads[name]}2"].value) for name in ("P(win 2026 Q1)", "worth if won")
    )
    book["deals"][f"{heads['P(your chance 2026 Q1)']}2"] = 0.75
    assert value_of(book, "plan", own) == pytest.approx(before + (0.75 - chance) * worth)
    book["deals"][f"{heads['P(your chance 2026 Q1)']}2"] = 0
    assert value_of(book, "plan", own) == pytest.approx(before - chance * worth)
    gap = value_of(book, "plan", f"{plan['gap to target']}2")
    assert gap == pytest.approx(20e3 - before + chance * worth)


def test_every_sheet_can_be_read_and_filtered(monday: tuple[Path, fs.Situation]) -> None:
    folder, place = monday
    book = load_workbook(folder / "second.xlsx")
    wanted = {
        "plan",
        "periods",
        "deals",
        "past",
        "bridge",
        "bridge deals",
        "record",
        "worries",
        "data",
        "notes",
    }
    assert wanted <= set(book.sheetnames)
    for sheet in book:
        assert sheet.freeze_panes == "A2" and sheet.auto_filter.ref
    assert book["deals"].max_row == len(place.deals) + 1
    assert book["deals"]["H2"].number_format == "#,##0.00"


def test_the_page_fits_a_desk_and_a_phone_and_asks_for_nothing(
    monday: tuple[Path, fs.Situation], tmp_path: Path
) -> None:
    page = monday[0] / "second.html"

    async def look(tab: Tab, width: int) -> tuple[int, float, list[str]]:
        await tab.go(page.as_uri(), width)
        await tab.until(
            "document.querySelectorAll('.chart svg').length === document.querySelectorAll('.chart').length"
        )
        await asyncio.sleep(1)
        wide = await tab.ask("document.documentElement.scrollWidth")
        size = "one.getBoundingClientRect().width / one.getAttribute('width')"
        sizes = f"[...document.querySelectorAll('.chart svg')].map((one) => {size})"
        shrunk = await tab.ask(f"Math.min(...{sizes})")
        return wide, shrunk, [*tab.problems, *(url for url in tab.requests if url.startswith("http"))]

    for width in (1280, 390):
        wide, shrunk, wrong = drive(tmp_path / str(width), lambda tab, w=width: look(tab, w))
        assert wide <= width and wrong == []
        assert shrunk > 0.85, "words of charts stay as large as they are"


def test_a_page_prints_on_few_sheets_of_paper_that_hold_all_its_width(
    monday: tuple[Path, fs.Situation], tmp_path: Path
) -> None:
    page = monday[0] / "second.html"

    async def look(tab: Tab) -> tuple[int, float, str]:
        await tab.go(page.as_uri())
        await tab.until("document.querySelectorAll('.sheet svg').length >= 5")
        await asyncio.sleep(1)
        printed = await tab.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        await tab.call("Emulation.setEmulatedMedia", media="print")
        await tab.call(
            "Emulation.setDeviceMetricsOverride", width=PAPER, height=900, deviceScaleFactor=1, mobile=False
        )
        await asyncio.sleep(1)
        wide = await tab.ask("document.documentElement.scrollWidth")
        said = await tab.ask("document.body.innerText")
        return len(re.findall(rb"/Type /Page\b(?!s)", base64.b64decode(printed["data"]))), wide, said

    sheets, wide, said = drive(tmp_path / "paper", look)
    assert sheets <= 4 and wide <= PAPER
    assert "On the screen also: " in said and "Printed: 6 of 10 rows." in said


def test_the_terminal_writes_both(tmp_path: Path) -> None:
    known = history()
    known.events.merge(known.leads.reset_index(), on="lead").to_csv(tmp_path / "log.csv", index=False)
    ask = [
        "report",
        str(tmp_path / "log.csv"),
        "--draws",
        "6",
        "--no-cache",
        "--html",
        str(tmp_path / "m.html"),
    ]
    done = CliRunner().invoke(app, ask)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "m.html").exists() and (tmp_path / "m.xlsx").exists()
    assert [one for one in tmp_path.iterdir() if one.suffix == ".db"] == []


def test_a_thin_history_has_a_page_and_a_workbook_too(tmp_path: Path) -> None:
    path = fs.report(history(30, won=False), tmp_path / "t.html", draws=4, record=tmp_path / "r.db").page
    assert "No forecast: there is no number to give" in path.read_text(encoding="utf-8")
    assert "notes" in load_workbook(tmp_path / "t.xlsx").sheetnames


def test_a_report_takes_three_sheets(tmp_path: Path) -> None:
    words_ = headless(tmp_path / "profile")
    page, paper = tmp_path / "r.html", tmp_path / "r.pdf"
    fs.report(sample_path(), page, target=5e6, draws=DRAWS, record=tmp_path / "r.db")
    told = ["--virtual-time-budget=10000", "--no-pdf-header-footer", f"--print-to-pdf={paper}", page.as_uri()]
    subprocess.run([*words_, *told], check=True, capture_output=True, timeout=120)
    assert len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes())) == 3

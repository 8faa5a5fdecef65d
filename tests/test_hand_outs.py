"""Lessons as pages: nothing comes from a network, charts are alive, slides go on, no word is lost."""

from __future__ import annotations

import doctest
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from chromium import Tab, browser, drive
from scripts import script

from funnelsim.errors import FunnelError

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
# Of each text on what to look at: whether the slide that holds it holds an output too.
READINGS = """(() => {
  const all = [...document.querySelectorAll('.reading')];
  const beside = (one) => slides.find((slide) => slide.parts.includes(one)).parts;
  const alone = all.filter((one) => !beside(one).some((part) => part.querySelector('.output')));
  return [all.length, alone.length];
})()"""
KEY = "dispatchEvent(new KeyboardEvent('keydown', {key: '%s'}))"
DRAWN = "document.querySelectorAll('.chart svg')"
ROOM = f"[...{DRAWN}].every((one) => one.getBoundingClientRect().right <= innerWidth)"


@pytest.fixture(scope="module")
def hand_outs() -> ModuleType:
    return script("notebooks/hand_outs.py")


@pytest.fixture(scope="module")
def pages(hand_outs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every page in English, in one folder."""
    folder = tmp_path_factory.mktemp("course")
    hand_outs.write_pages(folder, "en")
    return folder


def books() -> list[Path]:
    return sorted([*NOTEBOOKS.glob("[0-9]*.ipynb"), *NOTEBOOKS.glob("course/[0-9]*.ipynb")])


def cells(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def page_of(path: Path, pages: Path) -> Path:
    return pages / ("" if path.parent.name == "course" else "planner") / f"{path.stem}.html"


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z]{4,}", text))


@pytest.mark.parametrize("path", books(), ids=lambda path: path.stem)
def test_a_page_has_every_word_and_every_output_of_its_lesson(path: Path, pages: Path) -> None:
    page = page_of(path, pages).read_text(encoding="utf-8")
    seen = words_of(re.sub(r"<[^>]+>", "", page))
    for cell in cells(path):
        text = re.sub(r"\]\([^)]*\)", "]", "".join(cell["source"]))
        assert words_of(text) <= seen, cell["id"]
    outputs = [output for cell in cells(path) for output in cell.get("outputs", [])]
    assert page.count('<div class="chart"') >= sum("image/png" in one.get("data", {}) for one in outputs)
    assert page.count('class="output"') >= sum(bool(cell.get("outputs")) for cell in cells(path))


def test_no_page_names_a_place_from_which_something_is_loaded(pages: Path) -> None:
    loads = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=\"(?!data:)", re.IGNORECASE)
    written = sorted(pages.rglob("*.html"))
    assert len(written) > len(books())
    for page in written:
        text = page.read_text(encoding="utf-8")
        assert not loads.search(re.sub(r"<script[^>]*>.*?</script>", "", text, flags=re.DOTALL)), page.name
        assert text.count("<script>") == 1 and "MathJax" not in text
        assert len(text) < 2.5e6


def test_links_between_pages_lead_somewhere(pages: Path) -> None:
    for page in pages.rglob("*.html"):
        text = page.read_text(encoding="utf-8").partition("<script>")[0]
        for address in re.findall(r'<a (?:class="show" )?href="([^"]+)"', text):
            file, _, part = address.partition("#")
            there = (page.parent / file).resolve() if file else page
            assert there.is_file(), (page.name, address)
            wanted = part if part and not part.startswith("slide-") else ""
            assert f'id="{wanted}"' in there.read_text(encoding="utf-8") or not wanted, (page.name, address)


def test_every_sheet_stands_below_its_lesson_and_solutions_behind_a_click(
    hand_outs: ModuleType, pages: Path
) -> None:
    sheets = hand_outs.sheets_in(NOTEBOOKS)
    titles = {hand_outs.read_lesson(path, "", "en").title: path for path in books()}
    assert sheets.keys() <= titles.keys()
    for title in sheets:
        page = page_of(titles[title], pages).read_text(encoding="utf-8")
        assert page.count("<details>") == 1
        assert "fs.course.check" not in page.partition("<details>")[0] or 'class="sheet"' in page


async def _offline(tab: Tab, pages: list[Path], width: int) -> list[tuple[str, Any]]:
    """Open pages in a browser whose network is cut, and tell what is drawn on each."""
    await tab.call("Network.enable")
    await tab.call("Network.setBlockedURLs", urls=["http://*", "https://*", "ws://*"])
    told = []
    for page in pages:
        await tab.go(page.as_uri(), width)
        await tab.until("!document.querySelector('article > section .chart > img')")
        await tab.ask("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        await tab.until("document.querySelectorAll('.chart img').length === 0")
        wide = await tab.ask("document.documentElement.scrollWidth")
        told.append((page.name, [await tab.ask(f"{DRAWN}.length"), wide <= width, await tab.ask(ROOM)]))
    return told


@pytest.mark.parametrize("width", [1280, 390])
def test_charts_live_and_fit_with_the_network_cut(pages: Path, tmp_path: Path, width: int) -> None:
    browser()
    written = sorted(pages.rglob("*.html"))
    told: dict[str, Any] = {}

    async def look(tab: Tab) -> None:
        told.update(dict(await _offline(tab, written, width)))
        assert tab.problems == []
        assert {address.partition(":")[0] for address in tab.requests} <= {"file", "data", "blob", "about"}

    drive(tmp_path / "profile", look)
    assert sum(count for count, _, _ in told.values()) > 20
    assert [name for name, (_, page, charts) in told.items() if not (page and charts)] == []


def test_slides_hold_results_back_until_asked_and_come_to_an_end(pages: Path, tmp_path: Path) -> None:
    browser()
    page = page_of(books()[0], pages)
    seen: list[Any] = []

    async def walk(tab: Tab) -> None:
        await tab.go(f"{page.as_uri()}#slide-4")
        for key in ("", "ArrowRight", "End", "Escape"):
            await tab.ask(KEY % key if key else "0")
            shown = "document.querySelectorAll('.now').length"
            unseen = "document.querySelectorAll('.now .unseen').length"
            seen.append([await tab.ask(shown), await tab.ask(unseen), await tab.ask("location.hash")])
        seen.append(await tab.ask("document.body.classList.contains('show-slides')"))
        seen.append(await tab.ask("document.querySelector('.bar').hidden"))
        assert tab.problems == []

    drive(tmp_path / "profile", walk)
    first, second, end, after, slides, no_bar = seen
    assert (first[1], second[1]) == (first[1], first[1] - 1) and first[1] > 0 and first[2] == "#slide-4"
    assert end[1] == 0 and end[2] != "#slide-4" and after[2] == ""
    assert (slides, no_bar) == (False, True)


def test_a_slide_shows_what_to_look_at_with_what_it_tells_of(pages: Path, tmp_path: Path) -> None:
    browser()
    found: list[Any] = []

    async def walk(tab: Tab) -> None:
        for one in books()[0], books()[-1]:
            await tab.go(page_of(one, pages).as_uri() + "#slide-1")
            found.append(await tab.ask(READINGS))

    drive(tmp_path / "profile", walk)
    for readings, alone in found:
        assert readings > 0 and alone == 0


def test_what_looks_like_a_program_in_prose_is_text(hand_outs: ModuleType) -> None:
    writer = hand_outs.Writer("x.html", {}, hand_outs.words_in("en"))
    shown = writer.prose(
        "# One\n\n<script>alert(1)</script> and [a file](../funnelsim/cli.py)", NOTEBOOKS / "x.ipynb"
    )
    assert "<script" not in shown and "&lt;script&gt;" in shown
    assert "href" not in shown and "a file" in shown


def lesson(folder: Path, *sources: str) -> Path:
    made = [
        {"cell_type": "markdown", "id": f"cell-{place:02d}", "source": text}
        for place, text in enumerate(sources, 1)
    ]
    path = folder / "01_x.ipynb"
    path.write_text(json.dumps({"cells": made}), encoding="utf-8")
    return path


def message(folder: Path, **texts: dict[str, Any]) -> None:
    (folder / "zh").mkdir(exist_ok=True)
    named = {name.replace("_", "-"): said for name, said in texts.items()}
    (folder / "zh" / "01_x.json").write_text(json.dumps(named), encoding="utf-8")


def test_a_message_takes_the_place_of_the_english_it_was_made_from(
    hand_outs: ModuleType, tmp_path: Path
) -> None:
    path = lesson(tmp_path, "# One", "Two  \nthree")
    said = {"of": hand_outs.mark_of("# One"), "text": ["# 一"]}
    message(tmp_path, cell_01=said, cell_02={"of": hand_outs.mark_of("Two three"), "text": ["二", "三"]})
    assert [cell["source"] for cell in hand_outs.read_lesson(path, "", "zh").cells] == ["# 一", "二\n三"]
    assert hand_outs.read_lesson(path, "", "en").title == "One"
    message(tmp_path, cell_01=said, cell_02={"of": "00000000", "text": []})
    with pytest.raises(FunnelError, match=f"cell-02: .* say '{hand_outs.mark_of('Two three')}'"):
        hand_outs.read_lesson(path, "", "zh")
    message(tmp_path, cell_01=said)
    with pytest.raises(FunnelError, match="cell-02: stands either"):
        hand_outs.read_lesson(path, "", "zh")


@pytest.mark.parametrize("formula", ["so $L = w$ holds", r"so \(L\) holds"])
def test_a_formula_that_needs_mathjax_is_refused(hand_outs: ModuleType, tmp_path: Path, formula: str) -> None:
    with pytest.raises(FunnelError, match="formula"):
        hand_outs.read_lesson(lesson(tmp_path, "# One", formula), "", "en")


def test_every_message_file_is_whole_and_words_have_both_languages(hand_outs: ModuleType) -> None:
    for language in hand_outs.LANGUAGES:
        for file in NOTEBOOKS.rglob(f"{language}/*.json"):
            hand_outs.read_lesson(file.parent.parent / f"{file.stem}.ipynb", "", language)
    assert {file.stem[:2] for file in NOTEBOOKS.glob("course/zh/*.json")} >= {"01", "02", "03"}
    assert hand_outs.words_in("en").keys() == hand_outs.words_in("zh").keys()


def numbers_in(spec: Any) -> list[str]:
    """Return all numbers of a chart, in its words and in its data."""
    told = {name: part for name, part in spec.items() if name != "description"}
    return sorted(re.findall(r"\d+(?:\.\d+)?", json.dumps(told, sort_keys=True, ensure_ascii=False)))


def test_words_of_a_chart_without_a_message_are_refused(hand_outs: ModuleType) -> None:
    told = {"{} of {} won": "{} 中的 {}"}
    chart = {"title": {"text": ["3 of 4", "won"]}, "axes": [{"title": "Days"}], "marks": [{"label": "x"}]}
    with pytest.raises(FunnelError, match="the words 'Days' of a chart have no message"):
        hand_outs.respoken(chart, told, Path("x"))
    spoken = hand_outs.respoken(chart, told | {"Days": "天"}, Path("x"))
    assert spoken == {"title": {"text": "3 中的 4"}, "axes": [{"title": "天"}], "marks": [{"label": "x"}]}


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("course/zh/*.json")), ids=lambda path: path.stem)
def test_chinese_has_the_numbers_code_and_links_of_the_english_and_no_broken_emphasis(
    hand_outs: ModuleType, path: Path
) -> None:
    book = path.parent.parent / f"{path.stem}.ipynb"
    english, chinese = (hand_outs.read_lesson(book, "", language) for language in ("en", "zh"))
    both = zip(english.cells, chinese.cells, strict=True)
    for one, other in ((one, other) for one, other in both if one["cell_type"] == "code"):
        assert one["source"] == other["source"]
        for shown, spoken in zip(one["outputs"], other["outputs"], strict=True):
            charts = [part.get("data", {}).get(hand_outs.VEGA) for part in (shown, spoken)]
            assert shown == spoken or numbers_in(charts[0]) == numbers_in(charts[1]) != []
            assert charts[1] is None or re.search(
                r"[\u4e00-\u9fff]", json.dumps(charts[1]["title"], ensure_ascii=False)
            )
    writer = hand_outs.Writer("x.html", {}, hand_outs.words_in("zh"))
    for one, two in zip(english.cells, chinese.cells, strict=True):
        if one["cell_type"] == "markdown":
            told, said = hand_outs.source(one), hand_outs.source(two)
            for pattern in (r"`[^`]+`", r"\]\([^)]+\)", r"\d+\.\d+|\d+,\d{3}|\d+ %"):
                assert sorted(re.findall(pattern, told)) == sorted(re.findall(pattern, said)), one["id"]
            assert "**" not in re.sub(r"<code>.*?</code>", "", writer.prose(said, book)), one["id"]
            assert len(re.findall("[\u4e00-\u9fff]", said)) > len(told) / 10, one["id"]


def test_wrong_words_are_refused_in_a_sentence(hand_outs: ModuleType, tmp_path: Path, capsys: Any) -> None:
    assert hand_outs.main(["--language", "zhh", "--out", str(tmp_path)]) == 2
    assert "did you mean 'zh'" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert hand_outs.main(["--out", str(tmp_path / "file")]) == 2
    assert "cannot be made" in capsys.readouterr().err


def test_examples_in_its_docstrings_are_true(hand_outs: ModuleType) -> None:
    told = doctest.testmod(hand_outs)
    assert told.attempted > 1 and told.failed == 0


def glossary() -> list[list[str]]:
    """Rows of the glossary's tables: English, Simplified, Traditional, meaning."""
    lines = (NOTEBOOKS / "course" / "glossary.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in rows if row[0] != "English"]


def test_each_term_stands_once_and_in_the_letters_of_its_language() -> None:
    rows = glossary()
    assert len(rows) > 80 and all(len(row) == 4 and all(row) for row in rows)
    assert len({row[0] for row in rows}) == len(rows)
    for _, simplified, traditional, _ in rows:
        simplified.encode("gb2312")
        traditional.encode("big5")


def test_the_glossary_knows_every_chinese_name_that_a_funnel_gives() -> None:
    known = "".join(simplified for _, simplified, _, _ in glossary())
    for path in sorted((NOTEBOOKS.parent / "scenarios" / "funnels").glob("*.yaml")):
        for word in re.findall("[\u4e00-\u9fff]+", path.read_text(encoding="utf-8")):
            assert word in known, (path.name, word)


def test_the_guide_speaks_of_every_lesson() -> None:
    guide = (NOTEBOOKS / "course" / "trainers_guide.md").read_text(encoding="utf-8")
    parts = re.split(r"\n## ", guide)
    told = {
        int(part.split(":")[0].removeprefix("Lesson ")): part for part in parts if part.startswith("Lesson ")
    }
    lessons = {int(path.name[:2]) for path in NOTEBOOKS.glob("course/[0-9]*.ipynb")}
    assert lessons <= told.keys() == set(range(1, 13))
    for path in NOTEBOOKS.glob("course/[0-9]*.ipynb"):
        said = re.search(
            r"Time in class: (\d+) minutes|(\d+) minutes of class", "".join(cells(path)[0]["source"])
        )
        assert said is not None and f"{said[1] or said[2]} minutes" in told[int(path.name[:2])], path.name
    for part in told.values():
        assert all(f"**{word}.**" in part for word in ("Ask", "Expect", "Goes wrong")), part[:40]

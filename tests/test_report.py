"""The page stands alone, shows every text as it is, and runs no script but its own."""

import base64
import hashlib
import json
from html.parser import HTMLParser

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.show.charts.history import funnel_chart
from funnelsim.show.page import Fact, Section, embedded, page_script, write_report

NASTY = '</script><img src=x onerror="alert(1)">&<b>提案'
VOID = {"meta", "img", "input", "link", "br"}
DEALS = pd.DataFrame(
    {
        "lead": ["A1", NASTY],
        "value": [1234567.0, None],
        "P(win 2026 Q3)": [0.314, 0.0],
        "age": [12.4, 0.2],
        "zombie": [False, True],
        "expected_close": pd.to_datetime(["2026-09-30", None]),
    }
)


class Page(HTMLParser):
    """Reads a page strictly: every element that opens is closed, in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.scripts, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif self.open and self.open[-1] != "style":
            self.words.append(data.strip())

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def chart(name="flat"):
    counts = {"entered": [1000, 400], "reached": [400, 100], "share": [0.4, 0.25], "horizon": 90.0}
    return funnel_chart(pd.DataFrame({"stage": [name, "season"]} | counts))


def made(folder, **more):
    sections = [
        Section("Chart", chart=chart(NASTY), caption=NASTY),
        Section("Deals", text=f"{NASTY}\n\nsecond", table=DEALS, caption="below"),
    ]
    given = {"headline": NASTY, "facts": [Fact(NASTY, NASTY, NASTY)], "limits": [NASTY], "footer": NASTY}
    path = write_report(folder / "page.html", NASTY, sections, **(given | more))
    return path.read_text(encoding="utf-8")


def test_nothing_is_fetched(tmp_path):
    page = Page(made(tmp_path))
    for _, attrs in page.elements:
        for name in ("src", "href", "data", "action", "srcset"):
            assert not (attrs.get(name) or "").startswith(("http:", "https:", "//"))
    assert page.all("link") == []
    assert all(attrs["src"].startswith("data:image/svg+xml;base64,") for attrs in page.all("img"))


def test_texts_are_shown_and_never_run(tmp_path):
    page = Page(made(tmp_path))
    assert {tag for tag, _ in page.elements} & {"b", "iframe", "object"} == set()
    assert not any("onerror" in attrs for _, attrs in page.elements)
    assert sum(NASTY in text for text in page.words) == 11


def test_only_its_own_script_may_run(tmp_path):
    page = Page(made(tmp_path))
    policy = next(attrs["content"] for attrs in page.all("meta") if "http-equiv" in attrs)
    program = page.scripts[-1]
    digest = base64.b64encode(hashlib.sha256(program.encode()).digest()).decode()
    assert policy.endswith(f"script-src 'sha256-{digest}'")
    assert policy.startswith("default-src 'none';")
    kinds = [attrs.get("type", "program") for attrs in page.all("script")]
    assert kinds == ["application/json", "program"]


def test_chart_data_survives_embedding(tmp_path):
    page = Page(made(tmp_path))
    assert json.loads(page.scripts[0]) == chart(NASTY).to_dict()
    assert json.loads(embedded({"a": "\u2028</script>"})) == {"a": "\u2028</script>"}


def test_picture_is_there_where_no_script_runs(tmp_path):
    (picture,) = Page(made(tmp_path)).all("img")
    drawing = base64.b64decode(picture["src"].partition(",")[2]).decode("utf-8")
    assert drawing.startswith("<svg")
    assert "Most leads stay behind" in picture["alt"]


def test_table_reads_well(tmp_path):
    page = Page(made(tmp_path))
    heads = page.all("th")
    assert [head.get("class") for head in heads] == [None, "n", "n", "n", None, None]
    assert "1,234,567" in page.words
    assert "31 %" in page.words
    assert "2026-09-30" in page.words
    values = [attrs.get("data-v") for attrs in page.all("td") if attrs.get("class") == "n"]
    assert values == ["1234567", "0.314", "12.4", None, "0", "0.2"]


def test_long_table_says_what_it_leaves_out(tmp_path):
    many = pd.DataFrame({"lead": [str(number) for number in range(2500)]})
    path = write_report(tmp_path / "page.html", "Deals", [Section("Deals", table=many)])
    page = Page(path.read_text(encoding="utf-8"))
    assert "The first 2,000 of 2,500 rows are shown." in page.words
    assert len(page.all("tr")) == 2001
    assert len(page.all("input")) == 1


def test_same_page_twice(tmp_path):
    assert made(tmp_path) == made(tmp_path)


def test_words_alone_need_no_script(tmp_path):
    path = write_report(tmp_path / "page.html", "Words", [Section("One", text="two")], how_to_read=["three"])
    text = path.read_text(encoding="utf-8")
    assert Page(text).all("script") == []
    assert len(text) < 10_000


def test_unwritable_place_is_refused(tmp_path):
    with pytest.raises(FunnelError, match="is a folder"):
        write_report(tmp_path, "x", [])
    with pytest.raises(FunnelError):
        write_report(tmp_path / "absent" / "page.html", "x", [])
    assert list(tmp_path.iterdir()) == []


def test_script_cannot_end_its_element_early():
    assert "</script" not in page_script().lower()
    assert "script[data-chart]" in page_script()

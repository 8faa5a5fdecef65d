"""A page in a real browser: names from the data are text there, also where a script draws them."""

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from chromium import browser, headless
from typer.testing import CliRunner

from funnelsim.cli import app

NASTY = "<script>document.title='hacked'</script>"
PICTURE = "<img src=x onerror=\"document.title='hacked'\">"


def seen(page: Path, profile: Path) -> str:
    """Return the page as the browser holds it once its scripts have run."""
    words = [
        *headless(profile),
        "--virtual-time-budget=20000",
        "--timeout=60000",
        "--dump-dom",
        page.as_uri(),
    ]
    ran = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=180, check=True)
    return ran.stdout


class Reader(HTMLParser):
    """The title, the words outside scripts, and how often each element occurs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.title, self.words, self.inside = "", "", ""
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        if tag == "img":
            self.sources.append(dict(attrs).get("src") or "")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "title":
            self.title += data
        elif self.inside not in ("script", "style"):
            self.words += data


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A forecast of a history whose stage, channel and one lead are called like programs."""
    browser()
    folder = tmp_path_factory.mktemp("browser")
    rng = np.random.default_rng(5)
    start = pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.uniform(0, 170, 300), unit="D")
    rows = pd.DataFrame({"lead": range(300), "stage": NASTY, "at": start, "channel": PICTURE, "value": 100.0})
    rows["lead"] = rows["lead"].astype(str).replace("7", NASTY)
    rows.loc[7, "at"] = pd.Timestamp("2026-06-29")
    ended = rows.assign(at=start + pd.to_timedelta(rng.exponential(40, 300), unit="D"))
    ended["stage"] = np.where(rng.random(300) < 0.3, "Won", "Lost")
    ended = ended[(ended["at"] < "2026-07-01") & (ended["lead"] != NASTY)]
    pd.concat([rows, ended]).to_csv(folder / "log.csv", index=False)
    words = ["forecast", str(folder / "log.csv"), "--as-of", "2026-06-30", "--draws", "20"]
    ran = CliRunner().invoke(app, [*words, "--html", str(folder / "page.html")])
    assert ran.exit_code == 0, ran.output
    return folder / "page.html"


def test_names_like_programs_are_shown_as_text(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    title = Reader(text).title
    dom = seen(page, tmp_path / "profile")
    found = Reader(dom)
    assert found.title == title != "hacked"
    assert title
    assert NASTY in found.words
    assert PICTURE in found.words
    assert "x" not in found.sources
    drawn = re.compile("<(svg|canvas) [^>]*class=")
    assert not drawn.search(text)
    assert drawn.search(dom), "no chart was drawn, so the scripts did not run"


def test_the_browser_would_run_it(page: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.html"
    bare.write_text(f"<title>fine</title>{NASTY}", encoding="utf-8")
    assert Reader(seen(bare, tmp_path / "profile")).title == "hacked"

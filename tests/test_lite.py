"""The site that runs in a browser alone: what goes onto it, and what is said where it cannot be built."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from scripts import script

ROOT = Path(__file__).resolve().parent.parent
COMPILED = {"numba", "pyarrow", "statsmodels", "vl-convert-python"}


@pytest.fixture(scope="module")
def lite() -> ModuleType:
    return script("notebooks/lite.py")


def test_every_lesson_and_sheet_goes_along_and_installs_first(lite: ModuleType, tmp_path: Path) -> None:
    copies = lite.gather(tmp_path)
    books = [path for part in lite.PARTS for path in (ROOT / "notebooks" / part).glob("[0-9]*.ipynb")]
    assert len(copies) == len(books) > 3
    for path in books:
        book = json.loads((tmp_path / path.parent.name / path.name).read_text(encoding="utf-8"))
        install, *rest = book["cells"]
        assert 'piplite.install("funnelsim", deps=False)' in install["source"]
        assert rest == json.loads(path.read_text(encoding="utf-8"))["cells"]


def test_it_installs_all_that_funnelsim_needs_but_what_is_compiled(lite: ModuleType) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(lite.LIBRARIES) == {Requirement(one).name for one in project["dependencies"]} - COMPILED


def test_without_its_builder_it_says_what_is_needed(
    lite: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(lite, "find_spec", lambda name: None)
    assert lite.main(["--out", str(tmp_path / "site")]) == 2
    said = capsys.readouterr().err.strip()
    assert said.count("\n") == 0 and "pip install 'funnelsim[lite]'" in said


def test_no_other_folder_is_replaced(lite: ModuleType, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(lite, "find_spec", lambda name: True)
    (tmp_path / "mine.txt").write_text("dear")
    assert lite.main(["--out", str(tmp_path)]) == 2
    assert "name another folder" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text() == "dear"

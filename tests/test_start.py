"""start.py refuses in one sentence, sets up once, runs every check, and tells the truth about failures."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import ModuleType

import pytest
from scripts import script

SCRIPT = Path(__file__).resolve().parent.parent / "start.py"


@pytest.fixture
def start(tmp_path, monkeypatch) -> ModuleType:
    """The script as a module that works on a copy: its folder is a temporary one."""
    module = script("start.py")
    for name, path in {"ROOT": "", "VENV": ".venv", "STAMP": ".venv/stamp.txt"}.items():
        monkeypatch.setattr(module, name, tmp_path / path)
    monkeypatch.setattr(module, "PYTHON", Path(sys.executable))
    for name in ("pyproject.toml", "requirements.lock"):
        (tmp_path / name).write_text("once")
    (tmp_path / ".venv").mkdir()
    return module


@pytest.fixture
def installs(start, monkeypatch) -> list[set[str]]:
    """What was installed, one set of extras for each time; nothing really is."""
    done = []
    monkeypatch.setattr(start, "install", done.append)
    monkeypatch.setattr(start, "compile_all", lambda: None)
    return done


def test_it_needs_nothing_but_python():
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in plain | named} <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["tset"], "start.py does not know 'tset': it takes no word, test, lab, course, lite or --help."),
        (["test", "-k"], "start.py test takes no further word, but '-k' was given."),
    ],
)
def test_wrong_words_are_refused_in_one_sentence(start, installs, capsys, words, sentence):
    assert start.main(words) == 2
    assert capsys.readouterr().err.strip() == sentence
    assert installs == []


def test_an_old_python_is_refused(start, installs, capsys, monkeypatch):
    monkeypatch.setattr(start, "OLDEST", (99, 0))
    assert start.main([]) == 2
    assert "needs Python 3.11 or newer" in capsys.readouterr().err
    assert installs == []


def test_help_says_the_three_ways(start, installs, capsys):
    assert start.main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(way in told for way in ("start.py  ", "start.py test", "start.py lab"))
    assert installs == []


def test_a_second_set_up_does_nothing(start, installs):
    start.set_up("test")
    start.set_up("test")
    start.set_up("demo")
    assert installs == [{"formats", "lab", "test"}]


def test_more_is_installed_beside_what_is_there(start, installs):
    start.set_up("lab")
    start.set_up("test")
    assert installs == [{"formats", "lab"}, {"formats", "test", "lab"}]


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.lock"])
def test_a_changed_file_is_installed_again(start, installs, name):
    start.set_up("demo")
    (start.ROOT / name).write_text("twice")
    start.set_up("demo")
    assert installs == [{"formats"}, {"formats"}]


def test_a_set_up_that_failed_is_not_taken_for_done(start, monkeypatch, capsys):
    def fail(extras: set[str]) -> None:
        raise start.SetupError("the line is down")

    monkeypatch.setattr(start, "install", fail)
    assert start.main([]) == 1
    assert capsys.readouterr().err.strip() == "Set-up failed: the line is down"
    assert start.installed() is None


def test_without_any_way_to_install_the_error_says_what_to_look_at(start, monkeypatch):
    monkeypatch.setattr(start, "run", lambda command, quiet=False: 1)
    with pytest.raises(start.SetupError, match="network"):
        start.install({"lab"})


def test_pip_stands_in_for_uv(start, monkeypatch):
    tried = []
    monkeypatch.setattr(
        start, "run", lambda command, quiet=False: tried.append(command) or "uv>=0.5" in command
    )
    start.install({"lab"})
    assert [command[2] for command in tried] == ["pip", "pip"]
    assert ".[lab]" in tried[-1]


def test_every_check_runs_and_one_failure_fails_all(start, monkeypatch, capsys):
    checks = [("good", ["platform"]), ("bad", ["no_such_module"]), ("last", ["platform", "--terse"])]
    monkeypatch.setattr(start, "CHECKS", checks)
    assert start.test() == 1
    summary = capsys.readouterr().out.split("== summary\n")[1].splitlines()
    assert [line[:6] for line in summary] == ["ok    ", "FAILED", "ok    ", "2 of 3"]
    assert "No module named no_such_module" in summary[1]


def test_all_checks_passed(start, monkeypatch, capsys):
    monkeypatch.setattr(start, "CHECKS", [("good", ["platform"])])
    assert start.test() == 0
    assert capsys.readouterr().out.endswith("1 of 1 checks passed\n")


def test_what_would_lead_the_new_python_astray_is_left_out(start, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setenv("HTTPS_PROXY", "kept")
    kept = start.surroundings()
    assert "PYTHONPATH" not in kept
    assert kept["HTTPS_PROXY"] == "kept"

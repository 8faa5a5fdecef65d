"""The README is true: its tree, its commands, its files, its notebooks."""

import re
import shlex
from pathlib import Path

import pytest
from test_cli import run

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line.split("#")[0].strip() for line in README.splitlines() if line.startswith("funnelsim ")]


def block(language: str, number: int = 0) -> str:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.M | re.S)
    return [text for kind, text in blocks if kind == language][number]


def test_every_place_of_the_tree_exists():
    tree = block("")
    inside = {"funnelsim/": ROOT / "funnelsim"}
    for line in tree.splitlines():
        for name in re.findall(r"(?:^|\s{2,})([\w.]+(?:\.py|/))(?=\s)", line):
            folder = inside["funnelsim/"] if line.startswith("  ") else ROOT
            assert (folder / name).exists(), name


def test_every_folder_of_the_package_is_in_the_tree():
    tree = block("")
    for folder in (ROOT / "funnelsim").iterdir():
        if folder.is_dir() and folder.name != "__pycache__":
            assert f"  {folder.name}/" in tree


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_and_their_options_exist(command, capsys):
    words = shlex.split(command)
    assert run(words[1], "--help") == 0
    told = capsys.readouterr().out
    for option in (word for word in words if word.startswith("-")):
        assert option in told, option


def test_linked_files_exist():
    for path in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / path).is_file(), path


def test_named_scenarios_and_funnels_exist():
    for path in re.findall(r"scenarios/[\w/]+\.yaml", README):
        assert (ROOT / path).is_file(), path


def test_every_notebook_is_in_the_table_and_the_other_way_round():
    named = set(re.findall(r"\| \[\d\d_\w+\]\((notebooks/[\w/.]+)\)", README))
    lessons = [
        path for folder in (".", "course") for path in (ROOT / "notebooks" / folder).glob("[0-9]*.ipynb")
    ]
    assert named == {path.relative_to(ROOT).as_posix() for path in lessons}


def test_the_mapping_and_the_scenario_shown_are_read(tmp_path):
    from test_scenario import company

    from funnelsim.history.mapping_file import read_said, stated
    from funnelsim.model.scenario import read_scenario

    (tmp_path / "map.yaml").write_text(block("yaml", 0), encoding="utf-8")
    said, file, _ = read_said(tmp_path / "map.yaml")
    assert stated(said, file).period_start == 4
    (tmp_path / "scenario.yaml").write_text(block("yaml", 4), encoding="utf-8")
    assert len(read_scenario(tmp_path / "scenario.yaml", company()).changes) == 2


def test_the_grammar_shown_is_that_of_the_code():
    from funnelsim.model.scenario import grammar

    assert block("text").strip() == grammar()


def test_leads_and_deals_become_one_way_as_shown(tmp_path):
    from funnelsim.history.read import read_history

    (tmp_path / "leads.csv").write_text(
        "id,stage,at,opportunity\nm1,New,2025-01-01,\nm1,To sales,2025-01-05,d1\n", encoding="utf-8"
    )
    deals = "lead,stage,at\nd1,Proposal,2025-01-05\nd1,Won,2025-02-01\n"
    (tmp_path / "deals.csv").write_text(deals, encoding="utf-8")
    (tmp_path / "deals.yaml").write_text(block("yaml", 1), encoding="utf-8")
    (tmp_path / "leads.yaml").write_text(block("yaml", 2), encoding="utf-8")
    made = read_history(tmp_path / "deals.csv", tmp_path / "deals.yaml")
    assert made.events["stage"].tolist() == ["New", "Proposal", "Won"]
    assert set(made.events["lead"]) == {"d1"}


def test_a_row_per_lead_is_read_as_shown(tmp_path):
    from funnelsim.history.log import bookings
    from funnelsim.history.read import read_history

    rows = "customer,amount,offered_on,state,closed_on\n"
    rows += "Ada,10,2025-01-01,Accepted,2025-01-05\nAda,20,2025-02-01,Accepted,2025-02-07\n"
    (tmp_path / "offers.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "offers.yaml").write_text(block("yaml", 3), encoding="utf-8")
    made = read_history(tmp_path / "offers.csv", tmp_path / "offers.yaml")
    assert bookings(made)["value"].tolist() == [10.0, 20.0]

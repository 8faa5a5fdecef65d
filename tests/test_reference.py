"""What is told of a funnel's file is what its classes read: page, terminal, schema, and a new file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import TypeAdapter
from test_cli import run

import funnelsim as fs
from funnelsim.errors import FunnelError
from funnelsim.model import reference, statement
from funnelsim.model.reference import MODELINE, PARTS, README, SCHEMA, key_rows, new_funnel, skeleton
from funnelsim.model.stated import SHIPPED, read_funnel, shipped_funnels
from funnelsim.model.units import quote_ramps

CHECK = jsonschema.Draft202012Validator(json.loads(reference.funnel_schema()))


class Plain(yaml.SafeLoader):
    """YAML as editors read it: dates and the rest stay text."""


Plain.yaml_implicit_resolvers = {
    sign: [(tag, pattern) for tag, pattern in rules if not tag.endswith("timestamp")]
    for sign, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def plain(text: str) -> Any:
    return yaml.load(text, Plain)


def test_page_and_schema_are_made_from_the_classes() -> None:
    hint = "they drifted; run: python -c 'from funnelsim.model.reference import *; write_reference()'"
    assert (SHIPPED / README).read_text(encoding="utf-8") == reference.reference_markdown(), hint
    assert (SHIPPED / SCHEMA).read_text(encoding="utf-8") == reference.funnel_schema(), hint


def test_the_reference_is_written_anew(tmp_path: Path) -> None:
    reference.write_reference(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {README, SCHEMA}


def test_every_mapping_and_every_key_is_told() -> None:
    classes = [one for one in vars(statement).values() if hasattr(one, "__pydantic_fields__")]
    assert set(classes) == set(PARTS.values())
    told = reference.reference_text()
    for part in PARTS.values():
        rows = key_rows(part)
        assert [row.key for row in rows] == [field.name for field in dataclasses.fields(part)]
        for row in rows:
            assert row.meaning.endswith(".") and row.form
            assert row.example.startswith(f"{row.key}: ")
            assert f"\n  {row.key}\n" in told


@pytest.mark.parametrize(
    ("part", "key"), [(part, row.key) for part in PARTS.values() for row in key_rows(part)],
    ids=lambda given: getattr(given, "__name__", given),
)  # fmt: skip
def test_every_example_is_read_and_defaults_are_true(part: Any, key: str) -> None:
    row = next(row for row in key_rows(part) if row.key == key)
    field = part.__pydantic_fields__[key]
    given = plain(quote_ramps(row.example))[key]
    held = CHECK.schema if part is statement.Statement else CHECK.schema["$defs"][part.__name__]
    rule = held["properties"][key]
    assert jsonschema.Draft202012Validator(rule | {"$defs": CHECK.schema["$defs"]}).is_valid(given)
    TypeAdapter(field.rebuild_annotation()).validate_python(given)
    assert (row.default == "must be given") == field.is_required()


@pytest.mark.parametrize("name", shipped_funnels())
def test_every_shipped_funnel_names_the_schema_and_keeps_it(name: str) -> None:
    text = (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith(MODELINE)
    assert [error.message for error in CHECK.iter_errors(plain(text))] == []


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("unit: day", "unit: fortnight"), ("alert_after: 45", "alert_for: 45"), ("chance: 40%", "chance: 40"),
        ("median: 10,", "median: ten days ago,"), ("14 per week", "14 a week"),
        ("ends: [Won, Lost]", "ends: []"), ("start: 2026-01-01", "start: 1 January"),
        ("earns: {Won: 1}", "earns: [Won]"),
    ],
)  # fmt: skip
def test_the_schema_finds_what_the_reader_refuses(tmp_path: Path, wrong: str, right: str) -> None:
    text = skeleton("x.yaml")
    assert CHECK.is_valid(plain(text))
    damaged = text.replace(wrong, right)
    assert damaged != text
    assert not CHECK.is_valid(plain(damaged))
    (tmp_path / "x.yaml").write_text(damaged, encoding="utf-8")
    with pytest.raises(FunnelError):
        read_funnel(tmp_path / "x.yaml")


def test_a_new_file_reads_simulates_and_keeps_its_comments_true(tmp_path: Path) -> None:
    path = new_funnel(tmp_path / "our_shop")
    assert path.name == "our_shop.yaml" and (tmp_path / SCHEMA).is_file()
    made = fs.simulate(path, days=200)
    assert made.model.funnel.name == "Our shop" and (made.log["stage"] == "Won").sum() > 10
    live, comments = path.read_text(encoding="utf-8").split("# More can be said")
    offered = [row for row in key_rows(statement.Statement) if f"\n# {row.example}\n" in comments]
    assert {row.key for row in offered} | set(reference.SAID) == {
        row.key for row in key_rows(statement.Statement)
    }
    fitting = [
        row.example for row in offered if row.key != "handed_over"
    ]  # hands over where it has no such end
    path.write_text(live + "\n".join(fitting), encoding="utf-8")
    other = fs.simulate(path, days=60)
    assert len(other.model.work) == len(other.model.referrals) == 1


def test_a_name_that_yaml_would_take_for_a_number_stays_a_name(tmp_path: Path) -> None:
    assert read_funnel(new_funnel(tmp_path / "123.yaml")).funnel.name == "123"
    with pytest.raises(FunnelError, match="is there already"):
        new_funnel(tmp_path / "123")


def test_the_terminal_tells_the_keys_and_begins_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["--help"], []):
        assert run("funnel", *words) == 0
        assert "alert_after" in capsys.readouterr().out
    assert run("funnel", "new", "mine") == 0
    assert "funnelsim simulate mine.yaml" in capsys.readouterr().out
    assert run("simulate", "mine.yaml", "--days", "30") == 0
    assert run("funnel", "new", "mine") == 2
    assert run("funnel", "new", "--help") == 0

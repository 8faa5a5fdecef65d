"""environment.yml asks conda for what pyproject.toml asks pip for; requirements.lock pins inside it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("dask", "formats", "lab", "test")


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def wanted(project: dict) -> list[str]:
    """Lines that environment.yml must list, Python first, the rest by name."""
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in EXTRAS)]
    found = [Requirement(text) for texts in lists for text in texts]
    lines = sorted(f"{need.name} {need.specifier}" for need in found if need.name != project["name"])
    return [f"python {project['requires-python']}", *lines]


def listed(environment: dict) -> list[str]:
    return [line for line in environment["dependencies"] if isinstance(line, str) and line != "pip"]


def outside(lock: str, project: dict) -> list[str]:
    """Names whose pin is missing or lies outside the range that the project asks for."""
    pins = [Requirement(line) for line in lock.split("\n") if line and not line.startswith("#")]
    version = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    needs = [Requirement(text) for texts in lists for text in texts]
    needs = [need for need in needs if need.name != project["name"]]
    return [
        need.name for need in needs if version.get(canonicalize_name(need.name), "none") not in need.specifier
    ]


def test_environment_agrees_with_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert listed(environment) == wanted(project())
    assert environment["name"] == project()["name"]
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    assert environment["dependencies"][-1] == {"pip": ["-e ."]}


@pytest.mark.parametrize("line", ["simpy >=4.1", "python >=3.11", "nbval >=0.11"])
def test_a_missing_or_changed_line_is_found(line):
    environment = {"dependencies": wanted(project())}
    assert listed(environment) == wanted(project())
    dropped = [other for other in environment["dependencies"] if other != line]
    assert len(dropped) == len(environment["dependencies"]) - 1
    assert listed({"dependencies": dropped}) != wanted(project())
    changed = [
        other.replace(">=", ">=99") if other == line else other for other in environment["dependencies"]
    ]
    assert listed({"dependencies": changed}) != wanted(project())


def test_pins_lie_inside_the_ranges():
    assert outside((ROOT / "requirements.lock").read_text(encoding="utf-8"), project()) == []


def test_a_pin_outside_its_range_is_found():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert outside(lock.replace("\nsimpy==", "\nsimpy==0."), project()) == ["simpy"]
    assert outside(lock.replace("\npandas==", "\npandoras=="), project()) == ["pandas"]


def test_lock_names_no_registry():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert not [line for line in lock.split("\n") if line.startswith("-")]

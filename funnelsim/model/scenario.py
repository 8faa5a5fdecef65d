"""Reading a scenario file: its outline, its parent, and the order of its changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from funnelsim.errors import FunnelError, nearest
from funnelsim.files import parse_yaml, read_text, shown, validated
from funnelsim.model.levers import LEVERS, Lever, Scenario
from funnelsim.model.model import Model
from funnelsim.model.statement import Name, part
from funnelsim.model.units import quote_ramps


def _listed(given: Any) -> Any:
    return [] if given is None else given


@part
class ScenarioFile:
    """A whole scenario file; every change is a mapping until its lever is known."""

    question: str = ""
    funnel: Name | None = None
    based_on: Name | None = None
    changes: Annotated[list[dict[str, Any]], BeforeValidator(_listed)] = Field(default_factory=list)


def read_scenario(path: str | Path, model: Model, *, anywhere: bool = False) -> Scenario:
    """Return the scenario that a YAML file holds, checked against a model.

    Args:
        path: the file.
        model: what the scenario is for: its stages, channels, segments and pools may be named.
        anywhere: whether `based_on` may name a file outside the scenario's own folder.

    Raises:
        FunnelError: names the file, the key path, the value, what was expected, and the nearest known name.
    """
    path = Path(path)
    file = _outline(path)
    changes: list[Lever] = []
    notes: list[str] = []
    if file.based_on is not None:
        parent = _parent(path, file.based_on, anywhere)
        below = _outline(parent)
        if below.based_on is not None:
            problem = (
                f"'{file.based_on}' itself builds on '{below.based_on}'; a scenario has at most one parent"
            )
            raise FunnelError(f"{path}: based_on: {problem}")
        changes, notes = _changes(parent, below, model)
    own, more = _changes(path, file, model)
    return Scenario(path.stem, file.question, tuple(changes + own), tuple(notes + more))


def check_scenario(path: str | Path) -> None:
    """Refuse a scenario file whose keys, levers or values are wrong whatever the model is.

    Raises:
        FunnelError: as `read_scenario`, for all that can be told without a model.
    """
    file = _outline(Path(path))
    for number, raw in enumerate(file.changes):
        _shaped(Path(path), number, raw)


def _outline(path: Path) -> ScenarioFile:
    """Return a file's outline."""
    return validated(ScenarioFile, parse_yaml(quote_ramps(read_text(path)), path), path)


def _parent(path: Path, named: str, anywhere: bool) -> Path:
    parent = path.parent / named
    if not anywhere and parent.resolve().parent != path.parent.resolve():
        raise FunnelError(f"{path}: based_on: '{named}' is outside the scenario's folder; move it there")
    if not parent.is_file():
        names = sorted(file.name for file in path.parent.glob("*.yaml"))
        raise FunnelError(f"{path}: based_on: there is no file '{named}'; {nearest(named, names)}")
    return parent


def _changes(path: Path, file: ScenarioFile, model: Model) -> tuple[list[Lever], list[str]]:
    """Return a file's own changes, each of the shape of its lever, and what to mind about them."""
    changes, notes = [], []
    for number, raw in enumerate(file.changes):
        where = f"changes[{number}]"
        change = _shaped(path, number, raw)
        try:
            notes += [f"{path.name}: {where}: {note}" for note in change.check(model)]
        except FunnelError as error:
            raise FunnelError(f"{path}: {where}.{error}") from None
        changes.append(change)
    return changes, notes


def _shaped(path: Path, number: int, raw: dict[str, Any]) -> Lever:
    """Return a change in the shape of its lever."""
    kind = _lever(raw, f"{path}: changes[{number}]")
    return validated(kind, raw, path, under=["changes", number])


def _lever(raw: dict[str, Any], where: str) -> type[Lever]:
    """Return the one lever that a change names."""
    kinds = [key for key in raw if key in LEVERS]
    if len(kinds) == 1:
        return LEVERS[kinds[0]]
    if kinds:
        raise FunnelError(f"{where}: '{kinds[0]}' and '{kinds[1]}' are two levers; write two changes")
    options = {key.rstrip("_") for kind in LEVERS.values() for key in kind.__annotations__}
    odd = [key for key in raw if key not in options]
    if odd:
        raise FunnelError(f"{where}: unknown lever {shown(odd[0])}; {nearest(odd[0], LEVERS)}")
    raise FunnelError(f"{where}: no lever is named; expected one of {', '.join(LEVERS)}")

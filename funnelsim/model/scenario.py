"""Reading a scenario, from a file or from words such as "price +5%", and writing one as a file.

Both roads end in the same changes: words become what a file would hold, and are checked as that is. The
grammar of the words is the table `FORMS`, from which help and errors are made.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field

from funnelsim.errors import FunnelError, nearest
from funnelsim.files import parse_yaml, read_text, shown, validated
from funnelsim.model.levers import LEVERS, CostsLever, Lever, Scenario, named_for
from funnelsim.model.model import Model
from funnelsim.model.stated import scenario_path
from funnelsim.model.statement import Name, part
from funnelsim.model.units import Price, amount_per_time, days_in, per_day, price, quantity, quote_ramps, span

WhatIf: TypeAlias = str | Path | Scenario


def _listed(given: Any) -> Any:
    return [] if given is None else given


def _several(given: Any) -> Any:
    return given if isinstance(given, list) else [given]


@part
class ScenarioFile:
    """A whole scenario file; every change is a mapping until its lever is known.

    Its `costs` are one or several amounts without dates; with dates they are a change.
    """

    question: str = ""
    funnel: Name | None = None
    based_on: Name | None = None
    costs: Annotated[list[Price], BeforeValidator(_several)] = Field(default_factory=list)
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
    return [*changes, *(CostsLever(costs=one) for one in file.costs)], notes


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


@dataclass(frozen=True)
class Form:
    """How one lever is said in words.

    Args:
        word: with which it begins.
        key: of the lever in a file.
        names: what is named: STAGE > PLACE, CHANNEL, ... in brackets where it may be left out.
        much: by how much, as `AMOUNTS` describes.
        clauses: what may follow.
        example: a question.
    """

    word: str
    key: str
    names: str
    much: str
    clauses: tuple[str, ...]
    example: str

    @property
    def syntax(self) -> str:
        """As in "days STAGE FACTOR [in SEGMENT] [from DATE] [until DATE]"."""
        more = [f"[{clause} {CLAUSES[clause][0]}]" for clause in self.clauses]
        much = self.much if self.key != "spend" else f"{self.much} ..."
        return " ".join(filter(None, [self.word, self.names, much, *more]))


DATED = ("from", "until")
CLAUSES = {
    "from": ("DATE", "from"),
    "until": ("DATE", "to"),
    "in": ("SEGMENT", "segment"),
    "by": ("CHANNEL", "channel"),
    "at": ("STAGE", "stage"),
    "for": ("DEALS", "deals"),
    "ramp": ("SPEEDS", "ramp"),
    "today": ("MONEY per TIME", "today"),
    "elasticity": ("NUMBER", "elasticity"),
    "lasting": ("NUMBER", "carry_over"),
}
AMOUNTS = {
    "FACTOR": "+5% | -20% | x1.5 | *1.5",
    "CHANGE": "FACTOR | +10 per week | -12000 per month",
    "REPS": "+2 | -1 | =9",
    "DEALS": "new deals | all deals | signed deals (won then); with a date new ones, else all, unless said",
    "LARGEST": "largest deal | 3 largest deals",
    "MONEY": "50000 (once) | 12000 per month",
    "DATE": "2026-10-01 | 2026-10 | 2026Q4 | 2026H2 | 2026",
    "SPEEDS": "35% 65% of full speed, month by month",
}
FORMS = (
    Form(
        "price",
        "value",
        "[SEGMENT]",
        "FACTOR",
        ("for", "elasticity", *DATED),
        "price +5% for new deals elasticity 1.5 from 2026-10",
    ),
    Form(
        "odds", "odds", "STAGE > PLACE", "FACTOR", ("in", *DATED), "odds Negotiation > Won +15% from 2026-10"
    ),
    Form("rate", "rate", "STAGE > PLACE", "FACTOR", ("in", *DATED), "rate Nurturing > Qualified x1.5"),
    Form("days", "days", "STAGE", "FACTOR", ("in", *DATED), "days Qualified -20%"),
    Form("leads", "entries", "[NAME]", "CHANGE", ("by", "at", "in", *DATED), "leads search x1.5"),
    Form(
        "spend",
        "spend",
        "CHANNEL",
        "CHANGE",
        ("today", "elasticity", "lasting", *DATED),
        "spend events -20% search +30%",
    ),
    Form("reps", "reps", "POOL", "REPS", ("ramp", *DATED), "reps account executives +2 from 2026-08"),
    Form("lose", "lose", "", "LARGEST", (), "lose 2 largest deals"),
    Form("referrals", "referrals", "[PLACE]", "FACTOR", (), "referrals x1.5"),
    Form("work", "work", "[STAGE]", "FACTOR", (), "work Negotiation -30%"),
    Form("costs", "costs", "", "MONEY", DATED, "costs 12000 per month from 2026-08"),
)
ROLES = {
    "entries": "channel, stage or segment", "referrals": "place that refers", "work": "stage that needs reps"
}  # fmt: skip
WORDS = {word: form for form in FORMS for word in (form.key, form.word)}
ARROW = re.compile(r"\s*(?:->|\N{RIGHTWARDS ARROW}|>)")
SIGN = "\N{MINUS SIGN}"
DIGITS = r"\d[\d.,_]*(?<=\d)|[.,]\d+"
PERCENT = re.compile(rf"\s*(?P<sign>[+{SIGN}-])\s*(?P<number>{DIGITS})\s*%")
TIMES = re.compile(rf"\s*[x*\N{{MULTIPLICATION SIGN}}]\s*(?P<number>{DIGITS})(?![\w%])", re.IGNORECASE)
FLOW = re.compile(
    rf"\s*(?P<sign>[+{SIGN}-])\s*(?P<number>(?:{DIGITS})(?:\s?(?:k|tsd|m|mio|million)\b)?)\s+per\s+(?P<unit>\w+)",
    re.IGNORECASE,
)
HEADS = re.compile(rf"\s*(?P<sign>[+={SIGN}-])\s*(?P<number>\d{{1,9}})(?![\w.,%])")
LARGEST = re.compile(r"\s*(?:(?P<number>\d{1,9})\s+)?largest(?:\s+(?:open\s+)?deals?)?\b", re.IGNORECASE)
MUCH = re.compile(rf"\s*[+=x*\N{{MULTIPLICATION SIGN}}{SIGN}-]\s*[\d.,]", re.IGNORECASE)
MONEY = re.compile(
    rf"\s*(?:{DIGITS})(?:\s?(?:k|tsd|m|mio|million|bn|mrd|billion)\b)?(?:\s+per\s+\w+)?", re.IGNORECASE
)
REST = re.compile(
    rf"\s*(?P<word>.+?)(?=\s*(?:->|[>;\N{{RIGHTWARDS ARROW}}]|{MUCH.pattern}|$))", re.IGNORECASE
)
NEXT = re.compile(r"\s*(?P<word>[^\s;]+)")
END = re.compile(r"\s*(?:;|$)")
PLAIN = re.compile(r"[^\W\d](?:[\w ]*\w)?")


def grammar() -> str:
    """Return the grammar of questions in words as a table, for people.

    >>> print(grammar().splitlines()[1])
      price [SEGMENT] FACTOR [for DEALS] [elasticity NUMBER] [from DATE] [until DATE]
    """
    lines = ["QUESTION: one of these, or several with ; between"]
    lines += [f"  {form.syntax}" for form in FORMS]
    lines += [f"{name}: {ways}" for name, ways in AMOUNTS.items()]
    return "\n".join([*lines, "Names are written as in your record, in quotes where that is unclear."])


def is_words(given: WhatIf) -> bool:
    """Return whether a scenario is given in words: it begins with a lever's word, or holds a space or a ';'.

    A file that exists, and whatever ends like one, is a file.

    >>> [is_words(text) for text in ("price +5%", "price_up", "my plans/price_up.yaml", "pric +5%")]
    [True, False, False, True]
    """
    if not isinstance(given, str) or Path(given).suffix in (".yaml", ".yml"):
        return False
    begins = re.match(rf"\s*(?:{'|'.join(WORDS)})\b", given, re.IGNORECASE) is not None
    return (begins or re.search(r"[\s;]", given.strip()) is not None) and not _is_file(given)


def _is_file(given: str) -> bool:
    try:
        return Path(given).is_file()
    except (OSError, ValueError):  # too long for a name, or with a sign that no name may hold
        return False


def scenario_of(given: WhatIf, model: Model) -> Scenario:
    """Return a scenario, whether it is one already, a file, the name of a shipped one, or words.

    Raises:
        FunnelError: as `read_scenario` and `read_words`.
    """
    if isinstance(given, Scenario):
        return given
    if isinstance(given, str) and is_words(given):
        return read_words(given, model)
    return read_scenario(scenario_file(given), model)


def scenario_file(name: str | Path) -> Path:
    """Return the file of a scenario: itself if it exists or has an ending, else one shipped by that name."""
    path = Path(name)
    return path if path.exists() or path.suffix else scenario_path(str(name))


def check_question(given: WhatIf) -> None:
    """Refuse what is wrong with a scenario whatever the model is: keys of a file, the first of the words."""
    if isinstance(given, str) and is_words(given):
        check_words(given)
    elif not isinstance(given, Scenario):
        check_scenario(scenario_file(given))


def check_words(text: str) -> None:
    """Refuse words that do not begin with a lever, whatever the model is.

    Raises:
        FunnelError: names the word and the nearest lever.
    """
    _form(_Reader(text, " ".join(text.split())))


def together(scenarios: Sequence[Scenario]) -> Scenario:
    """Return all changes of several scenarios as one, in their order."""
    if len(scenarios) == 1:
        return scenarios[0]
    return Scenario(
        "; ".join(one.name for one in scenarios),
        " ".join(one.question for one in scenarios if one.question),
        tuple(change for one in scenarios for change in one.changes),
        tuple(note for one in scenarios for note in one.notes),
    )


def read_words(text: str, model: Model) -> Scenario:
    """Return the scenario that words ask for, such as "price +5%; days Qualified -20% from 2026-10".

    Args:
        text: see `grammar`.
        model: what the scenario is for: its stages, channels, segments and pools may be named.

    Raises:
        FunnelError: names the word, where it stands, what was expected, and the nearest known word or name.
    """
    name = " ".join(text.split())
    reader = _Reader(text, name)
    changes: list[Lever] = []
    while True:
        form = _form(reader)
        changes += [validated(LEVERS[form.key], raw, reader.where) for raw in _said(reader, form, model)]
        if not reader.take(END):
            hint = nearest(reader.word, form.clauses) if form.clauses else "nothing may follow here"
            raise reader.wrong(f"is not understood; expected ';' or the end; {hint}")
        if not reader.text[reader.at :].strip(" ;"):
            break
    try:
        notes = [note for change in changes for note in change.check(model)]
    except FunnelError as error:
        raise FunnelError(f"{reader.where}: {error}") from None
    return Scenario(name, name, tuple(changes), tuple(f"{shown(name)}: {note}" for note in notes))


class _Reader:
    """Words, and how far they are read."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.at, self.where = text, 0, f"what if {shown(name)}"

    @property
    def word(self) -> str:
        """The next word, "" at the end."""
        found = NEXT.match(self.text, self.at)
        return found["word"] if found else ""

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Return what stands here, if it fits, and go on behind it."""
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def wrong(self, problem: str, word: str | None = None) -> FunnelError:
        """Return the error that the next word, or a longer part, is wrong."""
        start = self.at + len(self.text[self.at :]) - len(self.text[self.at :].lstrip())
        given = self.word if word is None else word
        place = f"{shown(given)} (character {start + 1})" if given else "the end"
        return FunnelError(f"{self.where}: {place} {problem}")


def _form(reader: _Reader) -> Form:
    """Read the word of a lever."""
    found = re.compile(r"\s*([^\W\d]+)").match(reader.text, reader.at)
    word = found[1].casefold() if found else ""
    if found is None or word not in WORDS:
        words = [form.word for form in FORMS]
        raise reader.wrong(f"is no lever; {nearest(word or reader.word, words)}", word or None)
    reader.at = found.end()
    return WORDS[word]


def _said(reader: _Reader, form: Form, model: Model) -> list[dict[str, Any]]:
    """Read what follows a lever's word: changes as a file would hold them."""
    said = [_named(reader, form, model) | _much(reader, form)]
    clauses: dict[str, Any] = {}
    while reader.text[reader.at :].strip() and not END.match(reader.text, reader.at):
        before = reader.at
        clause = reader.word.casefold()
        if clause in form.clauses and CLAUSES[clause][1] not in clauses:
            reader.take(NEXT)
            try:
                clauses[CLAUSES[clause][1]] = _clause(reader, clause, model)
                continue
            except FunnelError:  # a channel may be called as a clause begins
                if form.key != "spend" or not _known(reader.text, before, named_for("channel", model)):
                    raise
                reader.at = before
        if form.key != "spend" or clauses:
            break
        said.append(_named(reader, form, model) | _much(reader, form))
    return [raw | clauses for raw in said]


def _named(reader: _Reader, form: Form, model: Model) -> dict[str, Any]:
    """Read what a change is of."""
    names = form.names.strip("[]")
    if not names:
        return {}
    if names == "STAGE > PLACE":
        stage = _name(reader, "stage", model.funnel.stages, ARROW)
        if not reader.take(ARROW):
            raise reader.wrong(f"stands where '>' was expected, as in '{form.example}'")
        exits = model.funnel.exits[model.funnel.numbers[stage]]
        return {form.key: {stage: _name(reader, f"exit of '{stage}'", exits, MUCH)}}
    known = _names_of(form, model)
    if form.key == "reps" and not known:
        raise FunnelError(f"{reader.where}: this model has no pools of reps; their waits are in its days")
    unnamed = (
        MUCH.match(reader.text, reader.at) or reader.word[:1].isdigit() or END.match(reader.text, reader.at)
    )
    if form.names.startswith("[") and unnamed and not _known(reader.text, reader.at, known):
        return {form.key: "all"}
    return {form.key: _name(reader, ROLES.get(form.key, names.casefold()), known, MUCH)}


def _names_of(form: Form, model: Model) -> list[str]:
    """Return the names that a lever with one name may have."""
    places, stages = model.funnel.places, model.funnel.stages
    known: dict[str, Iterable[str]] = {
        "value": named_for("segment", model),
        "days": stages,
        "entries": [name for key in ("channel", "stage", "segment") for name in named_for(key, model)],
        "spend": named_for("channel", model),
        "reps": [pool.name for pool in model.pools],
        "referrals": [places[one.place] for one in model.referrals],
        "work": [stages[one.stage] for one in model.work],
    }
    every = dict.fromkeys(known[form.key])
    return [*every, "all"] if form.names.startswith("[") else list(every)


def named_in_words(name: str) -> str:
    """Return a name as words of a scenario hold it: in quotes, unless it is plain or has both kinds of them.

    >>> print(named_in_words("search"), named_in_words("it's on"), named_in_words("it's 19" + '"'))
    search "it's on" it's 19"
    """
    quote = next((mark for mark in "'\"" if mark not in name), "")
    return name if name.isalnum() else f"{quote}{name}{quote}"


def _name(reader: _Reader, role: str, known: Sequence[str], after: re.Pattern[str] | None = None) -> str:
    """Read the longest known name that what is expected follows, or one in quotes."""
    begin = reader.at + len(reader.text[reader.at :]) - len(reader.text[reader.at :].lstrip())
    found = _known(reader.text, begin, known)
    fitting = [name for name in found if after is None or after.match(reader.text, begin + len(name))]
    if found:
        name = (fitting or found)[0]
        reader.at = begin + len(name)
        return name
    quote = reader.text[begin : begin + 1]
    end = reader.text.find(quote, begin + 1) if quote in ("'", '"') else -1
    if end > 0:
        inside = reader.text[begin + 1 : end]
        if inside in known:
            reader.at = end + 1
            return inside
        raise reader.wrong(f"is no {role}; {nearest(inside, known)}", inside)
    rest = REST.match(reader.text, begin)
    if MUCH.match(reader.text, begin) or rest is None:
        raise reader.wrong(
            f"stands where the name of a {role.split(' of ')[0]} was expected; {nearest('', known)}"
        )
    raise reader.wrong(f"is no {role}; {nearest(rest['word'], known)}", rest["word"])


def _known(text: str, begin: int, known: Iterable[str]) -> list[str]:
    """Return the known names that stand here as whole words, whatever their case, longest first."""
    begin += len(text[begin:]) - len(text[begin:].lstrip())
    found = [
        name
        for name in known
        if text[begin : begin + len(name)].casefold() == name.casefold()
        and not (name[-1].isalnum() and text[begin + len(name) : begin + len(name) + 1].isalnum())
    ]
    return sorted(found, key=lambda name: (-len(name), text[begin : begin + len(name)] != name))


def _much(reader: _Reader, form: Form) -> dict[str, Any]:
    """Read by how much."""
    if form.much == "MONEY":
        return {form.key: _value(reader, MONEY, "money such as 50000, or 12000 per month", price)}
    if form.much == "LARGEST":
        largest = reader.take(LARGEST)
        if largest is None:
            raise reader.wrong(f"does not say what is lost; expected one of {AMOUNTS['LARGEST']}")
        return {form.key: int(largest["number"] or 1)}
    if form.much == "REPS":
        heads = reader.take(HEADS)
        if heads is None:
            raise reader.wrong(f"is no number of reps; expected one of {AMOUNTS['REPS']}")
        number = int(heads["number"])
        return (
            {"set": number} if heads["sign"] == "=" else {"add": number if heads["sign"] == "+" else -number}
        )
    try:
        begin = reader.at
        if form.much == "CHANGE" and (flow := reader.take(FLOW)):
            days_in(flow["unit"])
            sign = "" if flow["sign"] == "+" else "-"
            return {"add": f"{sign}{quantity(flow['number'])!r} per {flow['unit']}"}
        if share := reader.take(PERCENT):
            part = quantity(share["number"], money=False)
            # Rounded, as 1 + 0.07 has a last bit that 1.07 has not.
            return {"multiply": round(1 + (part if share["sign"] == "+" else -part) / 100, 12)}
        if times := reader.take(TIMES):
            return {"multiply": quantity(times["number"], money=False)}
    except FunnelError as error:
        reader.at = begin
        raise FunnelError(f"{reader.where}, from character {begin + 1} on: {error}") from None
    ways = (
        AMOUNTS["FACTOR"] if form.much == "FACTOR" else AMOUNTS["CHANGE"].replace("FACTOR", AMOUNTS["FACTOR"])
    )
    raise reader.wrong(f"does not say by how much; expected one of {ways}")


def _clause(reader: _Reader, clause: str, model: Model) -> Any:
    """Read what follows the word of a clause, as a file would hold it."""
    if clause in DATED:
        first, last = _value(
            reader,
            re.compile(r"\s*(?:FY)?\d[\w-]*(?: [QH]\d)?"),
            "a date",
            lambda text: span(text, model.calendar.first_month),
        )
        return (first if clause == "from" else last).isoformat()
    if clause in ("in", "by", "at"):
        role = CLAUSES[clause][0].casefold()
        return _name(reader, role, named_for(role, model))
    if clause == "for":
        deals = re.compile(r"\s+(new|all|signed)(\s+deals)?\b", re.IGNORECASE)
        wanted = "'new deals', 'all deals' or 'signed deals'"
        return _value(reader, deals, wanted, lambda text: text.split()[0].casefold())
    if clause == "ramp":
        speeds = re.compile(rf"(?:\s+(?:{DIGITS})\s*%)+")
        return _value(
            reader,
            speeds,
            "speeds such as 35% 65%",
            lambda text: [quantity(one, money=False) / 100 for one in re.findall(DIGITS, text)],
        )
    if clause == "today":
        flow = re.compile(r"\s*\d[\d.,_]*\w*\s+per\s+\w+")
        return _value(reader, flow, "money such as 31000 per month", price)
    return _value(
        reader, re.compile(rf"\s*(?:{DIGITS})"), "a number such as 0.4", lambda text: quantity(text, False)
    )


def _value(reader: _Reader, pattern: re.Pattern[str], wanted: str, read: Callable[[str], Any]) -> Any:
    """Read a value of some look."""
    begin = reader.at
    found = reader.take(pattern)
    if found is None:
        raise reader.wrong(f"stands where {wanted} was expected")
    try:
        return read(found[0].strip())
    except FunnelError as error:
        raise FunnelError(f"{reader.where}, from character {begin + 1} on: {error}") from None


def scenario_text(scenario: Scenario) -> str:
    """Return a scenario as YAML, which `read_scenario` reads back as the same changes.

    >>> from funnelsim.model.levers import ValueLever
    >>> print(scenario_text(Scenario("dearer", "Dearer?", (ValueLever(value="all", multiply=1.05),))))
    question: "Dearer?"
    changes:
      - {value: all, multiply: 1.05}
    <BLANKLINE>
    """
    lines = [f"  - {_flow(_raw(change))}" for change in scenario.changes]
    return "\n".join(
        [f"question: {_quoted(scenario.question)}", "changes:" if lines else "changes: []", *lines, ""]
    )


def _raw(change: Lever) -> dict[str, Any]:
    """Return a change as a file holds it, without what is not said."""
    raw = {}
    for name, field in change.__pydantic_fields__.items():  # type: ignore[attr-defined]
        value = getattr(change, name)
        if field.is_required() or value != field.get_default(call_default_factory=True):
            flow = name in ("add", "today") and isinstance(value, float)
            raw[field.alias or name] = _flow_text(value) if flow else value
    return raw


def _flow_text(amount: float) -> str:
    """Return an amount per day as text that is read back as the same number."""
    text = ("-" if amount < 0 else "") + amount_per_time(abs(amount)).replace(",", "")
    return text if per_day(text) == amount else f"{amount!r} per day"


def _flow(value: Any) -> str:
    """Return a value in YAML, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        plain = PLAIN.fullmatch(value) and value.casefold() not in ("true", "false", "null")
        per_time = re.fullmatch(r"-?[\d.e+-]+ per \w+", value)
        return value if plain or per_time else _quoted(value)
    return value.isoformat() if isinstance(value, datetime.date) else repr(value)


def _quoted(text: str) -> str:
    """Return text in quotes, signs that YAML forbids written out."""
    return "".join(
        sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in json.dumps(text, ensure_ascii=False)
    )

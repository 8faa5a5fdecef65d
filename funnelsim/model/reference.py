"""What may be written in a funnel's file, for people and for editors, made from the statement's classes."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticUndefined

from funnelsim.errors import FunnelError
from funnelsim.files import write_atomic
from funnelsim.model.stated import SHIPPED, funnel_subjects
from funnelsim.model.statement import (
    Amount,
    Channel,
    Entry,
    Exit,
    Key,
    Override,
    Recommendation,
    Segment,
    ShapeAndScale,
    Stage,
    Statement,
    Task,
    Team,
)

SCHEMA, README = "funnel.schema.json", "README.md"
MODELINE = f"# yaml-language-server: $schema={SCHEMA}\n"
# Where each mapping stands in a file, in the order in which a reader meets them.
PARTS: dict[str, Any] = {
    "The file": Statement,
    "stages: NAME:": Stage,
    "stages: NAME: exits: PLACE:": Exit,
    "weibull: or gamma:": ShapeAndScale,
    "value:": Amount,
    "entries: - (a row)": Entry,
    "segments: NAME:": Segment,
    "segments: NAME: stages: STAGE:": Override,
    "channels: NAME:": Channel,
    "pools: NAME:": Team,
    "work: - (a row)": Task,
    "referrals: - (a row)": Recommendation,
}
FORMS = (
    "Times are numbers in the file's `unit` (days where not said), or say their own: `30 days`, `2 weeks`.",
    "Hours of reps are hours, whatever the unit. One time (`delay: 30 days`, `hours: 0.5`) is a fixed one.",
    "Chances and shares are parts of one, or per cent: `0.08` is `8%`. `rest` is what the others leave.",
    "Money may end in k or M: `1.2M`. Intake and spend are amounts per time: `60 per week`.",
)
# What the live part of a new file says itself; the other keys follow as comments.
SAID = ("name", "about", "unit", "currency", "start", "stages", "ends", "earns", "value", "entries")
SKELETON = """\
# {title}: say here in one line what this funnel is about.
# Every number below is an assumption; replace it by your own.
# See it move:   funnelsim simulate {file} --html page.html
# All keys:      funnelsim funnel --help
name: {name}
unit: day # of all times below, but those of reps, which are hours
currency: EUR
start: 2026-01-01 # day 0
stages: # where a lead waits, in the order in which they are usually passed
  Lead:
    exits: # of those who take an exit, half do so within the median, nine in ten within p90
      Offer: {{chance: 40%, median: 10, p90: 30}}
      Lost: {{chance: rest, median: 20, p90: 60}}
  Offer:
    alert_after: 45 # look at a lead that has been here for longer
    exits:
      Won: {{chance: 30%, median: 14, p90: 40}}
      Lead: {{chance: 10%, median: 20, p90: 50}} # back: the need turned out to be another one
      Lost: {{chance: rest, median: 30, p90: 90}}
ends: [Won, Lost]
earns: {{Won: 1}}
value: {{median: 6000, p90: 20000}} # of a win: half are worth less, nine in ten less than p90
entries: # leads may enter at every stage
  - {{stage: Lead, channel: search, leads: 14 per week}}
  - {{stage: Offer, channel: partners, leads: 2 per week}}

# More can be said; take away the '# ' before a key:
"""


@dataclass(frozen=True)
class KeyRow:
    """One key of the reference: what it means, how it is written, what holds where it is not, an example."""

    key: str
    meaning: str
    form: str
    default: str
    example: str


def key_rows(part: Any) -> list[KeyRow]:
    """Return what the reference says of the keys of one mapping of the file, in their order.

    >>> [row.key for row in key_rows(Channel)], key_rows(Entry)[1].example
    (['spend', 'elasticity', 'carry_over'], 'leads: 60 per week')
    """
    rows = []
    for name, field in part.__pydantic_fields__.items():
        said = next(one for one in field.metadata if isinstance(one, Key))
        rows.append(KeyRow(name, said.meaning, said.form, _default(field), said.example))
    return rows


def _default(field: Any) -> str:
    if field.is_required():
        return "must be given"
    value = field.default
    if value is PydanticUndefined or value in (None, "", ()):
        return "none"
    if isinstance(value, tuple):
        return f"[{', '.join(f'{one:g}' for one in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def reference_text(width: int = 100) -> str:
    """Return the reference as a terminal shows it: each key with meaning, form, default and example."""
    lines = ["A file that states a funnel, key by key.", ""]
    lines += [row for form in FORMS for row in _wrapped(form, "  ", width)]
    for title, part in PARTS.items():
        lines += ["", title, *_wrapped(_about(part), "  ", width)]
        for row in key_rows(part):
            given = row.default if row.default == "must be given" else f"default: {row.default}"
            lines += ["", f"  {row.key}"]
            for told in (row.meaning, f"{row.form}; {given}", row.example):
                lines += _wrapped(told, "      ", width)
    return "\n".join(lines) + "\n"


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)


def _about(part: Any) -> str:
    return str(part.__doc__).partition("\n")[0]


def reference_markdown() -> str:
    """Return the page that lies beside the shipped funnels: what they are about, and every key."""
    lines = [
        "# Funnels stated in YAML",
        "",
        "Made by `funnelsim.model.reference` from the classes that read these files; a test compares.",
        "",
        "    funnelsim simulate lead_funnel                # stages, conversions, days, metrics, as tables",
        "    funnelsim simulate lead_funnel --html p.html  # the same as a page with moving leads",
        "    funnelsim funnel new our_funnel               # a commented file of your own that runs",
        "    funnelsim funnel --help                       # every key, as below",
        "",
        "## The shipped ones",
        "",
        *_table(
            ("funnel", "what it is about"), [(f"`{name}`", what) for name, what in funnel_subjects().items()]
        ),
        "",
        f"Editors that know JSON Schema check these files as they are written: line 1 names `{SCHEMA}`.",
        "",
        "## How numbers are written",
        "",
        *(f"- {form}" for form in FORMS),
    ]
    for title, part in PARTS.items():
        rows = [(f"`{r.key}`", r.meaning, r.form, r.default, f"`{r.example}`") for r in key_rows(part)]
        lines += ["", f"## {title}", "", _about(part), ""]
        lines += _table(("key", "meaning", "unit or form", "default", "example"), rows)
    return "\n".join(lines) + "\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    told = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(row)} |" for row in told]


def funnel_schema() -> str:
    """Return the JSON Schema by which an editor checks such a file, and tells the meaning of a key."""
    held = TypeAdapter(Statement).json_schema()
    held = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_plain(held)}
    return json.dumps(held, ensure_ascii=False, indent=1) + "\n"


def _plain(schema: Any) -> Any:
    """Return a schema without what no editor knows, and without an empty default that is no valid value."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    unknown = {"ge", "le", "gt", "lt", "default"} | (
        {"title"} if isinstance(schema.get("title"), str) else set()
    )
    return {name: _plain(one) for name, one in schema.items() if name not in unknown}


def skeleton(file: str) -> str:
    """Return a commented file to begin with, which reads and simulates as it is.

    >>> skeleton("our_shop.yaml").splitlines()[5]
    'name: "Our shop"'
    """
    title = Path(file).stem.replace("_", " ").strip().capitalize() or "Funnel"
    more = []
    for row in key_rows(Statement):
        if row.key not in SAID:
            more += [*_wrapped(row.meaning, "# ", 100), f"# {row.example}"]
    live = SKELETON.format(title=title, file=file, name=json.dumps(title, ensure_ascii=False))
    return MODELINE + live + "\n".join(more) + "\n"


def new_funnel(name: str | Path) -> Path:
    """Write a commented file to begin with, and beside it the schema for editors; return its path.

    Raises:
        FunnelError: there is such a file already, or it cannot be written.
    """
    path = Path(name)
    path = path if path.suffix in (".yaml", ".yml") else path.with_name(f"{path.name}.yaml")
    if path.exists():
        raise FunnelError(f"{path}: is there already; give the new funnel another name")
    write_atomic(path, skeleton(path.name))
    write_atomic(path.with_name(SCHEMA), funnel_schema())
    return path


def write_reference(folder: Path = SHIPPED) -> None:
    """Write the page and the schema that lie beside the shipped funnels."""
    write_atomic(folder / README, reference_markdown())
    write_atomic(folder / SCHEMA, funnel_schema())

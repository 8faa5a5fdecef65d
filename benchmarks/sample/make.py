"""Make the sample: `python benchmarks/sample/make.py [FOLDER]` writes history.csv, spend.csv and truth.json.

The same bytes come out every time. The record holds what the company had seen by the as-of date, with
the dirt that every CRM collects; `truth.json` holds what decided it, and what happened afterwards.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import company
import lives
from numpy.random import PCG64, Generator
from truth import truth

KNOWN_DAYS = (date.fromisoformat(company.AS_OF) - lives.FIRST_DAY).days + 1
OPENING_HOUR, HOURS = 8, 10
FIRST_NUMBER = 10001
REPEATS, JUMPS, WRONG_YEAR = 14, 9, 2062


@dataclass(frozen=True)
class Row:
    """One line of the record."""

    lead: int
    stage: str
    at: datetime
    facts: lives.Lead
    value: int | None

    def __str__(self) -> str:
        facts = (self.facts.channel, self.facts.segment, self.facts.owner)
        value = "" if self.value is None else str(self.value)
        return ",".join([str(self.lead), self.stage, f"{self.at:%Y-%m-%d %H:%M:%S}", *facts, value])


def people(seed: int = company.SEED) -> tuple[dict[str, list[int]], list[lives.Told]]:
    """Return the spend plan and every lead with its life, also beyond the end of the record."""
    rng = Generator(PCG64(seed))
    plan = lives.spend_plan(rng)
    came = list(lives.arrivals(lives.expected_leads(plan), rng))
    return plan, [lives.Told(lead, tuple(lives.life(lead, rng))) for lead in came]


def clock(day: float) -> datetime:
    """Return a day since the opening as a moment in office hours, keeping order and date.

    >>> clock(0.5)
    datetime.datetime(2023, 7, 1, 13, 0)
    """
    start = datetime.combine(lives.FIRST_DAY, time(OPENING_HOUR)) + timedelta(days=int(day))
    return start + timedelta(seconds=int((day % 1) * HOURS * 3600))


def record(told: list[lives.Told]) -> list[Row]:
    """Return one row for every place that a lead entered before the record ends, lead by lead.

    The amount is blank until a lead has been qualified; a won deal shows what was agreed.
    """
    rows = []
    for number, each in enumerate(told, FIRST_NUMBER):
        value = None
        for step in each.steps:
            if step.place not in {"Lead", "Nurturing", "Lost"}:
                value = each.lead.won_amount if step.place == "Won" else each.lead.quoted
            if step.day < KNOWN_DAYS:
                rows.append(Row(number, step.place, clock(step.day), each.lead, value))
    return rows


def dirty(rows: list[Row], rng: Generator) -> tuple[list[Row], dict[str, list[int]]]:
    """Return the rows with a CRM's dirt, and the leads that each kind of dirt is on.

    Some rows come twice, some leads pass two stages in the same second, one loss is dated decades ahead.
    """
    jumps = [i for i, (a, b) in enumerate(pairwise(rows)) if jumped(a, b)]
    jumps = chosen(jumps, JUMPS, rng)
    lost = [i for i, row in enumerate(rows) if row.stage == "Lost" and row.at.year == 2026]
    wrong = chosen(lost, 1, rng)
    twice = chosen(sorted(set(range(len(rows))) - set(wrong)), REPEATS, rng)
    found = list(rows)
    for i in jumps:
        found[i] = later(rows[i], rows[i + 1].at)
    for i in wrong:
        found[i] = later(rows[i], rows[i].at.replace(year=WRONG_YEAR))
    marks = {"repeated": twice, "same_second": jumps, "future": wrong}
    found += [found[i] for i in twice]
    return found, {kind: [rows[i].lead for i in where] for kind, where in marks.items()}


def jumped(first: Row, then: Row) -> bool:
    """Tell whether two rows are a lead's step from Needs analysis to Proposal."""
    return first.lead == then.lead and (first.stage, then.stage) == ("Needs analysis", "Proposal")


def later(row: Row, at: datetime) -> Row:
    """Return the row with another date."""
    return Row(row.lead, row.stage, at, row.facts, row.value)


def chosen(places: list[int], count: int, rng: Generator) -> list[int]:
    """Return some of the places, in order, each at most once."""
    picked: set[int] = set()
    while len(picked) < count:
        picked.add(places[int(rng.random() * len(places))])
    return sorted(picked)


def history_csv(rows: list[Row]) -> str:
    """Return the record as text, in order of time; rows of one second in the order in which they came."""
    lines = [str(row) for row in sorted(rows, key=lambda row: row.at)]
    return "\n".join(["lead,stage,at,channel,segment,owner,value", *lines, ""])


def spend_csv(plan: dict[str, list[int]]) -> str:
    """Return weekly spend as text, weeks that began before the record ends."""
    last = date.fromisoformat(company.AS_OF)
    weeks = [week for week in range(lives.WEEKS) if lives.monday(week) <= last]
    lines = [f"{lives.monday(week)},{channel},{plan[channel][week]}" for week in weeks for channel in plan]
    return "\n".join(["week,channel,spend", *lines, ""])


def contents() -> dict[str, bytes]:
    """Return the three files of the sample."""
    plan, told = people()
    rows, marks = dirty(record(told), Generator(PCG64(company.SEED + 1)))
    texts = {
        "history.csv": history_csv(rows),
        "spend.csv": spend_csv(plan),
        "truth.json": truth(plan, told, len(rows), marks, KNOWN_DAYS),
    }
    return {name: text.encode() for name, text in texts.items()}


def write(folder: Path) -> None:
    """Write the sample into a folder, each file whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents().items():
        draft = folder / f"{name}.part"
        draft.write_bytes(content)
        draft.replace(folder / name)
        print(f"{folder / name}: {len(content):,} bytes")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)

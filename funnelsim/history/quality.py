"""What was found in a file: rows read, used, set aside, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One kind of oddity: how many rows, an example, and what was done with them."""

    kind: str
    count: int
    example: str
    done: str


@dataclass(frozen=True)
class Quality:
    """The tally of a reading; nothing is dropped without a line here."""

    read: int = 0
    used: int = 0
    findings: tuple[Finding, ...] = ()

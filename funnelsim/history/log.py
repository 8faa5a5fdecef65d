"""What happened: one row per stage entered, what is known of each lead, and until when we know."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from funnelsim.history.quality import Quality


@dataclass(frozen=True)
class History:
    """A company's record of its leads, as it was known at one moment.

    Args:
        events: columns lead (text), stage (text), at (datetime64, no time zone); one row per place
            entered, stages and ends alike, sorted by lead and time.
        leads: indexed by lead; any of channel, segment, owner (text), value (float), expected_close.
        until: everything strictly before this moment is known, nothing after it.
        stages: stage names in the order in which they are usually passed.
        won, lost: names of the ends.
        began: when recording began: time before it counts as neither event nor exposure (late entry).
        currency: three letters.
        source: how the file was understood, in words.
        limits: what the source cannot tell, each in one sentence.
        quality: rows read, used, set aside and why.
        period_start: first month of the company's fiscal year.
    """

    events: pd.DataFrame
    leads: pd.DataFrame
    until: pd.Timestamp
    stages: tuple[str, ...]
    won: tuple[str, ...]
    lost: tuple[str, ...]
    began: pd.Timestamp
    currency: str = "EUR"
    source: str = ""
    limits: tuple[str, ...] = ()
    quality: Quality = field(default_factory=Quality)
    period_start: int = 1

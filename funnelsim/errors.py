"""The one family of errors that a user sees as a sentence, never as a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FunnelError(ValueError):
    """Something the user gave cannot be used; the message says what, where and what was expected."""


def nearest(name: object, known: Iterable[str]) -> str:
    """Return a hint naming the known word closest to `name`, or the known words when none is close.

    >>> nearest("Proposl", ["Qualified", "Proposal"])
    "did you mean 'Proposal'?"
    >>> nearest("xyz", ["Qualified", "Proposal"])
    'known: Qualified, Proposal'
    """
    words = [str(word) for word in known]
    folded = {word.casefold(): word for word in words}
    close = difflib.get_close_matches(str(name).casefold(), list(folded), n=1, cutoff=0.6)
    if close:
        return f"did you mean '{folded[close[0]]}'?"
    listed = ", ".join(words[:12]) + (", ..." if len(words) > 12 else "")
    return f"known: {listed}" if words else "none is known"

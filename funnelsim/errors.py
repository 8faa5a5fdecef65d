"""The one family of errors that a user sees as a sentence, never as a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


class FunnelError(ValueError):
    """Something the user gave cannot be used; the message says what, where and what was expected."""


def check_word(option: str, word: str, known: Collection[str]) -> None:
    """Refuse a word that is none of the known ones, naming the nearest.

    Raises:
        FunnelError: it is unknown.
    """
    if word not in known:
        raise FunnelError(f"{option} '{word}' is unknown; {nearest(word, known)}")


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

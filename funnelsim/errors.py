"""The one family of errors that a user sees as a sentence, never as a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from types import TracebackType


class FunnelError(ValueError):
    """Something the user gave cannot be used; the message says what, where and what was expected.

    Several faults found together are told together: a sentence each, on a line of its own.

    >>> print(FunnelError("stage 'Led' is unknown", "unit: 'fortnight' given"))
    2 faults
    - stage 'Led' is unknown
    - unit: 'fortnight' given
    """

    def __str__(self) -> str:
        if len(self.args) < 2:
            return super().__str__()
        return "\n- ".join([f"{len(self.args)} faults", *map(str, self.args)])


@dataclass(frozen=True)
class Faults:
    """What is wrong, kept until all of it can be told at once: `with faults:` around each check.

    >>> faults = Faults()
    >>> with faults:
    ...     check_word("unit", "fortnight", ["day", "week"])
    >>> faults.told
    ["unit 'fortnight' is unknown; known: day, week"]
    """

    told: list[str] = field(default_factory=list)

    def __enter__(self) -> Faults:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, FunnelError):
            return False
        self.told.extend(str(one) for one in error.args if str(one) not in self.told)
        return True

    def tell(self) -> None:
        """Refuse what was given, if anything was wrong.

        Raises:
            FunnelError: all that was.
        """
        if self.told:
            raise FunnelError(*self.told)


def missing(package: str, what: str) -> FunnelError:
    """Return the error of something that needs a library which is not installed.

    >>> print(missing("pyarrow", "reading Parquet files"))
    reading Parquet files needs pyarrow, which is not installed here: pip install pyarrow
    """
    return FunnelError(f"{what} needs {package}, which is not installed here: pip install {package}")


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
    close = nearest_name(name, words)
    if close:
        return f"did you mean '{close}'?"
    listed = ", ".join(words[:12]) + (", ..." if len(words) > 12 else "")
    return f"known: {listed}" if words else "none is known"


def nearest_name(name: object, known: Iterable[str]) -> str:
    """Return the known word closest to `name`, or nothing when none is close."""
    folded = {str(word).casefold(): str(word) for word in known}
    close = difflib.get_close_matches(str(name).casefold(), list(folded), n=1, cutoff=0.6)
    return folded[close[0]] if close else ""

"""How this package's inner loops are compiled: once, kept on disk, and never out of date.

Where numba is absent, as in a browser, the same functions run as plain Python: same results, slower.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, cast

COMPILES = find_spec("numba") is not None
if COMPILES:
    import numba
    from numba.core import event
    from numba.core.runtime.nrt import rtsys

    _njit: Callable[..., Callable[..., object]] = numba.njit
Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compile a function that makes arrays, at its first call, and keep the machine code on disk."""
    return _made(function, error_model="numpy")


def bare(function: Function) -> Function:
    """Compile a function that makes no arrays: nothing is spent on counting who refers to them.

    Counting costs more than the work itself where a call is one event of one lead and hands on
    tuples of arrays.
    """
    return _made(function, error_model="numpy", _nrt=False)


def inlined(function: Function) -> Function:
    """Compile a small function into its callers, so that loops around it become vector instructions.

    Nowhere in this package may arithmetic be reordered or fused: a lead's moments must come out equal,
    bit for bit, in a vector loop and when Python calls the function for one lead.
    """
    return _made(function, error_model="numpy", forceinline=True, _nrt=False)


def strict(function: Function) -> Function:
    """Compile a function in which a division by zero is an error, as it is in Python."""
    return _made(function)


def instead(plain: Function) -> Callable[[Function], Function]:
    """Take another function in the place of this one where nothing is compiled: one that is quick there.

    Args:
        plain: does the same, with NumPy's arrays or Python's integers in the place of loops.
    """
    return lambda function: function if COMPILES else plain


def _made(function: Function, **options: object) -> Function:
    """Compile a function and keep its machine code on disk, where a folder for it can be written."""
    if not COMPILES:
        return function
    try:
        made = _njit(cache=True, nogil=True, **options)(function)
    except (RuntimeError, OSError):
        return cast(Function, _njit(nogil=True, **options)(function))
    _forgive(getattr(made, "_cache", None))
    return cast(Function, made)


def _forgive(cache: Any) -> None:
    """Compile again where what lies on disk cannot be read, and go on where nothing can be written.

    What a damaged file raises is anybody's guess: it is read by pickle, and says which functions to call.
    """
    if cache is None:
        return
    # numba's own road first learns, for half a second, all that it knows of Python and NumPy, which only who
    # compiles has to know: it learns it again then. Machine code needs the memory that it counts in.
    read, write = getattr(cache, "_load_overload", cache.load_overload), cache.save_overload

    def load(signature: object, context: object) -> object:
        try:
            rtsys.initialize(context)
            return read(signature, context)
        except Exception:
            with suppress(OSError):
                cache.flush()
            return None

    def save(signature: object, data: object) -> None:
        with suppress(Exception):
            write(signature, data)

    cache.load_overload, cache.save_overload = load, save


def forget_outdated() -> None:
    """Remove machine code that is older than any source file of this package.

    numba looks at the file of the compiled function only, not at the files that it calls.
    """
    folder = Path(__file__).parent
    newest = max(source.stat().st_mtime for source in folder.glob("*.py"))
    for index in (folder / "__pycache__").glob("*.nbi"):
        with suppress(OSError):  # another process may have just removed it, or the folder cannot be written
            if index.stat().st_mtime < newest:
                index.unlink()


class Notice:
    """Says to whoever is at a terminal, once in a process, why the first run after installing is slow."""

    def __init__(self) -> None:
        self.over = False

    def notify(self, happening: Any) -> None:
        """Hear that numba begins or ends to compile; code that is kept on disk is not compiled again."""
        if happening.is_start and not self.over and sys.stderr.isatty():
            self.over = True
            print("Compiling the engine, once after installing: about half a minute ...", file=sys.stderr)


if COMPILES:
    event.Listener.register(Notice)
    listen: Callable[[str, object], None] = event.register
    listen("numba:compile", Notice())
    forget_outdated()

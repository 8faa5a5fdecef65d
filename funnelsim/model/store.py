"""A model as a file: readable JSON that gives back an equal model, or is refused in one sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.files import read_text, write_atomic
from funnelsim.model.funnel import Draw, Funnel, Pool, Referral, Work
from funnelsim.model.model import (
    Calendar,
    Cell,
    Due,
    Entries,
    IntakeChange,
    Model,
    SigningPrice,
    Sizes,
    Spend,
    Values,
    Window,
    kind_numbers,
)
from funnelsim.model.rates import Counts, RateChange, RateTable

FORMAT = "funnelsim model"
VERSION = 2  # 2: changes that levers make are called RateChange and IntakeChange
LARGEST_FILE = 500_000_000  # bytes; what is larger is no model
_KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        Model, Funnel, RateTable, Counts, RateChange, Entries, Cell, IntakeChange, Window, Spend, Values,
        SigningPrice, Pool, Work, Draw, Referral, Calendar, Due, Sizes,
    )
}  # fmt: skip
_ODD = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def save_model(model: Model, path: str | Path) -> None:
    """Write a model to a JSON file, whole or not at all; `load_model` gives back an equal one."""
    data = {"format": FORMAT, "version": VERSION, "model": encode(model)}
    write_atomic(path, json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def load_model(path: str | Path) -> Model:
    """Read a model that `save_model` wrote.

    Raises:
        FunnelError: the file is missing, no JSON, no model, of a later version, or damaged.
    """
    try:
        data = json.loads(read_text(path, LARGEST_FILE))
    except json.JSONDecodeError as error:
        raise FunnelError(f"{path}: no saved model: {error.msg} in line {error.lineno}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise FunnelError(f"{path}: no saved model: expected a file that begins with 'format: {FORMAT}'")
    if data.get("version") != VERSION:
        raise FunnelError(
            f"{path}: version {data.get('version')} of the format; this program reads {VERSION}: "
            "calibrate the history again"
        )
    try:
        model = decode(data["model"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FunnelError(f"{path}: the saved model is damaged: {error}") from None
    if not isinstance(model, Model):
        raise FunnelError(f"{path}: the saved model is damaged: it holds no Model")
    _check_shapes(model, path)
    return model


def encode(thing: object) -> Any:
    """Return JSON data for a noun of the model: numbers, texts, lists, and objects that name their kind.

    >>> encode(Cell(0, 1, "search"))
    {'noun': 'Cell', 'stage': 0, 'group': 1, 'channel': 'search'}
    """
    if isinstance(thing, np.ndarray):
        return {"noun": "array", "type": thing.dtype.name, "shape": list(thing.shape), "data": _plain(thing)}
    if isinstance(thing, pd.Timestamp):
        return {"noun": "moment", "at": thing.isoformat()}
    if is_dataclass(thing) and type(thing).__name__ in _KINDS:
        named = ((part.name, getattr(thing, part.name)) for part in fields(thing) if part.init)
        return {"noun": type(thing).__name__} | {name: encode(value) for name, value in named}
    if isinstance(thing, Mapping):
        return {"noun": "table", "rows": [[key, encode(value)] for key, value in thing.items()]}
    if isinstance(thing, tuple | list):
        return [encode(item) for item in thing]
    if isinstance(thing, np.generic):
        return encode(thing.item())
    if isinstance(thing, float) and not math.isfinite(thing):
        return {"noun": "number", "is": str(thing)}
    if thing is None or isinstance(thing, bool | int | float | str):
        return thing
    raise FunnelError(f"a {type(thing).__name__} cannot be saved")


def decode(data: Any) -> Any:
    """Return the noun that `encode` wrote; lists become tuples.

    Raises:
        KeyError, TypeError, ValueError: the data is none of its making.
    """
    if isinstance(data, list):
        return tuple(decode(item) for item in data)
    if not isinstance(data, dict):
        return data
    kind = data["noun"]
    if kind == "array":
        flat = [_ODD[x] if isinstance(x, str) else x for x in data["data"]]
        return np.array(flat, dtype=data["type"]).reshape(data["shape"])
    if kind == "moment":
        return pd.Timestamp(data["at"])
    if kind == "number":
        return _ODD[data["is"]]
    if kind == "table":
        return {key: decode(value) for key, value in data["rows"]}
    if kind not in _KINDS:
        raise ValueError(f"unknown noun '{kind}'")
    return _KINDS[kind](**{name: decode(value) for name, value in data.items() if name != "noun"})


def same(one: object, other: object) -> bool:
    """Return whether two nouns of the model are equal in every number and word.

    >>> same(Cell(0, 1), Cell(0, 1)), same(np.array([1.0, np.nan]), np.array([1.0, 2.0]))
    (True, False)
    """
    return json.dumps(encode(one)) == json.dumps(encode(other))


def _plain(array: np.ndarray[Any, Any]) -> list[Any]:
    flat: list[Any] = array.ravel().tolist()
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return flat
    return [x if math.isfinite(x) else str(x) for x in flat]


def _check_shapes(model: Model, path: str | Path) -> None:
    """Refuse a model whose tables do not fit its funnel and groups, as after an edit by hand."""
    groups, (stages, exits) = len(model.groups), model.funnel.targets.shape
    wanted = (groups, stages, exits)
    shape = model.table.rate.shape[1:4]
    if shape != wanted:
        raise FunnelError(f"{path}: the saved model is damaged: rates for {shape}, expected {wanted}")
    if len(model.values.amounts) != groups or len(model.entries.share) != len(model.entries.cells):
        raise FunnelError(f"{path}: the saved model is damaged: its values or entries do not fit its groups")
    wanted = (len(set(kind_numbers(model))), stages, exits)
    if model.due is not None and model.due.counts.events.shape[:3] != wanted:
        shape = model.due.counts.events.shape[:3]
        raise FunnelError(f"{path}: the saved model is damaged: dates for {shape}, expected {wanted}")

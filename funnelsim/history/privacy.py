"""People: leads named by e-mail or phone are numbered, and names can be hashed with a key."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.history.assemble import Raw

PERSONAL = r"^(?:[^@\s]+@[^@\s]+\.[^@\s]+|\+[\d\s()/-]{7,})$"
DIGITS = 16


def protected(raw: Raw, personal: bool, anonymise: str | None) -> Raw:
    """Return rows whose leads, and with a key also whose owners, name no person.

    Args:
        raw: what a reader understood.
        personal: whether e-mail addresses and phone numbers may stay as names of leads.
        anonymise: a secret key; leads and owners become its HMAC-SHA256, so that files hashed with the
            same key still belong together.

    Raises:
        FunnelError: the key is empty.
    """
    if anonymise is not None:
        if not anonymise:
            raise FunnelError("anonymise: an empty key; expected a secret of your own")
        columns = [column for column in ("lead", "owner") if column in raw.rows.columns]
        hashed = {column: _hashed(raw.rows[column], anonymise) for column in columns}
        return replace(raw, rows=raw.rows.assign(**hashed))
    lead = raw.rows["lead"]
    if personal or not lead.str.fullmatch(PERSONAL).any():
        return raw
    number = pd.factorize(lead, sort=True)[0] + 1
    width = len(str(number.max()))
    named = pd.Series([f"lead {n:0{width}d}" for n in number], index=lead.index, dtype="str")
    limit = "Leads were named by e-mail addresses or phone numbers: they are numbered instead."
    return replace(raw, rows=raw.rows.assign(lead=named.mask(lead == "", "")), limits=(*raw.limits, limit))


def _hashed(names: pd.Series, key: str) -> pd.Series:
    """Return each name's keyed hash; blank stays blank."""
    secret = key.encode("utf-8")
    unique = {
        name: hmac.new(secret, str(name).encode("utf-8"), hashlib.sha256).hexdigest()[:DIGITS] if name else ""
        for name in names.unique()
    }
    return names.map(unique).astype("str")

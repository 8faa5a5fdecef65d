"""XES logs: events with the attributes of their trace; what could blow up is refused."""

from pathlib import Path

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.log import History
from funnelsim.history.read import read_history


def read(folder: Path, text: str, name: str, **how: object) -> History:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_history(path, **how)


XES = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1.0" xmlns="http://www.xes-standard.org/">
 <trace><string key="concept:name" value="c1"/><float key="AMOUNT" value="12.5"/>
  <event><string key="concept:name" value="Lead"/><string key="lifecycle:transition" value="start"/>
   <date key="time:timestamp" value="2026-01-01T09:00:00.000+01:00"/></event>
  <event><string key="concept:name" value="Lead"/><string key="lifecycle:transition" value="complete"/>
   <date key="time:timestamp" value="2026-01-02T00:30:00.000+01:00"/>
   <string key="org:resource" value="Ann"/></event>
  <event><string key="concept:name" value="Won"/><string key="lifecycle:transition" value="complete"/>
   <date key="time:timestamp" value="2026-01-03T09:00:00.000+01:00"/></event>
 </trace>
</log>"""


def test_xes(tmp_path: Path) -> None:
    made = read(tmp_path, XES, "log.xes")
    assert made.events["at"].tolist() == [pd.Timestamp("2026-01-01 23:30"), pd.Timestamp("2026-01-03 08:00")]
    assert made.leads.loc["c1", "owner"] == "Ann"
    berlin = {"zone": "Europe/Berlin", "columns": {"value": "case:AMOUNT"}}
    made = read(tmp_path, XES, "log.xes", mapping=berlin, source="log")
    assert made.events["at"][0] == pd.Timestamp("2026-01-02 00:30")
    assert made.leads.loc["c1", "value"] == 12.5
    with pytest.raises(FunnelError, match="declares a document type"):
        read(tmp_path, XES.replace("<log", '<!DOCTYPE x [<!ENTITY a "b">]><log', 1), "log.xes")
    with pytest.raises(FunnelError, match="not well-formed XML"):
        read(tmp_path, XES[:-20], "log.xes")


def test_a_document_type_is_found_however_far_down(tmp_path: Path) -> None:
    kind = '<!DOCTYPE log [<!ENTITY a "aaa"><!ENTITY b "&a;&a;&a;">]>'
    text = XES.replace("<log", f"<!--{'x' * 200_000}-->{kind}<log", 1).replace('"Ann"', '"&b;"')
    with pytest.raises(FunnelError, match="declares a document type"):
        read(tmp_path, text, "log.xes")


def test_an_entity_that_nobody_declares_is_no_xml(tmp_path: Path) -> None:
    late = XES.replace("<trace>", f"<!--{'x' * 200_000}--><trace>").replace('"Ann"', '"&lol;"')
    with pytest.raises(FunnelError, match="not well-formed XML: undefined entity"):
        read(tmp_path, late, "log.xes")

"""The mapping file: its defaults, names on both sides, and refusals that name the key."""

from pathlib import Path

import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.mapping_file import read_said, stated


def test_stages_may_be_renamed_listed_or_all() -> None:
    renamed = stated({"stages": {"s": "Submitted", "w": "Won"}, "won": ["w"], "lost": "x"}, "m")
    assert renamed.ends == (("Won",), ("x",))
    assert renamed.ours == {"s": "Submitted", "w": "Won", "x": "x"}
    assert stated({"stages": ["A", "B"], "won": "C"}, "m").ours == {"A": "A", "B": "B", "C": "C"}
    assert stated({"won": "C"}, "m").ours == {}, "all stages of the file count"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"colunms": {}}, "m.yaml: unknown key 'colunms'; did you mean 'columns'?"),
        ({"columns": {"leed": "x"}}, "m.yaml: columns: unknown key 'leed'; did you mean 'lead'?"),
        ({"visits": "last"}, "m.yaml: visits: 'last' given"),
        ({"period_start": 0}, "m.yaml: period_start: 0 given"),
        ({"attributes": {"file": "x"}}, "m.yaml: attributes: the key 'lead' is missing"),
        ({"won": "x", "lost": ["x"]}, "m.yaml: 'x' is named under both `won` and `lost`"),
    ],
)
def test_refusals_name_the_key(said: dict[str, object], sentence: str) -> None:
    with pytest.raises(FunnelError) as refusal:
        stated(said, "m.yaml")
    assert str(refusal.value).startswith(sentence)


def test_the_file_must_hold_keys(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("- a\n- b\n", encoding="utf-8")
    with pytest.raises(FunnelError, match="expected keys such as `columns`"):
        read_said(path)
    path.write_text("won: Paid\n", encoding="utf-8")
    assert read_said(path) == ({"won": "Paid"}, str(path), tmp_path)

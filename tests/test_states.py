"""State stands above the clock: in every table with one row per lead, what a row calls closed is closed."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funnelsim.errors import FunnelError
from funnelsim.history.log import History, bookings, open_leads
from funnelsim.history.read import read_history

FIRST = datetime.datetime(2025, 1, 1)


@dataclass(frozen=True)
class Deal:
    """What is true of a deal: its state, when it was created, days until its date of closing, its worth."""

    state: str
    created: float
    closed: float | None
    worth: int

    @property
    def born(self) -> str:
        return f"{FIRST + datetime.timedelta(days=self.created):%Y-%m-%d %H:%M:%S}"

    def end(self, *states: str) -> str:
        """The date of closing as people type it, without a time, where the deal is in one of these states."""
        if self.closed is None or self.state not in states:
            return ""
        return f"{FIRST + datetime.timedelta(days=self.created + self.closed):%Y-%m-%d}"


DEAL = st.builds(
    Deal,
    st.sampled_from(["open", "won", "lost", "gone"]),
    st.floats(0, 100).map(lambda days: round(days, 3)),
    st.one_of(st.none(), st.floats(-20, 150)),
    st.integers(1, 9999),
)
CERTAIN = Deal("won", 50.5, 10.0, 77)  # a table without a win is refused
WORDS = {"open": "Proposal", "won": "Closed Won", "lost": "Closed Lost", "gone": "Deleted"}


def salesforce(deals: list[Deal]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Id": [f"006{n}" for n in range(len(deals))],
            "StageName": [WORDS[deal.state] for deal in deals],
            "Amount": [deal.worth for deal in deals],
            "CreatedDate": [deal.born for deal in deals],
            "CloseDate": [deal.end("won", "lost", "open") for deal in deals],
            "IsClosed": [str(deal.state in ("won", "lost")).lower() for deal in deals],
            "IsWon": [str(deal.state == "won").lower() for deal in deals],
            "IsDeleted": [str(deal.state == "gone").lower() for deal in deals],
        }
    )


def entry_dates(deals: list[Deal]) -> pd.DataFrame:
    return salesforce(deals).assign(
        Proposal_Entry_Date__c=[deal.born for deal in deals],
        Closed_Won_Date__c=[deal.end("won") for deal in deals],
    ).drop(columns=["CreatedDate"])  # fmt: skip


def pipedrive(deals: list[Deal]) -> pd.DataFrame:
    words = {"gone": "deleted"}
    return pd.DataFrame(
        {
            "Deal - ID": range(len(deals)),
            "Deal - Value": [deal.worth for deal in deals],
            "Deal - Status": [words.get(deal.state, deal.state) for deal in deals],
            "Deal - Deal created": [deal.born for deal in deals],
            "Deal - Won time": [deal.end("won") for deal in deals],
            "Deal - Lost time": [deal.end("lost") for deal in deals],
            "Deal - Expected close date": [deal.end("open") for deal in deals],
        }
    )


def pipedrive_api(deals: list[Deal]) -> pd.DataFrame:
    frame = pipedrive(deals)
    frame.columns = ["id", "value", "status", "add_time", "won_time", "lost_time", "expected_close_date"]
    return frame.assign(stage_change_time=frame["add_time"])


def hubspot(deals: list[Deal]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Record ID": range(len(deals)),
            "Deal Stage": [WORDS[deal.state] for deal in deals],
            "Amount": [deal.worth for deal in deals],
            "Create Date": [deal.born for deal in deals],
            "Close Date": [deal.end("won", "lost", "open") for deal in deals],
        }
    )


def hubspot_flags(deals: list[Deal]) -> pd.DataFrame:
    return hubspot(deals).assign(
        **{"Deal Stage": "1234"},
        hs_is_closed=[deal.state in ("won", "lost") for deal in deals],
        hs_is_closed_won=[deal.state == "won" for deal in deals],
        hs_is_deleted=[deal.state == "gone" for deal in deals],
    )


def hubspot_stamps(deals: list[Deal]) -> pd.DataFrame:
    return hubspot(deals).assign(
        **{
            'Date entered "Proposal (Sales)"': [deal.born for deal in deals],
            'Date entered "Closed Won (Sales)"': [deal.end("won") for deal in deals],
            'Date entered "Closed Lost (Sales)"': [deal.end("lost") for deal in deals],
        }
    ).drop(columns=["Create Date", "Close Date"])  # fmt: skip


def zendesk(deals: list[Deal]) -> pd.DataFrame:
    words = {"open": "Quote", "won": "Won", "lost": "Unqualified", "gone": "Won"}
    return pd.DataFrame(
        {
            "id": range(len(deals)),
            "value": [deal.worth for deal in deals],
            "stage_id": range(len(deals)),
            "stage": [words[deal.state] for deal in deals],
            "last_stage_change_at": [deal.end("won", "lost", "open") for deal in deals],
            "created_at": [deal.born for deal in deals],
            "deleted": [deal.state == "gone" for deal in deals],
        }
    )


def dynamics(deals: list[Deal]) -> pd.DataFrame:
    codes = {"open": 0, "won": 1, "lost": 2, "gone": 0}
    return pd.DataFrame(
        {
            "opportunityid": range(len(deals)),
            "estimatedvalue": [deal.worth + 5 * (deal.state == "won") for deal in deals],
            "actualvalue": [deal.worth if deal.state == "won" else None for deal in deals],
            "statecode": [codes[deal.state] for deal in deals],
            "createdon": [deal.born for deal in deals],
            "actualclosedate": [deal.end("won", "lost") for deal in deals],
            "is_deleted": [int(deal.state == "gone") for deal in deals],
        }
    )


def dynamics_process(deals: list[Deal]) -> pd.DataFrame:
    codes = {"open": "Active", "won": "Finished", "lost": "Aborted", "gone": "Active"}
    return pd.DataFrame(
        {
            "opportunityid": range(len(deals)),
            "activestageid": "s2",
            "traversedpath": "s1,s2",
            "statuscode": [codes[deal.state] for deal in deals],
            "createdon": [deal.born for deal in deals],
            "activestagestartedon": [deal.born for deal in deals],
            "completedon": [deal.end("won", "lost") for deal in deals],
            "isdeleted": [deal.state == "gone" for deal in deals],
        }
    )


def two_dates(deals: list[Deal]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "opportunity_id": range(len(deals)),
            "deal_stage": [
                {"open": "Engaging", "gone": "deleted"}.get(deal.state, deal.state) for deal in deals
            ],
            "engage_date": [deal.born for deal in deals],
            "close_date": [deal.end("won", "lost") for deal in deals],
            "close_value": [deal.worth if deal.state == "won" else None for deal in deals],
        }
    )


def own(deals: list[Deal]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "deal": range(len(deals)),
            "began": [deal.born for deal in deals],
            "state": [deal.state.upper() for deal in deals],
            "ended": [deal.end("won", "lost", "open") for deal in deals],
            "won on": [deal.end("won") for deal in deals],
            "lost on": [deal.end("lost") for deal in deals],
            "worth": [deal.worth for deal in deals],
            "merged": ["x" if deal.state == "gone" else "" for deal in deals],
        }
    )


COLUMNS = {"columns": {"lead": "deal", "value": "worth"}}
OUTCOME = {**COLUMNS, "dates": {"Start": "began"}, "outcome": {"stage": "state", "at": "ended"}}
STATED = {**OUTCOME, "won": "Won", "lost": "Lost", "stages": ["Start"]}
ENDS = {**COLUMNS, "dates": {"Start": "began", "Won": "won on", "Lost": "lost on"}}
ENDS_AND_STATE = {**ENDS, "outcome": {"stage": "state"}}
READERS: dict[str, tuple[Callable[[list[Deal]], pd.DataFrame], dict[str, object] | None]] = {
    "salesforce-opportunities": (salesforce, None),
    "entry-dates": (entry_dates, None),
    "pipedrive": (pipedrive, None),
    "pipedrive-api": (pipedrive_api, None),
    "hubspot-two-dates": (hubspot, None),
    "hubspot-flags": (hubspot_flags, None),
    "hubspot-stamps": (hubspot_stamps, None),
    "zendesk-sell": (zendesk, None),
    "dynamics": (dynamics, None),
    "dynamics-process": (dynamics_process, None),
    "two-dates": (two_dates, None),
    "mapping-outcome": (own, OUTCOME),
    "mapping-stated": (own, STATED),
    "mapping-dates": (own, ENDS),
    "mapping-dates-and-state": (own, ENDS_AND_STATE),
}
WITHOUT_OPEN_AMOUNTS = ("dynamics-process", "two-dates")


def aside(history: History, kind: str = "") -> int:
    lines = [line for line in history.quality.findings if line.done.startswith("set aside")]
    return sum(line.count for line in lines if line.kind.startswith(kind))


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=8, suppress_health_check=list(HealthCheck), derandomize=True)
@given(deals=st.lists(DEAL, min_size=3, max_size=40))
def test_open_leads_are_the_rows_not_closed_and_wins_the_rows_won(name: str, deals: list[Deal]) -> None:
    shape, mapping = READERS[name]
    deals = [*deals, CERTAIN]
    if name == "mapping-dates":  # without a column of states, a closed deal without a date is an open one
        deals = [deal for deal in deals if deal.closed is not None]
    made = read_history(shape(deals), mapping)
    dated = [deal for deal in deals if deal.closed is not None]
    opened = [deal for deal in deals if deal.state == "open"]
    won = [deal for deal in dated if deal.state == "won"]
    waiting, wins = open_leads(made), bookings(made)
    assert len(waiting) == len(opened)
    assert len(wins) == len(won)
    assert made.events["stage"].isin(made.lost).sum() == sum(deal.state == "lost" for deal in dated)
    if name not in WITHOUT_OPEN_AMOUNTS:
        assert waiting["value"].sum() == sum(deal.worth for deal in opened)
    if name != "dynamics-process":
        assert wins["value"].sum() == sum(deal.worth for deal in won)
    undated = [deal for deal in deals if deal.closed is None]
    assert aside(made, "won without") == sum(deal.state == "won" for deal in undated)
    assert aside(made, "lost without") == sum(deal.state == "lost" for deal in undated)
    assert made.quality.read == len(deals) == made.quality.used + aside(made)
    assert (waiting["age"] >= 0).all()
    assert wins["at"].lt(made.until).all()


def table(*rows: tuple[str, str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["began", "state", "ended"]).assign(worth=10)
    return frame.assign(deal=[f"d{n}" for n in range(len(rows))])


def lines(history: History) -> dict[str, int]:
    return {line.kind: line.count for line in history.quality.findings}


def test_an_end_before_the_creation_is_a_stay_of_no_time_with_a_line_and_a_note() -> None:
    made = read_history(
        table(("2025-03-01 09:30", "Won", "2025-03-01"), ("2025-03-02 09:30", "Lost", "2025-02-20")), OUTCOME
    )
    assert made.events["at"].tolist() == [
        pd.Timestamp(day) for day in ["2025-03-01 09:30"] * 2 + ["2025-03-02 09:30"] * 2
    ]
    assert lines(made)["ends before the creation"] == 2
    assert any(limit.startswith("2 ends lay before the creation") for limit in made.limits)


def test_closed_without_a_date_is_out_of_the_pipeline_with_a_line_and_a_note() -> None:
    made = read_history(
        table(
            ("2025-01-01", "Won", "2025-03-01"), ("2025-01-02", "Won", ""), ("2025-01-03", "Lost", ""),
            ("2025-02-01", "Open", ""),
        ),
        OUTCOME,
    )  # fmt: skip
    assert open_leads(made)["lead"].tolist() == ["d3"]
    assert bookings(made)["lead"].tolist() == ["d0"]
    assert any(
        "2 closed leads have no date of closing" in limit and "50% fewer" in limit for limit in made.limits
    )


def test_a_date_typed_into_the_future_moves_no_as_of_date_and_opens_nothing() -> None:
    rows = [(f"2025-01-{n % 28 + 1:02d}", "Won", f"2025-03-{n % 28 + 1:02d}") for n in range(60)]
    rows += [("2025-01-15", "Won", "2025-07-31")] * 3 + [("2025-03-15", "Open", "2025-07-31")] * 10
    made = read_history(table(*rows), OUTCOME)
    assert made.until == pd.Timestamp("2025-03-29")
    assert len(bookings(made)) == 63
    assert open_leads(made)["age"].unique().tolist() == [14.0]
    assert lines(made)["closed with a date in the future"] == 3
    later = read_history(table(*rows), OUTCOME, as_of="2025-08-15")
    assert bookings(later)["at"].max() == pd.Timestamp("2025-07-31"), (
        "asked for, the date counts as it stands"
    )
    early = read_history(table(*rows), OUTCOME, as_of="2025-03-10")
    assert bookings(early)["at"].max() == pd.Timestamp("2025-03-10")
    assert len(open_leads(early)) == 63 - len(bookings(early)), "as of then, the others were open"


def test_what_the_source_stamped_itself_tells_which_dates_are_in_the_future() -> None:
    rows = table(
        ("2025-01-01", "Won", "2025-02-01"), ("2025-01-02", "Won", "2025-02-20"), ("2025-01-03", "Open", "")
    )
    assert read_history(rows, OUTCOME).until == pd.Timestamp("2025-02-21")
    made = read_history(rows.assign(LastModifiedDate="2025-02-03"), OUTCOME)
    assert made.until == pd.Timestamp("2025-02-02"), "the last event that is no typed date of the future"
    assert len(bookings(made)) == 2


def test_leads_of_one_month_followed_until_they_closed_keep_their_dates() -> None:
    rows = [(f"2025-01-{n + 1:02d}", "Lost", f"2025-02-{n % 28 + 1:02d}") for n in range(28)]
    rows += [(f"2025-01-{n + 1:02d}", "Won", f"2025-0{n}-20") for n in range(3, 7)]
    assert read_history(table(*rows), OUTCOME).until == pd.Timestamp("2025-06-21")


LIVES = {
    "New>Won": (1, 0), "New>Won>Lost": (0, 0), "New>Won>New>Lost": (0, 0), "New>Lost>Won": (1, 0),
    "New>Won>Lost>Won": (1, 0), "New>Won>New": (1, 1), "New>Won>Lost>New": (0, 1), "Won>Lost": (0, 0),
}  # fmt: skip


def log(*lives: str) -> pd.DataFrame:
    rows = [
        (f"L{number}", place, FIRST + datetime.timedelta(days=10 * number + day), 100)
        for number, life in enumerate(lives)
        for day, place in enumerate(life.split(">"))
    ]
    return pd.DataFrame(rows, columns=["lead", "stage", "at", "value"])


@pytest.mark.parametrize("life", LIVES)
def test_an_undone_win_is_no_revenue(life: str) -> None:
    made = read_history(log(life, "New>Won"))
    wins, waiting = LIVES[life]
    assert len(bookings(made)) == wins + 1
    assert len(open_leads(made)) == waiting
    undone = life.split(">").count("Won") - wins
    assert lines(made).get("undone wins", 0) == undone
    assert made.quality.read == made.quality.used + undone


def test_a_win_stands_until_it_is_undone() -> None:
    made = read_history(log("New>Won>Lost", "New>Won"))
    assert made.as_of("2025-01-02").undone.empty
    assert len(bookings(made.as_of("2025-01-02"))) == 1
    assert bookings(made.as_of("2025-01-03")).empty
    assert bookings(made)["lead"].tolist() == ["L1"]
    pd.testing.assert_frame_equal(made.as_of("2025-01-12").record, made.record)


def test_a_loss_after_a_win_is_churn_where_leads_win_again_or_the_win_leads_on() -> None:
    lives = ("New>Won>Lost", "New>Won", "New>Won>Lost")
    each = read_history(log(*lives), {"wins": "each", "won": "Won"})
    assert (len(bookings(each)), each.undone.empty) == (3, True)
    assert len(bookings(read_history(log(*lives)))) == 1
    onboarding = ["New>Won>Onboarding"] * 3
    assert len(bookings(read_history(log(*lives, *onboarding)))) == 6, "Won leads on to a stage of its own"
    back = ["New>Won>New"] * 3
    assert len(bookings(read_history(log(*lives, *back)))) == 4, "New is no stage after a win"


def test_a_list_without_a_date_of_creation_is_told_so() -> None:
    with pytest.raises(
        FunnelError, match="nothing is dated: no column with the day on which a lead was created"
    ):
        read_history(pipedrive([CERTAIN]).drop(columns="Deal - Deal created"))


def test_a_year_mistyped_in_a_short_table_moves_no_as_of_date(tmp_path: Path) -> None:
    rows = "1,2025-01-01,2025-02-01,Won\n2,2025-01-02,2025-02-02,Lost\n3,2025-01-03,,Open\n"
    (tmp_path / "d.csv").write_text(f"deal,created,closed,status\n{rows}4,2025-01-05,2031-02-02,Won\n")
    made = read_history(tmp_path / "d.csv")
    assert made.until == pd.Timestamp("2025-02-03")
    assert (len(bookings(made)), open_leads(made)["lead"].tolist()) == (2, ["3"])

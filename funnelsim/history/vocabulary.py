"""The words of other people's tables: yes and no, won and lost, told by whole words, for all readers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import replace

import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.files import shown
from funnelsim.history.parse import BLANK
from funnelsim.history.quality import Finding
from funnelsim.history.tables import Table

# Of these a cell that is not blank says so: a moment, or the row that took this one's place.
GONE_IF_FILLED = {
    "deleted rows": {
        "deleted_at",
        "deletedat",
        "deleted on",
        "deleted date",
        "deleted_date",
        "deleted_on",
        "date_deleted",
        "deleted_by",
        "deletedby",
        "deleted by",
        "_ab_cdc_deleted_at",
        "_sdc_deleted_at",
        "gelöscht am",
    },
    "merged rows": {"masterrecordid", "master_record_id", "merged_into", "merged into", "merged_into_id"},
    "archived rows": {"archived_at", "archivedat", "archived on", "archived_on", "archiviert am"},
}
MOMENT = re.compile(r"\d{1,4}[-./]\d")
APART = re.compile(r"\s[-\u2013\u2014]+|[-\u2013\u2014]+\s|[()\[\]{}:;,|/\\]")
TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
Ends = tuple[tuple[str, ...], tuple[str, ...]]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


YES = _words("""
    true t yes y 1 1.0 on x ✓ ✔ ja j wahr oui o vrai v sí si s verdadero sim verdadeiro vero ano tak prawda
    evet да истина waar sann 是 真 对 はい 예
""")
NO = _words("""
    false f no n 0 0.0 off nein falsch non faux não nao falso ne nie nee nej hayır нет ложь onwaar falsk
    否 假 不 いいえ 아니요
""")


def flags(table: Table, column: str) -> pd.Series:
    """Return whether each cell of a column says yes; a blank one says no.

    Args:
        table: cells as they stand.
        column: its name.

    Raises:
        FunnelError: no such column, or a word that is neither yes nor no; names the row and the word.

    >>> flags(Table(pd.DataFrame({"IsWon": ["TRUE", "t", "nein", ""]}), "a.csv", ""), "IsWon").tolist()
    [True, True, False, False]
    """
    cells = table.text(column).str.casefold()
    unknown = ~cells.isin(YES | NO | set(BLANK))
    if unknown.any():
        row = int(unknown.to_numpy().argmax())
        raise FunnelError(
            f"{table.file}, row {cells.index[row]}, column '{column}': {shown(table.text(column).iloc[row])} "
            "is neither yes nor no; expected a word like true or false"
        )
    return cells.isin(YES)


# Columns that say of a row that it is gone, as the CRMs and the connectors of warehouses name them.
GONE = {
    "deleted rows": _words("""
        isdeleted is_deleted deleted hs_is_deleted _fivetran_deleted trashed isdelete is_delete __deleted
        _deleted record_status__s gelöscht supprimé supprimée eliminado eliminata eliminato excluído
        verwijderd удалено 已删除
    """),
    "merged rows": _words("merged is_merged ismerged zusammengeführt fusionné fusionado 已合并"),
    "archived rows": _words("""
        archived is_archived isarchived archiviert archivé archivée archivado arquivado archiviato
        gearchiveerd 已归档
    """)
    | {"archive status", "deal - archive status"},
}
GONE_STATES = _words(
    "deleted archived merged trash trashed gelöscht archiviert supprimé eliminado 已删除 已归档"
)
STILL_THERE = _words("active notarchived unarchived current available draft") | NO | set(BLANK)


def without_gone(table: Table, stated: Collection[str] = ()) -> tuple[Table, tuple[Finding, ...]]:
    """Return a table without the rows that a column of it calls deleted, merged or archived.

    Args:
        table: as it came.
        stated: columns of which a mapping says itself which rows it wants.

    Raises:
        FunnelError: such a column holds a word that is neither yes nor no, or all rows are gone.
    """
    findings: list[Finding] = []
    for name in map(str, table.frame.columns):
        kind = _gone_kind(name)
        if kind and name not in stated:
            gone = _is_gone(table, name)
            if gone.any():
                done = "set aside: gone in the source"
                findings.append(Finding(kind, int(gone.sum()), f"row {gone.index[gone][0]}, '{name}'", done))
                table = replace(table, frame=table.frame[~gone.to_numpy()])
            if table.frame.empty:
                raise FunnelError(f"{table.file}, column '{name}': every row is gone in the source")
    return table, tuple(findings)


def _gone_kind(column: str) -> str:
    """Return the kind of rows that a column of this name tells, "" for any other column."""
    small = column.strip().casefold()
    return next((kind for kind in GONE if small in GONE[kind] | GONE_IF_FILLED[kind]), "")


def _is_gone(table: Table, name: str) -> pd.Series:
    """Return whether each row is gone by this column."""
    cells = table.text(name)
    bare = cells.map(plain)
    there = cells.str.casefold().isin(STILL_THERE) | bare.isin(STILL_THERE)
    if any(name.strip().casefold() in names for names in GONE_IF_FILLED.values()):
        return ~there
    gone = ~there & (bare.isin(GONE_STATES) | cells.str.match(MOMENT))
    rest = table.frame[~(there | gone).to_numpy()]
    said = flags(replace(table, frame=rest), name)
    return gone | said.reindex(cells.index, fill_value=False)


WON = _words("""
    won closedwon win wins dealwon gewonnen gewonnene gagné gagnée gagne remporté ganado ganada ganados ganho
    ganha ganhou vinto vinta vunnen vunnet vundet voitettu wygrana wygrane vyhráno kazanıldı выиграна выиграно
    megnyert nyert κερδισμένη κερδισμένο câștigat câștigată castigat виграно виграна спечелена
    dobiveno dobijeno thắng menang ชนะ فوز مربوحة זכייה נצחון
    赢单 已赢单 成交 已成交 赢得 签约成功 贏單 已贏單 贏得 簽約成功 受注 成約 수주
""")
LOST = _words("""
    lost closedlost loss losses lose deallost verloren verlorene perdu perdue perdido perdida perdidos perdeu
    perso persa förlorad tapt tabt hävitty przegrana przegrane prohráno kaybedildi проиграна проиграно
    disqualified unqualified disqualifiziert
    elveszett elvesztett χαμένη χαμένο pierdut pierdută програно програна загубена izgubljeno
    thua kalah แพ้ خسارة خاسرة הפסד
    输单 已输单 丢单 已丢单 流失 失败 未成交 战败 輸單 已輸單 丟單 失敗 戰敗 失注 실주
""")
# These name an end only where no lead ever goes on from there.
WON_IF_LAST = _words("""
    purchase purchased bought customer ordered signed sold sales converted approved
    购买 客户 签约
""")
LOST_IF_LAST = _words("""
    declined cancelled canceled rejected abandoned dropped churned churn expired aborted withdrawn deleted
    left gone lapsed     取消 拒绝 放弃 关闭
""")
CLOSED = _words("""
    closed geschlossen abgeschlossen fermé fermée clos clôturé clôturée cerrado cerrada cierre fechado fechada
    chiuso chiusa gesloten afgesloten stängd lukket suljettu zamknięte uzavřeno закрыта закрыто kapatıldı
    关闭 已关闭 クローズ 완료
""")
REFUSAL = _words("won't wont")
NEGATION = _words("not never nicht nie non pas nunca não niet inte ikke не")
# Words that may stand before won or lost without making a stage of its own of it.
BEFORE = _words("""
    deal deals opportunity opportunities opp opps lead leads the a is was are has been status stage phase sale
    sales order business account project offer quote proposal contract bid tender pitch as marked finally and
    und et y e auftrag angebot geschäft verkauf abschluss projekt ist affaire vente offre opportunité negocio
    venta oportunidad negócio venda oportunidade affare trattativa vendita opportunità opdracht kans
""")
# Words that may follow won or lost: whose it is, and the usual reasons.
AFTER = _words("""
    deal deals opportunity opportunities opp lead leads sale order business account project contract tender
    to due because by for from with without after at on in during against before of no reason other unknown
    price pricing budget competitor competition competitors timing funding features duplicate spam cancelled
    unresponsive customer client company partner direct online new existing repeat renewal upsell an wegen
    durch gegen pour par contra por per
""")


def plain(name: str) -> str:
    """Return a place's name without case, blanks and marks.

    >>> plain("Closed - Won")
    'closedwon'
    """
    return re.sub(r"[\W_]+", "", name.casefold())


def last_word(name: str) -> str:
    """Return the word that a name consists of beside words of one or two letters, "" where there are more.

    >>> last_word("A_APPROVED"), last_word("To sales"), last_word("Former customer")
    ('approved', 'sales', '')
    """
    *others, last = re.split(r"[\W_]+", name.casefold().strip(" _-"))
    return last if all(len(word) <= 2 for word in others) else ""


def _parts(name: str) -> list[list[str]]:
    """Return the words of a name, in the parts that dashes, slashes and brackets make of it."""
    folded = unicodedata.normalize("NFC", name).casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return [TOKEN.findall(part) for part in APART.split(folded)]


def outcome_of(name: str) -> str:
    """Return what the name of a place says of the leads in it: "won", "lost", or "" for neither.

    The first word that counts must be a word for won or lost; what follows it must be a reason, stand
    apart (after a dash, in brackets), or the name must say that the place is closed.

    >>> [outcome_of(name) for name in ("Closed Won (Partner)", "Closed/Lost - No budget", "Won't buy")]
    ['won', 'lost', 'lost']
    >>> [outcome_of(name) for name in ("Wonder demo", "Lost contact - retry", "Won/Lost", "Winback")]
    ['', '', '', '']
    """
    if plain(name) in WON | LOST:
        return "won" if plain(name) in WON else "lost"
    parts, closed, negative = _parts(name), False, False
    every = {word for part in parts for word in part}
    if every & WON and every & LOST:
        return ""
    for part in parts:
        for place, word in enumerate(part):
            if word in REFUSAL:
                return "lost"
            closed, negative = closed or word in CLOSED, negative or word in NEGATION
            if word in WON | LOST:
                follows = part[place + 1 : place + 2]
                if not closed and follows and follows[0] not in AFTER and not follows[0].isdigit():
                    return ""
                if negative:
                    return "lost" if word in WON else ""
                return "won" if word in WON else "lost"
            if word not in CLOSED | NEGATION | BEFORE and not word.isdigit():
                return ""
    return ""


def says_closed(name: str) -> bool:
    """Return whether any word of a name speaks of an end.

    >>> says_closed("Closed"), says_closed("Lost contact"), says_closed("Closing")
    (True, True, False)
    """
    return any(word in CLOSED | WON | LOST | REFUSAL for part in _parts(name) for word in part)


def sounds_last(name: str) -> bool:
    """Return whether a place is called like an end, or like one from where no lead goes on.

    >>> sounds_last("Closed lost"), sounds_last("A_APPROVED"), sounds_last("Offer")
    (True, True, False)
    """
    return bool(outcome_of(name)) or last_word(name) in WON_IF_LAST | LOST_IF_LAST


def guess_ends(
    tables: tuple[pd.DataFrame, ...],
    file: str,
    stages: tuple[str, ...],
    stated: Ends = ((), ()),
    handed_over: tuple[str, ...] = (),
) -> Ends:
    """Return the names of the wins and of the losses: stated, or guessed from names and from where they lead.

    Args:
        tables: columns lead, stage, sorted by lead and time; the first in which something looks like a
            win decides (what is known on the as-of date, then the whole file).
        file: its name, for the sentence.
        stages: places that are known to be stages, unless they are called like an end.
        stated: won and lost, where they are known.
        handed_over: ends that are neither; where there are some, nothing need look like a win.

    Raises:
        FunnelError: no place looks like a win.
    """
    won, lost = stated
    for events in tables:
        won = won or _alike(events, "won", WON_IF_LAST, stages, lost + handed_over)
        if won or (handed_over and events is tables[-1]):
            return won, lost or _alike(events, "lost", LOST_IF_LAST, stages, won + handed_over)
    names = tables[-1]["stage"].value_counts().index
    listed = ", ".join(f"'{str(name)[:40]}'" for name in names[:12])
    raise FunnelError(
        f"{file}: no stage looks like a win; name it under `won` in a mapping file (stages: {listed})"
    )


def _alike(
    events: pd.DataFrame, end: str, if_last: frozenset[str], stages: tuple[str, ...], taken: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the places that are called like an end, or whose last word is like one and that lead nowhere."""
    goes_on = events["lead"].eq(events["lead"].shift(-1)).to_numpy()
    no_end = {*stages, *events.loc[goes_on, "stage"].unique()}
    plainly = WON if end == "won" else LOST
    return tuple(
        name
        for name in sorted(map(str, events["stage"].unique()))
        if name not in taken
        and (
            plain(name) in plainly
            or (name not in stages and outcome_of(name) == end)
            or (name not in no_end and last_word(name) in plainly | if_last)
        )
    )


def lookalikes(
    events: pd.DataFrame, won: tuple[str, ...], lost: tuple[str, ...], handed_over: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Return the stages that nobody leaves and that are called like an end, with what to write for them."""
    goes_on = events["lead"].eq(events["lead"].shift(-1)).to_numpy()
    left = {*events.loc[goes_on, "stage"].unique(), *won, *lost, *handed_over}
    there = events["stage"].value_counts()
    names = [str(name) for name in there.index if name not in left and says_closed(str(name))]
    findings = []
    for key, group in (("won", won), ("lost", lost), ("won` or `lost", ())):
        alike = [name for name in names if (outcome_of(name) or "won` or `lost") == key]
        if alike:
            listed = ", ".join(f"'{name[:40]}' ({there[name]:,} leads)" for name in alike[:4])
            said = ", ".join(f'"{name[:40]}"' for name in (*group, *alike)[:8])
            done = f"kept as stages, their leads open: if they are ends, the mapping needs `{key}: [{said}]`"
            kind = f"leads in places that look {key}".replace("`", "")
            findings.append(Finding(kind, int(there[alike].sum()), listed, done))
    return tuple(findings)

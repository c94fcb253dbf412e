"""Message sequence charts: one SVG a test, drawn from what was tapped.

Lifelines are devices and parties; arrows are GBCS messages that were tapped where they left and where they arrived;
marks are contacts that moved, supplies that came and went, refusals and windows.  A message ends in a cross only where
the receiving end is tapped and heard nothing; where nobody taps that end, the drawing says so.

Must not live here: anything that adds an event that is not on the time line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from devices.events import Event as Told
from devices.events.bench import LinkSwitched, OperatorActed, PinMoved, PowerSwitched
from devices.events.commands import AlertRaised, CommandRefused
from devices.events.hub import FirewallDropped, HubFlags
from devices.events.messages import FrameRefused, MessageIncomplete, OutageNoticeSent
from devices.events.parties import OutageTold
from devices.events.supply import ClockSet, FlowChecked, SupplyChanged, ValveChanged
from devices.events.terminals import JobDone
from devices.events.tunnels import TransferBroken
from rig.evidence.crossings import Crossing, Ends, Fate, crossings

__all__ = ["Ends", "draw"]

Event = Mapping[str, Any]

COLUMN = 240
ROW = 32
LEFT = 112
TOP = 58
LEGEND = 18
LETTER = 6.6  # how wide a letter of the labels is, about
# Every rule is for this drawing alone: it also stands inside other pages.
STYLE = "".join(
    f".msc {rule}"
    for rule in (
        "text{font:12px sans-serif;fill:#1b2733;paint-order:stroke;stroke:#fff;stroke-width:3px}",
        ".t{font:11px monospace;fill:#5a6b7b}",
        ".h{font-weight:bold}",
        ".l{stroke:#b8c4d0;stroke-width:1}",
        ".d{stroke:#6b4fa0;stroke-width:1;stroke-dasharray:7 5;fill:none}",
        ".s{stroke:#8a97a5;stroke-width:1;stroke-dasharray:2 4}",
        ".a{stroke:#1f5f9f;stroke-width:1.6;fill:none}",
        ".x{stroke:#b3261e;stroke-width:1.6;stroke-dasharray:5 3;fill:none}",
        ".u{stroke:#6b4fa0;stroke-width:1.6;stroke-dasharray:1 4;stroke-linecap:round;fill:none}",
        ".m{fill:#1b7f4b}",
        ".r{fill:#b3261e}",
        ".p{fill:#8a5a00}",
    )
)
# What of the time line stands on the chart beside messages: event -> (class of the drawing, how it reads).
MARKS: dict[type[Told], tuple[str, str]] = {
    PinMoved: ("m", "{pin} {level}"),
    SupplyChanged: ("m", "supply {old} → {new}"),
    ValveChanged: ("m", "gas {old} → {new}"),
    FlowChecked: ("p", "flow {flow}, threshold {threshold}"),
    CommandRefused: ("r", "refused at {check}: {reason}"),
    FirewallDropped: ("r", "firewall dropped: {reason}"),
    AlertRaised: ("p", "alert {code} {name}"),
    PowerSwitched: ("p", "power {on}"),
    OutageNoticeSent: ("p", "tells that it is without supply (AD1)"),
    OutageTold: ("p", "told of an outage ({code})"),
    LinkSwitched: ("p", "link {link} {up}"),
    HubFlags: ("p", "joining {beaconing}, inter-PAN {interpan} ({cause})"),
    TransferBroken: ("r", "transfer broke off"),
    MessageIncomplete: ("r", "{port}: {detail}"),
    FrameRefused: ("r", "{port}: command {command} of cluster {cluster} refused: {reason}"),
    OperatorActed: ("p", "operator: {act}"),
    ClockSet: ("p", "clock set"),
    JobDone: ("p", "{name} {state}"),
}
_STANDING = (PowerSwitched.kind, HubFlags.kind)
_MARK_OF = {cls.kind: mark for cls, mark in MARKS.items()}
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ORDER = ("supplier", "broker", "head", "hub", "neighbour", "hht", "esme", "gpf", "gsme", "ihd")
# How a message is drawn: its class, what its label ends in, and what the legend says of it.
FATES: dict[Fate, tuple[str, str, str]] = {
    Fate.RECEIVED: ("a", "", "tapped where it left and where it arrived"),
    Fate.NOT_RECEIVED: ("x", " ✕ not received", "left, and the tap at the receiving end heard nothing"),
    Fate.NOT_TAPPED: ("u", " ○ not tapped beyond here", "left; nobody taps the receiving end"),
    Fate.FROM_OUTSIDE: ("u", " ○ not tapped where it left", "arrived; no tap saw it leave"),
}
WORDS = {True: "on", False: "off", None: "unknown"}


@dataclass(frozen=True, slots=True)
class _Row:
    at_ns: int
    source: str
    target: str | None
    label: str
    css: str
    kind: str
    order: int
    fate: Fate | None = None


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Where everything stands: the rows, the lifelines from left to right, and the sizes that follow from them."""

    title: str
    rows: list[_Row]
    unseen: frozenset[str]  # devices whose inside nobody taps
    before: int  # rows of what prepared the test

    @property
    def columns(self) -> dict[str, int]:
        """Where the lifeline of each name stands."""
        seen = {name for row in self.rows for name in (row.source, row.target) if name is not None}
        names = [name for name in ORDER if name in seen] + sorted(seen - set(ORDER))
        return {name: LEFT + COLUMN // 2 + index * COLUMN for index, name in enumerate(names)}

    @property
    def width(self) -> int:
        """Words stand to the right of their mark, and those of the last lifelines need room there."""
        x = self.columns
        ends = [x[row.source] + 20 + LETTER * len(row.label) for row in self.rows if row.fate is None]
        return round(max([LEFT + COLUMN * max(1, len(x)), *ends]))

    def y(self, index: int) -> int:
        """The height of a row; one that is the test's stands below the line that sets its preparation apart."""
        return TOP + ROW * (index + 1 + (1 if self.before and index >= self.before else 0))

    @property
    def bottom(self) -> int:
        return self.y(len(self.rows)) + ROW + 16

    @property
    def legend(self) -> list[tuple[str, str]]:
        """What the drawing uses that is not plain from its words: class and meaning."""
        used = [FATES[fate] for fate in FATES if any(row.fate is fate for row in self.rows)]
        found = [(css, f"message {words}") for css, _, words in used]
        return [*found, ("d", "device whose inside nobody sees")] if self.unseen & set(self.columns) else found


def draw(title: str, events: Sequence[Event], ends: Ends, *, begun: int | None = None, ending: str = "") -> str:
    """The chart of ``events`` (time-line objects) as an SVG document.

    ``ends`` tells the devices and which of them nobody taps.  ``begun`` is the order number of the last event before
    the test itself began: a line sets its preparation apart.  ``ending`` is what the test ended in, written below.
    """
    rows = list(_rows(events, ends))
    # Whoever only had power all along, and the windows that come with it, has no line of its own.
    busy = {name for row in rows if row.kind not in _STANDING for name in (row.source, row.target)}
    rows = [row for row in rows if row.source in busy or row.at_ns > 0]
    before = sum(row.order <= begun for row in rows) if begun is not None else 0
    sheet = _Sheet(title, rows, frozenset(name for name, ports in ends.untapped.items() if ports), before)
    x, parts = sheet.columns, _frame(sheet)
    for index, row in enumerate(rows):
        parts += _draw_row(row, x, sheet.y(index))
    if before:
        y = TOP + ROW * (before + 1)
        parts.append(f'<line class="s" x1="12" y1="{y}" x2="{sheet.width - 12}" y2="{y}"/>')
        parts.append(f'<text class="t" x="12" y="{y - 5}">the test begins</text>')
    if ending:
        css = "r" if ending.startswith("FAIL") else "h"
        parts.append(f'<text class="{css}" x="12" y="{sheet.y(len(rows)) + 4}">{_text(ending[:200])}</text>')
    for index, (css, words) in enumerate(sheet.legend):
        parts += _draw_legend(css, words, sheet.bottom + LEGEND * index)
    return "\n".join([*parts, "</svg>"])


def _frame(sheet: _Sheet) -> list[str]:
    """The sheet with its title and its lifelines."""
    title, width, height = _text(sheet.title), sheet.width, sheet.bottom + LEGEND * len(sheet.legend)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'class="msc" role="img"><title>{title}</title><style>{STYLE}</style>',
        '<defs><marker id="msc-arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#1f5f9f"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text class="h" x="12" y="20">{title}</text>',
        f'<text class="t" x="12" y="{TOP - 8}">bench time / s</text>',
    ]
    for name, x in sheet.columns.items():
        css = "d" if name in sheet.unseen else "l"
        parts.append(f'<text class="h" x="{x}" y="{TOP - 8}" text-anchor="middle">{_text(name)}</text>')
        parts.append(f'<line class="{css}" x1="{x}" y1="{TOP}" x2="{x}" y2="{sheet.bottom - 10}"/>')
    return parts


def _draw_legend(css: str, words: str, y: int) -> list[str]:
    marker = ' marker-end="url(#msc-arrow)"' if css == "a" else ""
    return [
        f'<path class="{css}" d="M12,{y} h60"{marker}/>',
        f'<text class="t" x="84" y="{y + 4}">{_text(words)}</text>',
    ]


def _rows(events: Sequence[Event], ends: Ends) -> Iterator[_Row]:
    messages = crossings(events, ends)
    for at, event in enumerate(events):
        kind = str(event["kind"])
        if at in messages:
            yield _message(messages[at])
        elif kind in _MARK_OF:
            css, form = _MARK_OF[kind]
            words = {key: _word(value) for key, value in event["fields"].items()}
            yield _row(event, event["fields"]["device"], None, form.format_map(_Blank(words)), css)


def _message(crossing: Crossing) -> _Row:
    css, ending, _ = FATES[crossing.fate]
    label = _message_label(crossing.event["fields"]) + ending
    if crossing.took_ns > 0:
        label += f", {crossing.took_ns / 1e6:.1f} ms"
    if crossing.source is None:  # nobody of this bench sent it
        return _row(crossing.event, str(crossing.target), None, label, css, crossing.fate)
    return _row(crossing.event, crossing.source, crossing.target, label, css, crossing.fate)


def _row(event: Event, source: str, target: str | None, label: str, css: str, fate: Fate | None = None) -> _Row:
    return _Row(event["at_ns"], source, target, label, css, str(event["kind"]), event["order"], fate)


def _text(text: str) -> str:
    """Whatever a device calls itself or reports, as text that XML can hold."""
    return escape(NO_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def _word(value: Any) -> Any:
    return WORDS.get(value, value) if isinstance(value, bool | None) else value


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


def _message_label(fields: Mapping[str, Any]) -> str:
    octets = len(str(fields.get("octets", ""))) // 2
    name = fields.get("use_case") or "message"
    return f"{name} {fields.get('cra', '')} #{fields.get('counter', '?')} ({octets} octets)"


def _draw_row(row: _Row, x: Mapping[str, int], y: int) -> list[str]:
    parts = [f'<text class="t" x="12" y="{y + 4}">{row.at_ns / 1e9:.6f}</text>']
    start = x[row.source]
    if row.fate is not None:
        end = start + COLUMN // 2 if row.target is None else x[row.target]
        if row.fate is Fate.NOT_RECEIVED:
            end = (start + end) // 2
        marker = ' marker-end="url(#msc-arrow)"' if row.fate is Fate.RECEIVED else ""
        parts.append(f'<line class="{row.css}" x1="{start}" y1="{y}" x2="{end}" y2="{y}"{marker}/>')
        parts.append(f'<text x="{(start + end) / 2:.0f}" y="{y - 8}" text-anchor="middle">{_text(row.label)}</text>')
    else:
        parts.append(f'<circle class="{row.css}" cx="{start}" cy="{y}" r="5"/>')
        parts.append(f'<text class="{row.css}" x="{start + 10}" y="{y + 4}">{_text(row.label)}</text>')
    return parts

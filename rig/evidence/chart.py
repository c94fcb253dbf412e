"""Message sequence charts: one SVG a test, drawn from what was tapped.

Lifelines are devices and parties; arrows are GBCS messages that one of them sent and another received; marks are
contacts that moved, supplies that came and went, refusals and windows.  A message that nobody received ends in a
cross.

Must not live here: anything that adds an event that is not on the time line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from devices.events import Event as Told
from devices.events.bench import OperatorActed, PinMoved, PowerSwitched
from devices.events.commands import AlertRaised, CommandRefused
from devices.events.hub import FirewallDropped, HubFlags
from devices.events.messages import MessageReceived, MessageSent
from devices.events.supply import ClockSet, FlowChecked, SupplyChanged, ValveChanged
from devices.events.terminals import JobDone
from devices.events.tunnels import TransferBroken

__all__ = ["draw"]

Event = Mapping[str, Any]

COLUMN = 240
ROW = 32
LEFT = 112
TOP = 58
LETTER = 6.6  # how wide a letter of the labels is, about
# Every rule is for this drawing alone: it also stands inside other pages.
STYLE = "".join(
    f".msc {rule}"
    for rule in (
        "text{font:12px sans-serif;fill:#1b2733;paint-order:stroke;stroke:#fff;stroke-width:3px}",
        ".t{font:11px monospace;fill:#5a6b7b}",
        ".h{font-weight:bold}",
        ".l{stroke:#b8c4d0;stroke-width:1}",
        ".s{stroke:#8a97a5;stroke-width:1;stroke-dasharray:2 4}",
        ".a{stroke:#1f5f9f;stroke-width:1.6;fill:none}",
        ".x{stroke:#b3261e;stroke-width:1.6;stroke-dasharray:5 3;fill:none}",
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
    HubFlags: ("p", "joining {beaconing}, inter-PAN {interpan} ({cause})"),
    TransferBroken: ("r", "transfer broke off"),
    OperatorActed: ("p", "operator: {act}"),
    ClockSet: ("p", "clock set"),
    JobDone: ("p", "{name} {state}"),
}
_STANDING = (PowerSwitched.kind, HubFlags.kind)
_MARK_OF = {cls.kind: mark for cls, mark in MARKS.items()}
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ORDER = ("supplier", "broker", "head", "hub", "neighbour", "hht", "esme", "gpf", "gsme", "ihd")
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


def draw(
    title: str, events: Sequence[Event], names: Mapping[str, str], *, begun: int | None = None, ending: str = ""
) -> str:
    """The chart of ``events`` (time-line objects) as an SVG document.

    ``names`` gives the device name for an EUI-64 in lower-case hex; it places messages that never arrived.
    ``begun`` is the order number of the last event before the test itself began: a line sets its preparation
    apart.  ``ending`` is what the test ended in, written below.
    """
    rows = list(_rows(events, names))
    # Whoever only had power all along, and the windows that come with it, has no line of its own.
    busy = {name for row in rows if row.kind not in _STANDING for name in (row.source, row.target) if name is not None}
    rows = [row for row in rows if row.source in busy or row.at_ns > 0]
    seen = {name for row in rows for name in (row.source, row.target) if name is not None}
    columns = [name for name in ORDER if name in seen] + sorted(seen - set(ORDER))
    x = {name: LEFT + COLUMN // 2 + index * COLUMN for index, name in enumerate(columns)}
    # Words stand to the right of their mark, and those of the last lifelines need room there.
    ends = [x[row.source] + 20 + LETTER * len(row.label) for row in rows if row.css not in ("a", "x")]
    width = round(max([LEFT + COLUMN * max(1, len(columns)), *ends]))
    before = sum(row.order <= begun for row in rows) if begun is not None else 0
    gap = 1 if before else 0  # between what prepared the test and the test
    height = TOP + ROW * (len(rows) + gap + 2) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'class="msc" role="img"><title>{_text(title)}</title><style>{STYLE}</style>',
        '<defs><marker id="msc-arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#1f5f9f"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text class="h" x="12" y="20">{_text(title)}</text>',
        f'<text class="t" x="12" y="{TOP - 8}">bench time / s</text>',
    ]
    for name in columns:
        parts.append(f'<text class="h" x="{x[name]}" y="{TOP - 8}" text-anchor="middle">{_text(name)}</text>')
        parts.append(f'<line class="l" x1="{x[name]}" y1="{TOP}" x2="{x[name]}" y2="{height - 10}"/>')
    for index, row in enumerate(rows):
        parts += _draw_row(row, x, TOP + ROW * (index + 1 + (gap if index >= before else 0)))
    if before:
        y = TOP + ROW * (before + 1)
        parts.append(f'<line class="s" x1="12" y1="{y}" x2="{width - 12}" y2="{y}"/>')
        parts.append(f'<text class="t" x="12" y="{y - 5}">the test begins</text>')
    if ending:
        css = "r" if ending.startswith("FAIL") else "h"
        parts.append(
            f'<text class="{css}" x="12" y="{TOP + ROW * (len(rows) + gap + 1) + 4}">{_text(ending[:200])}</text>'
        )
    parts.append("</svg>")
    return "\n".join(parts)


def _rows(events: Sequence[Event], names: Mapping[str, str]) -> list[_Row]:
    rows = []
    arrived: set[int] = set()
    for index, event in enumerate(events):
        kind = str(event["kind"])
        if kind == MessageSent.kind:
            rows.append(_sent(events, index, arrived, names))
        elif kind in _MARK_OF:
            css, form = _MARK_OF[kind]
            words = {key: _word(value) for key, value in event["fields"].items()}
            rows.append(_row(event, None, form.format_map(_Blank(words)), css))
    return rows


def _sent(events: Sequence[Event], index: int, arrived: set[int], names: Mapping[str, str]) -> _Row:
    event = events[index]
    label = _message_label(event["fields"])
    taker = _taker(events, index, arrived)
    if taker is None:
        return _row(event, names.get(event["fields"].get("peer", "")), label + " ✕ not received", "x")
    arrived.add(taker)
    late = (events[taker]["at_ns"] - event["at_ns"]) / 1e6
    return _row(event, events[taker]["fields"]["device"], f"{label}, {late:.1f} ms", "a")


def _row(event: Event, taker: str | None, label: str, css: str) -> _Row:
    return _Row(event["at_ns"], event["fields"]["device"], taker, label, css, str(event["kind"]), event["order"])


def _text(text: str) -> str:
    """Whatever a device calls itself or reports, as text that XML can hold."""
    return escape(NO_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def _word(value: Any) -> Any:
    return WORDS.get(value, value) if isinstance(value, bool | None) else value


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


def _taker(events: Sequence[Event], index: int, arrived: set[int]) -> int | None:
    """The reception that belongs to a transmission: the next one of the same octets by another device."""
    sent = events[index]
    for later in range(index + 1, len(events)):
        other = events[later]
        if (
            other["kind"] == MessageReceived.kind
            and later not in arrived
            and other["fields"].get("octets") == sent["fields"].get("octets")
            and other["fields"]["device"] != sent["fields"]["device"]
            and _same_road(str(sent["fields"].get("port")), str(other["fields"].get("port")))
        ):
            return later
    return None


def _same_road(a: str, b: str) -> bool:
    """Whether two port names lie on the same kind of link (a tunnel, inter-PAN, or one of the message links)."""
    radio = ("han", "interpan")
    return a == b if a in radio or b in radio else True


def _message_label(fields: Mapping[str, Any]) -> str:
    octets = len(str(fields.get("octets", ""))) // 2
    name = fields.get("use_case") or "message"
    return f"{name} {fields.get('cra', '')} #{fields.get('counter', '?')} ({octets} octets)"


def _draw_row(row: _Row, x: Mapping[str, int], y: int) -> list[str]:
    parts = [f'<text class="t" x="12" y="{y + 4}">{row.at_ns / 1e9:.6f}</text>']
    start = x[row.source]
    if row.css in ("a", "x"):
        end = x.get(row.target or "", start + COLUMN // 2)
        if row.css == "x":
            end = (start + end) // 2
        marker = ' marker-end="url(#msc-arrow)"' if row.css == "a" else ""
        parts.append(f'<line class="{row.css}" x1="{start}" y1="{y}" x2="{end}" y2="{y}"{marker}/>')
        parts.append(f'<text x="{(start + end) / 2:.0f}" y="{y - 8}" text-anchor="middle">{_text(row.label)}</text>')
    else:
        parts.append(f'<circle class="{row.css}" cx="{start}" cy="{y}" r="5"/>')
        parts.append(f'<text class="{row.css}" x="{start + 10}" y="{y + 4}">{_text(row.label)}</text>')
    return parts

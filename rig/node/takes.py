"""How long devices take: what a bench file declares of them, and what holds of a kind where it says nothing.

Waits are made of these times, and a device that takes longer than was declared of it is a finding of its own.  Every
time has its basis: the bench file's own word, a fact, or our default.

Must not live here: waiting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rig.node.sections import BenchFileError, Section

__all__ = ["DEFAULTS", "Time", "declared", "times_of"]

MS, S = 1_000_000, 1_000_000_000
MINUTE = 60 * S
OURS = "our default"


@dataclass(frozen=True, slots=True)
class Time:
    """So long something takes at the most, in ns, and who says so: the bench file (``declared``), or a default."""

    ns: int
    basis: str = OURS
    declared: bool = False

    def as_json(self) -> dict[str, int | str | bool]:
        return {"ns": self.ns, "basis": self.basis, "declared": self.declared}


_ANSWER = Time(60 * S, "our default, after facts/dcc.md 16 row 3: a response is waited for 60 s on demand")
_WAKE = Time(30 * MINUTE, "our default, after facts/field.md: gas meters wake every 30 min")
_HAN = {
    "boot": Time(2 * MINUTE),  # from power until it does its work
    "join": Time(5 * MINUTE),  # from the admission until the hub has its tunnel to it
    "rejoin": Time(5 * MINUTE),  # the same after a power cut of either
    "answer": _ANSWER,  # from the command at the device until its answer is where it belongs
    "alert": Time(5 * MINUTE),  # from the cause until the alert is where it belongs
    "display": Time(MINUTE),  # from the cause until the display shows it
}
DEFAULTS: Mapping[str, Mapping[str, Time]] = {
    "comms_hub": {"boot": Time(2 * MINUTE), "answer": _ANSWER, "alert": Time(5 * MINUTE)},
    "esme": {**_HAN, "contact": Time(10 * S)},  # from the cause until the contact stands
    "gsme": {
        **_HAN,
        "wake": _WAKE,  # the longest sleep
        "valve": Time(10 * S),  # from the cause until the valve stands
        "check": Time(10 * MINUTE),  # from the opening of the valve until the flow was looked at
    },
    "gpf": {"boot": Time(2 * MINUTE), "answer": _ANSWER, "alert": Time(5 * MINUTE)},
    "hht": {"scan": Time(10 * S), "connect": Time(15 * S), "answer": _ANSWER},
    "access_control_broker": {"answer": Time(5 * S)},
}
_OTHERS = _HAN

_UNITS = {"ms": MS, "s": S, "min": MINUTE, "h": 60 * MINUTE, "d": 24 * 60 * MINUTE}
_WORDS = {"second": "s", "sec": "s", "minute": "min", "hour": "h", "day": "d", "millisecond": "ms"}


def times_of(kind: str, told: Mapping[str, Time]) -> dict[str, Time]:
    """The times of a device of this kind, with what the bench file says of it in place."""
    return {**DEFAULTS.get(kind, _OTHERS), **told}


def declared(kind: str, section: Section, key: str = "takes") -> Iterator[tuple[str, Time]]:
    """What a device's part of the bench file says it takes.  Raises :class:`BenchFileError`."""
    known = DEFAULTS.get(kind, _OTHERS)
    for name, text in section.free(key).items():
        where = f"{section.at(key)}.{name}"
        if name not in known:
            raise BenchFileError(where, f"one of {', '.join(known)}", name)
        place = where.partition(".devices.")[2] or where
        yield name, Time(span(text, where), f"declared in the bench file: {place}", declared=True)


def span(text: object, where: str) -> int:
    """A span of time such as ``90 s`` or ``2 min`` in ns.  Raises :class:`BenchFileError`."""
    number, _, unit = str(text).strip().partition(" ")
    unit = unit.strip().casefold()
    unit = unit if unit in _UNITS else _WORDS.get(unit.removesuffix("s"), "")
    try:
        found = round(float(number) * _UNITS[unit])
    except (KeyError, ValueError, OverflowError):
        found = 0
    if not 0 < found < 1 << 62:
        raise BenchFileError(where, "a span of time above 0 such as 90 s, 2 min, 1.5 h or 1 d", text)
    return found

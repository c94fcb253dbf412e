"""A session with a bench that is made up: what it is asked is kept, what it answers is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from devices.wire import eui64
from rig.bus.messages import Event
from rig.keywords.session import Session, chart_names

SECOND: Final = 1_000_000_000
EUI: Final[dict[str, str]] = {
    "supplier": "90b3d51f30010000", "broker": "90b3d51f30000002", "hub": "00db1234567890a2", "esme": "00db1234567890a0",
    "gsme": "00db1234567890a8", "hht": "00db1234567890b0", "lone": "00db1234567890c0",
}  # fmt: skip
KINDS: Final[dict[str, str]] = {"broker": "access_control_broker", "hub": "comms_hub", "lone": "esme"}
NAMES: Final = ("wake", "rejoin", "alert", "answer", "contact", "valve", "scan", "connect", "join", "boot", "check")
TAKES: Final[dict[str, dict[str, Any]]] = {
    name: {"ns": SECOND << place, "basis": f"b{place}", "declared": False} for place, name in enumerate(NAMES)
}
"""Each a power of two seconds: a span of time says of which it is made."""


def took(*names: str) -> int:
    """How long these things may take together, ns."""
    return sum(TAKES[name]["ns"] for name in names)


def printed(device: str) -> str:
    """The EUI-64 of a device as taps tell it."""
    return eui64.text(bytes.fromhex(EUI[device]))


def devices() -> dict[str, dict[str, Any]]:
    """The devices of the bench as it describes them: two meters behind a hub, and one with a line of its own."""
    told: dict[str, dict[str, Any]] = {
        name: {
            "kind": KINDS.get(name, name), "eui": eui, "takes": TAKES, "under_test": False, "node": f"node of {name}",
            "supply": f"supply of {name}", "install_code": f"code of {name}", "untapped": [],
            "behind": "hub" if name in ("esme", "gsme", "hht") else None,
        }
        for name, eui in EUI.items()
    }  # fmt: skip
    told["lone"]["untapped"] = ["line"]
    return told


Answer = Mapping[str, Any] | Callable[[dict[str, Any]], Mapping[str, Any]]


class Faked(Session):
    """Its bench answers each verb as ``answers`` has it, and each request to a device as ``replies`` has it.

    ``coming`` comes as soon as bench time passes, or with the first call of the verb ``comes_with``.
    """

    def __init__(self, *seen: Event) -> None:
        super().__init__()
        self.devices = devices()
        self._names = chart_names(self.devices)
        self.called: list[tuple[str, str, dict[str, Any]]] = []
        self.answers: dict[str, Answer] = {
            "supply.sense": {"good": True, "by": "a pin"},
            "clock.civil": {"civil_ns": 0},
        }
        self.answers["tap.frames"] = {"whole": True, "more": False, "frames": [], "met": []}
        self.replies: dict[str, Answer] = {}
        self.coming: list[Event] = []
        self.comes_with = "clock.advance"
        for event in seen:
            self.see(event)

    def see(self, event: Event) -> None:
        """An event came."""
        self.events.append(event)
        self._order = max(self._order, event.order)

    def come(self, *events: Event) -> Mapping[str, Any]:
        """Events come, and nothing is answered."""
        for event in events:
            self.see(event)
        return {}

    def call(self, verb: str, /, *, device: str = "", **args: Any) -> Mapping[str, Any]:
        self.called.append((verb, device, args))
        if verb == "clock.advance":
            self.now += args["span_ns"]
        if verb == self.comes_with or args.get("request") == self.comes_with:
            coming, self.coming = self.coming, []
            for event in coming:
                self.see(event)
        answer = self.replies.get(args["request"], {}) if verb == "device.ask" else self.answers.get(verb, {})
        return answer(args) if callable(answer) else answer

    def _need_premises(self) -> None: ...

    @property
    def waited(self) -> list[int]:
        """For how long, ns, bench time was let pass, each time."""
        return [args["span_ns"] for verb, _, args in self.called if verb == "clock.advance"]

    @property
    def asked_for(self) -> list[tuple[str, str, dict[str, Any]]]:
        """What devices were asked: device, request, values."""
        return [(device, args["request"], args["values"]) for verb, device, args in self.called if verb == "device.ask"]

    def did(self, *verbs: str) -> list[tuple[str, str, dict[str, Any]]]:
        """The calls of these verbs."""
        return [one for one in self.called if one[0] in verbs]


def seen(order: int, kind: str, device: str, at_s: float = 0.0, /, **fields: Any) -> Event:
    """An event of a device."""
    return Event(order, order, "boot", device, kind, round(at_s * SECOND), {"device": device, **fields})


def message(
    order: int, way: str, device: str, cra: str, sender: str, receiver: str, counter: int = 7, at_s: float = 0.0,
    **more: Any,
) -> Event:  # fmt: skip
    """A message at the tap of a device: ``way`` is rx or tx."""
    ends = {"originator": printed(sender), "recipient": printed(receiver)}
    fields = {"cra": cra, "counter": counter, "port": "wan", **ends, **more}
    return seen(order, f"gbcs.{way}", device, at_s, **fields)

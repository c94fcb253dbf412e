"""Every kind of device that takes commands, made alike: with the credentials of one authority, a clock, and a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from devices.machines.comms_hub import CommsHub, HubSettings
from devices.machines.core import (
    Answer,
    Asked,
    Effect,
    Event,
    LinkChanged,
    Machine,
    Persist,
    Received,
    Refuse,
    Send,
    Started,
)
from devices.machines.esme import Esme, EsmeSettings
from devices.machines.gpf import Gpf, GpfSettings
from devices.machines.gsme import Gsme, GsmeSettings
from devices.machines.hcalcs import Hcalcs, HcalcsSettings
from devices.machines.parts.civil_clock import ClockSettings
from devices.machines.ppmid import Ppmid, PpmidSettings
from devices.machines.sapc import Sapc, SapcSettings
from devices.wire import gbcs
from devices.wire.gbcs import Message
from tests.machines.asn1_bench import DEVICE, KEYS, NOW, SECOND, SUPPLIER, certified_cells

__all__ = ["MACHINES", "Running", "port_of"]

CLOCK = ClockSettings(start_ns=round(NOW.timestamp()) * SECOND)

MACHINES: Mapping[str, Callable[[], Machine]] = {
    "ESME": lambda: Esme(DEVICE, KEYS, certified_cells("ESME"), EsmeSettings(clock=CLOCK)),
    "GSME": lambda: Gsme(DEVICE, KEYS, certified_cells("GSME"), GsmeSettings(clock=CLOCK)),
    "GPF": lambda: Gpf(DEVICE, KEYS, certified_cells("GPF"), GpfSettings(clock=CLOCK)),
    "CHF": lambda: CommsHub(HubSettings(DEVICE, clock=CLOCK), KEYS, certified_cells("CHF")),
    "PPMID": lambda: Ppmid(DEVICE, KEYS, certified_cells("PPMID"), PpmidSettings(clock=CLOCK)),
    "HCALCS": lambda: Hcalcs(DEVICE, KEYS, certified_cells("HCALCS"), HcalcsSettings(clock=CLOCK)),
    "SAPC": lambda: Sapc(DEVICE, KEYS, certified_cells("SAPC"), SapcSettings(clock=CLOCK)),
}
"""Kind to a device of it with the identity ``DEVICE``."""


def port_of(kind: str) -> str:
    """Where commands reach a device of that kind when nothing is in between."""
    return "wan" if kind == "CHF" else "line"


class Running:
    """A machine with power and a line, what it saved, and what left it."""

    def __init__(self, kind: str) -> None:
        self.machine, self.port, self.saved = MACHINES[kind](), port_of(kind), dict[str, Any]()
        self.effects: list[Effect] = []
        self.give(Started({}))
        self.give(LinkChanged("line", True))

    def give(self, event: Event) -> list[Effect]:
        """Hand over one event and keep what is to be kept."""
        effects = list(self.machine.handle(event, 0))
        self.saved |= {one.key: json.loads(json.dumps(one.value)) for one in effects if isinstance(one, Persist)}
        self.effects += effects
        return effects

    def line(self, octets: bytes) -> list[Message]:
        """Hand over a message; the messages that left at once."""
        return self._sent(self.give(Received(self.port, SUPPLIER, octets)))

    def ask(self, verb: str, args: Mapping[str, Any]) -> list[Message]:
        """The messages that left; exactly one answer was given, and no refusal."""
        effects = self.give(Asked(verb, args))
        assert [one for one in effects if isinstance(one, Answer | Refuse)] == [Answer()]
        return self._sent(effects)

    def _sent(self, effects: list[Effect]) -> list[Message]:
        return [gbcs.decode(one.octets) for one in effects if isinstance(one, Send) and one.port == self.port]

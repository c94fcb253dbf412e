"""A bench of one meter in memory: keys from a seed, commands made by hand, effects granted as a host grants them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from devices.machines.core import (
    Drive,
    Effect,
    Event,
    Persist,
    PowerLost,
    PowerRestored,
    Received,
    Record,
    Send,
    SetTimer,
    Show,
    Started,
    StopTimer,
    TimerFired,
)
from devices.machines.esme import Esme, EsmePolicy, EsmeSettings
from devices.model import use_cases
from devices.model.credentials import CredentialCells, cells_from_publics
from devices.model.roles import Role
from devices.trust import protection
from devices.trust.keystore import MemoryKeyStore, agreement_key, generate, signing_key
from devices.wire import axdr, cosem, gbcs
from devices.wire.axdr import Data
from devices.wire.cosem import AccessRequest, AccessResponse, Notification, Op, Spec
from devices.wire.gbcs import CRA, Message
from tests.machines.told import Told, told

METER = bytes.fromhex("00db000000000001")
OTHER_METER = bytes.fromhex("00db000000000002")
HUB = bytes.fromhex("00db0000000000c0")
SUPPLIER = bytes.fromhex("90b3000000010000")
OPERATOR = bytes.fromhex("90b3000000020000")
BROKER = bytes.fromhex("90b3000000000002")
STRANGER = bytes.fromhex("90b3000000990000")
COS = bytes.fromhex("90b3000000000004")

PARTIES = {
    Role.SUPPLIER: SUPPLIER,
    Role.NETWORK_OPERATOR: OPERATOR,
    Role.ACCESS_CONTROL_BROKER: BROKER,
    Role.TRANSITIONAL_COS: COS,
}
SECOND = 1_000_000_000
OPS = {"get": Op.GET, "set": Op.SET, "action": Op.ACTION, "get-selective": Op.GET_SELECTION}


def _keys() -> MemoryKeyStore:
    rng = random.Random(42)
    owners = (METER, OTHER_METER, SUPPLIER, OPERATOR, BROKER, STRANGER, COS)
    names = [name for owner in owners for name in (signing_key(owner), agreement_key(owner))]
    return MemoryKeyStore({name: generate(rng) for name in names}, {})


KEYS = _keys()


def cells(parties: dict[Role, bytes] | None = None) -> CredentialCells:
    """The cells of the meter as delivered."""
    return cells_from_publics("ESME", parties or PARTIES, {name: KEYS.public(name) for name in KEYS.names})


def command(
    name: str,
    counter: int,
    *data: Data,
    originator: bytes = SUPPLIER,
    recipient: bytes = METER,
    payload: bytes | None = None,
    signer: bytes | None = None,
    broker: bytes = BROKER,
    **changes: Any,
) -> bytes:
    """A whole protected command of the use case ``name``: signed by the originator where critical, MACed by the broker.

    ``data`` are the arguments of its rows in order, null where there are none.  ``changes`` are made to the message
    before it is protected.
    """
    use_case = use_cases.by_name(name)
    if payload is None:
        specs = tuple(_spec(row) for row in use_case.dlms)
        arguments = data + (axdr.null(),) * (len(specs) - len(data))
        payload = cosem.encode(AccessRequest(0x20000000 | counter & 0xFFFFFF, b"", specs, arguments))
    message = Message(CRA.COMMAND, counter, originator, recipient, use_case.code, payload)
    message = replace(message, **changes)
    if "sig" in (use_case.protection["command"] or ""):
        message = protection.sign(message, KEYS, signing_key(signer or originator))
    z = KEYS.agree(agreement_key(broker), KEYS.public(agreement_key(recipient)))
    return gbcs.encode(protection.add_mac(message, z))


def _spec(row: use_cases.DlmsRow) -> Spec:
    assert row.class_id is not None
    assert row.obis is not None
    assert row.index is not None
    selection = None if row.selector is None else axdr.null()
    return Spec(OPS[row.op], row.class_id, row.obis, row.index, row.selector, selection)


def script(number: int, counter: int, **changes: Any) -> bytes:
    """ECS42 (51), ECS43 (52) or ECS44 (54)."""
    return command({51: "ECS42", 52: "ECS43", 54: "ECS44"}[number], counter, axdr.u16(number), **changes)


def read_log(name: str, first: int = 0, last: int = 0xFFFFFFFF, counter: int = 1) -> bytes:
    """ECS35a, b or e over a range of time stamps."""
    row = use_cases.by_name(name).dlms[0]
    clock = axdr.structure(axdr.u16(1), axdr.octets(bytes.fromhex("00005e2c64ff")), axdr.i8(2), axdr.u16(0))
    selection = axdr.structure(clock, axdr.u32(first), axdr.u32(last), axdr.array())
    assert row.class_id is not None
    assert row.obis is not None
    spec = Spec(Op.GET_SELECTION, row.class_id, row.obis, 2, 1, selection)
    payload = cosem.encode(AccessRequest(0x20000000 | counter, b"", (spec,), (axdr.null(),)))
    return command(name, counter, payload=payload)


class Bench:
    """One meter with a host that grants its effects: timers run on a clock that the test advances."""

    def __init__(
        self,
        settings: EsmeSettings | None = None,
        policy: EsmePolicy | None = None,
        *,
        meter: Esme | None = None,
        start: bool = True,
    ) -> None:
        self.meter = meter or Esme(METER, KEYS, cells(), settings, policy=policy)
        self.now = 0
        self.saved: dict[str, Any] = {}
        self.timers: dict[str, int] = {}
        self.pins: dict[str, bool] = {}
        self.display = ""
        self.sent: list[bytes] = []
        self.records: list[Told] = []
        self.effects: list[Effect] = []
        if start:
            self.give(Started())
            self.advance(SECOND)

    def give(self, event: Event) -> Sequence[Effect]:
        """Hand over one event and grant what comes of it."""
        effects = self.meter.handle(event, self.now)
        for effect in effects:
            self._grant(effect)
        self.effects.extend(effects)
        return effects

    def _grant(self, effect: Effect) -> None:
        match effect:
            case Persist(key, value):
                self.saved[key] = json.loads(json.dumps(value))
            case SetTimer(name, at):
                self.timers[name] = at
            case StopTimer(name):
                self.timers.pop(name, None)
            case Drive(pin, level):
                self.pins[pin] = level
            case Show(text):
                self.display = text
            case Record():
                self.records += told([effect])
            case Send(_, _, octets, cluster):
                if cluster == 0:
                    self.sent.append(octets)

    def advance(self, ns: int) -> None:
        """Let time pass; every timer that falls due fires at its own instant."""
        end = self.now + ns
        while self.timers and min(self.timers.values()) <= end:
            name = min(self.timers, key=lambda n: self.timers[n])
            self.now = max(self.now, self.timers.pop(name))
            self.give(TimerFired(name))
        self.now = end

    def line(self, octets: bytes) -> list[Message]:
        """A message over the bare line; the messages that came back at once."""
        before = len(self.sent)
        self.give(Received("line", HUB, octets))
        return [gbcs.decode(message) for message in self.sent[before:]]

    def cut(self, ns: int, clock: bool = True) -> list[Message]:
        """Take the supply away for ``ns``; the messages sent as it came back."""
        before = len(self.sent)
        self.give(PowerLost())
        self.timers.clear()
        self.pins.clear()
        self.now += ns
        self.give(PowerRestored(dict(self.saved), ns if clock else None))
        return [gbcs.decode(message) for message in self.sent[before:]]

    def supply(self) -> str:
        """The supply state that the meter itself believes in."""
        return str(self.meter.state(self.now)["supply"])

    def state(self) -> dict[str, Any]:
        """Everything that the meter is."""
        return self.meter.state(self.now)

    def kinds(self, kind: str) -> list[Told]:
        """The records of one kind so far."""
        return [record for record in self.records if record.kind == kind]


def response_of(message: Message) -> AccessResponse:
    """The access-response in a message."""
    pdu = cosem.decode(message.payload)
    assert isinstance(pdu, AccessResponse)
    return pdu


def notification_of(message: Message) -> tuple[int, tuple[Data, ...]]:
    """Alert code and the elements after the time stamp."""
    pdu = cosem.decode(message.payload)
    assert isinstance(pdu, Notification)
    return pdu.body.value[0].value, pdu.body.value[2:]


def protected_well(message: Message, meter: bytes = METER, recipient: bytes = SUPPLIER) -> bool:
    """Whether a response or alert of the meter carries the one protection that it should: signature, or MAC."""
    if message.signature:
        return message.mac is None and protection.signature_valid(message, KEYS.public(signing_key(meter)))
    z = KEYS.agree(agreement_key(recipient), KEYS.public(agreement_key(meter)))
    return protection.mac_valid(message, z)

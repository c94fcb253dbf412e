"""The device log of a meter, a proxy or an in-home device: which others it works with (CS03, CS04, CS07, GCS59, GCS62).

Joining by method A or C agrees keys over the radio; that is the network's doing (facts/gbcs.md 11 no. 10), and a bench
can say how it ends.  The log of the hub is another one (``device_log``).

Must not live here: what joined devices say to each other, radio.

Source: facts/gbcs.md 3.4 (codes), 5.4 (device types, certificates [page seen]); which kinds join by which method:
published commands [single source] and their titles, beyond that [our choice].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from devices.events.keys import PartnerJoined, PartnerUnjoined
from devices.machines.core import Persist, Record
from devices.machines.parts.execution import CommandContext
from devices.trust import certificates
from devices.trust.errors import TrustError
from devices.wire.asn1_typed import (
    Device,
    DeviceLog,
    DeviceLogRequest,
    DeviceOutcome,
    Join,
    ResponseCode,
    RestoreDeviceLog,
    RestoreResult,
    Unjoin,
)

__all__ = ["JoinCode", "JoinLog", "JoinSettings", "Method", "PeerType", "UnjoinCode"]

KEY: Final = "join_log"
JOIN_FAILED, JOINED, UNJOIN_FAILED, UNJOINED = 0x8F48, 0x8F49, 0x8F4A, 0x8F4B


class JoinCode(IntEnum):
    """The outcome of a join."""

    SUCCESS = 0
    WRONG_MESSAGE_CODE = 1
    WRONG_METHOD_AND_ROLE = 2
    INCOMPATIBLE_WITH_EXISTING_ENTRY = 3
    LOG_FULL = 4
    WRITE_FAILURE = 5
    NO_RESOURCES = 6
    UNKNOWN_ISSUER = 7
    UNSUPPORTED_SUITE = 8
    BAD_MESSAGE = 9
    BAD_KEY_CONFIRM = 10
    INVALID_OR_MISSING_CERTIFICATE = 11
    NO_PARTNER_LINK_KEY = 12
    NO_CBKE_RESPONSE = 13


class UnjoinCode(IntEnum):
    """The outcome of an unjoin."""

    SUCCESS = 0
    NOT_IN_LOG = 1
    OTHER_FAILURE = 2


class Method(IntEnum):
    """How two devices are joined, and the part that the commanded one plays."""

    A_INITIATOR = 0
    A_RESPONDER = 1
    B = 2
    C = 3


class PeerType(IntEnum):
    """The kind of the other device."""

    GSME = 0
    ESME = 1
    CHF = 2
    GPF = 3
    HCALCS = 4
    PPMID = 5
    TYPE_2 = 6


_METHOD_OF_CODE: Final = {
    0x000D: Method.A_INITIATOR,
    0x00AB: Method.A_RESPONDER,
    0x000E: Method.B,
    0x00AF: Method.C,
}

_PARTNERS: Mapping[tuple[str, Method], frozenset[PeerType]] = {
    ("ESME", Method.A_INITIATOR): frozenset({PeerType.HCALCS, PeerType.PPMID, PeerType.TYPE_2}),
    ("ESME", Method.B): frozenset({PeerType.TYPE_2}),
    ("PPMID", Method.A_RESPONDER): frozenset({PeerType.ESME}),
    ("HCALCS", Method.A_RESPONDER): frozenset({PeerType.ESME}),
    ("GSME", Method.B): frozenset({PeerType.GPF}),
    ("GPF", Method.B): frozenset({PeerType.GSME, PeerType.PPMID, PeerType.TYPE_2}),
    ("GSME", Method.C): frozenset({PeerType.PPMID}),
    ("PPMID", Method.C): frozenset({PeerType.GSME}),
}


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """What is open."""

    capacity: int = 16  # no source tells the size of these logs; that of the hub's [our choice]
    # A published command joins a device with the certificate of another one, and succeeds [single source].
    certificate_names_device: bool = False
    # Which devices the log of one that was never commanded holds, as in a commissioned premises; none from manufacture.
    partners: Mapping[bytes, PeerType] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: int
    public: bytes | None = None  # key agreement key, with method C

    def as_json(self) -> list[Any]:
        return [self.kind, self.public.hex() if self.public else None]


class JoinLog:
    """The log of one device of ``kind``.

    ``agree`` says how the key agreement over the radio ends; as delivered, well.
    """

    def __init__(self, kind: str, settings: JoinSettings | None = None) -> None:
        self.kind, self.settings = kind, settings or JoinSettings()
        self.agree: Callable[[Join], JoinCode] = lambda _: JoinCode.SUCCESS
        self.changed = False
        """Set by every change; whoever tells of it clears it."""
        self._entries = self._at_first()

    def __contains__(self, device: object) -> bool:
        return device in self._entries

    def __iter__(self) -> Iterator[Device]:
        return (Device(device, entry.kind) for device, entry in self._entries.items())

    def __len__(self) -> int:
        return len(self._entries)

    def public(self, device: bytes) -> bytes | None:
        """The key agreement key that came with the device's certificate, None where none did."""
        entry = self._entries.get(device)
        return None if entry is None else entry.public

    def knows(self, kind: PeerType) -> bool:
        """Whether a device of this kind is in the log."""
        return any(entry.kind == kind for entry in self._entries.values())

    def enter(self, device: bytes, kind: int, public: bytes | None = None) -> JoinCode:
        """Put a device into the log; one that is there keeps its place, and its key where no new one comes."""
        known = self._entries.get(device)
        if kind not in set(PeerType):
            return JoinCode.WRONG_METHOD_AND_ROLE
        if known is not None and known.kind != kind:
            return JoinCode.INCOMPATIBLE_WITH_EXISTING_ENTRY
        if known is None and len(self._entries) >= self.settings.capacity:
            return JoinCode.LOG_FULL
        entry = _Entry(kind, public or (known.public if known else None))
        self.changed = self.changed or entry != known
        self._entries[device] = entry
        return JoinCode.SUCCESS

    def restore(self, saved: Mapping[str, Any] | None) -> None:
        """Take over what was saved; where nothing was, the log is as it was at first."""
        if saved is None:
            self._entries = self._at_first()
            return
        self._entries = {
            bytes.fromhex(device): _Entry(kind, bytes.fromhex(public) if public else None)
            for device, (kind, public) in saved.items()
        }

    def _at_first(self) -> dict[bytes, _Entry]:
        return {device: _Entry(int(kind)) for device, kind in self.settings.partners.items()}

    def persist(self) -> Persist:
        """The effect that keeps the log over a power loss."""
        return Persist(KEY, {device.hex(): entry.as_json() for device, entry in self._entries.items()})

    # --------------------------------------------------------------------------------------------------------- commands

    def join(self, view: Join, context: CommandContext) -> ResponseCode:
        """CS03A1, A2, B, C."""
        code, public = self._judge(view, context.message.message_code)
        if code is JoinCode.SUCCESS and view.method != Method.B:
            code = self.agree(view)
        if code is JoinCode.SUCCESS:
            code = self.enter(view.device, view.device_type, public)
        if code is JoinCode.SUCCESS:
            context.effects.append(self.persist())
        context.events.append(JOINED if code is JoinCode.SUCCESS else JOIN_FAILED)
        return self._answer(PartnerJoined, view.device, code, context)

    def unjoin(self, view: Unjoin, context: CommandContext) -> ResponseCode:
        """CS04AC, CS04B."""
        gone = self._entries.pop(view.device, None)
        if gone is not None:
            self.changed = True
            context.effects.append(self.persist())
        context.events.append(UNJOIN_FAILED if gone is None else UNJOINED)
        code = UnjoinCode.NOT_IN_LOG if gone is None else UnjoinCode.SUCCESS
        return self._answer(PartnerUnjoined, view.device, code, context)

    def read(self, _: DeviceLogRequest, context: CommandContext) -> DeviceLog:
        """CS07: every device of the log."""
        context.results = (0,)
        return DeviceLog(0, tuple(self))

    def refill(self, view: RestoreDeviceLog, context: CommandContext) -> RestoreResult:
        """GCS59: enter the devices of a backup, each for itself."""
        outcomes = tuple(DeviceOutcome(one, int(self.enter(one.device, one.device_type))) for one in view.devices)
        context.results = tuple(one.outcome for one in outcomes)
        if self.changed:
            context.effects.append(self.persist())
        return RestoreResult(outcomes)

    # ----------------------------------------------------------------------------------------------------------- inside

    def _judge(self, view: Join, message_code: int) -> tuple[JoinCode, bytes | None]:
        """Whether the join may be tried, and the key that its certificate brings."""
        if view.method not in set(Method) or _METHOD_OF_CODE.get(message_code) != view.method:
            return JoinCode.WRONG_MESSAGE_CODE, None
        method = Method(view.method)
        if view.device_type not in _PARTNERS.get((self.kind, method), frozenset()):
            return JoinCode.WRONG_METHOD_AND_ROLE, None
        if method is not Method.C:  # a certificate is there if and only if meter and PPMID are joined
            return JoinCode.SUCCESS if view.certificate is None else JoinCode.INVALID_OR_MISSING_CERTIFICATE, None
        if view.certificate is None:
            return JoinCode.INVALID_OR_MISSING_CERTIFICATE, None
        try:
            found = certificates.parse(view.certificate)
        except TrustError:
            return JoinCode.INVALID_OR_MISSING_CERTIFICATE, None
        named = found.eui == view.device or not self.settings.certificate_names_device
        if not found.is_device or found.usage is not certificates.Usage.KEY_AGREEMENT or not named:
            return JoinCode.INVALID_OR_MISSING_CERTIFICATE, None
        return JoinCode.SUCCESS, found.public

    def _answer(
        self,
        told: type[PartnerJoined | PartnerUnjoined],
        device: bytes,
        code: JoinCode | UnjoinCode,
        context: CommandContext,
    ) -> ResponseCode:
        context.results = (int(code),)
        context.effects.append(Record(told(partner=device, code=int(code), outcome=code.name.lower())))
        return ResponseCode(int(code))

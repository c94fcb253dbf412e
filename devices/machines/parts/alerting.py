"""Alerts of a device: built, protected and numbered from the device's own originator counter.

Must not live here: which event leads to which alert (``model.alerts``), how an alert travels (the machine).

Source: facts/gbcs.md 2.1 (who protects what), 3.1 (DLMS shape), 5.1 (ECS80).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from devices.events.commands import AlertRaised, AlertUnsendable
from devices.machines.core import Effect, Persist, Record
from devices.model.alerts import alert_name, rule
from devices.model.credentials import CredentialCells, Usage
from devices.model.roles import Role
from devices.trust import protection
from devices.trust.errors import TrustError
from devices.trust.keystore import KeyStore, agreement_key, signing_key
from devices.wire import axdr, cosem, gbcs, gbz
from devices.wire.axdr import Data
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA, Message

__all__ = ["AlertBuilder", "long_invoke"]


def long_invoke(counter: int) -> int:
    """The long-invoke-id-and-priority of a message: ``20`` and the low three octets of its originator counter."""
    return 0x20000000 | counter & 0xFFFFFF


class AlertBuilder:
    """Builds the alerts of the device ``identity`` and keeps its originator counter.

    ``first_counter`` is where the series began at manufacture.  A counter is recorded as used (an effect) before the
    message that carries it is handed over.
    """

    def __init__(self, identity: bytes, keys: KeyStore, cells: CredentialCells, first_counter: int = 1) -> None:
        self.identity, self.keys, self.cells = identity, keys, cells
        self._first = self._next = first_counter

    def take_counter(self) -> tuple[int, Persist]:
        """The next originator counter, and the effect that records it as used."""
        counter = self._next
        self._next += 1
        return counter, Persist("counter", self._next)

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on with the series that was saved, or begin it."""
        self._next = int(saved.get("counter", self._first))

    def build(
        self,
        code: int,
        recipient: Role,
        time: bytes,
        extra: Sequence[Data] = (),
        *,
        sealed: Data | None = None,
        message_code: int | None = None,
        critical: bool | None = None,
    ) -> tuple[bytes | None, list[Effect]]:
        """One DLMS alert with ``code`` to whoever plays ``recipient``; ``time`` is a COSEM date-time of 12 octets.

        ``extra`` are the elements after the time stamp; ``sealed`` follows them encrypted.  ``message_code`` and
        ``critical`` are those of the event's rule unless given.  Returns None for the octets, and a record of why,
        where the device has no credentials of that role or no key to protect the message with.
        """

        def payload(counter: int) -> bytes:
            hidden = () if sealed is None else self._sealed(sealed, recipient, counter)
            body = axdr.structure(axdr.u16(code), axdr.octets(time), *extra, *hidden)
            return cosem.encode(cosem.Notification(long_invoke(counter), b"", body))

        return self._build(code, recipient, payload, message_code, critical)

    def build_gbz(
        self,
        code: int,
        recipient: Role,
        make: Callable[[int], gbz.Alert],
        *,
        message_code: int | None = None,
        critical: bool | None = None,
    ) -> tuple[bytes | None, list[Effect]]:
        """One GBZ alert, as :meth:`build` makes a DLMS one; ``make`` gives it from the counter of its message."""
        return self._build(code, recipient, lambda counter: gbz.encode(make(counter)), message_code, critical)

    def build_asn1(
        self,
        code: int,
        recipient: Role,
        contents: bytes,
        *,
        message_code: int,
        critical: bool,
        party: bytes | None = None,
    ) -> tuple[bytes | None, list[Effect]]:
        """One alert whose payload is ``contents``, as :meth:`build` makes a DLMS one.

        ``party`` is who played ``recipient`` when that was somebody else than now.
        """
        return self._build(code, recipient, lambda _: contents, message_code, critical, party)

    def _build(
        self,
        code: int,
        recipient: Role,
        payload: Callable[[int], bytes],
        message_code: int | None,
        critical: bool | None,
        party: bytes | None = None,
    ) -> tuple[bytes | None, list[Effect]]:
        """``payload`` makes the contents from the originator counter of the message."""
        conduct = rule(code)
        is_critical = conduct.critical if critical is None else critical
        name = alert_name(code)
        party = party or self.cells.party_of(recipient)
        if party is None:
            reason = f"no credentials of {recipient.label}"
            return None, [Record(AlertUnsendable(code=code, name=name, recipient=recipient.label, reason=reason))]
        counter, recorded = self.take_counter()
        try:
            carrier = conduct.message_code if message_code is None else message_code
            message = Message(CRA.ALERT, counter, self.identity, party, carrier, payload(counter))
            message = self.protect(message, recipient, signed=is_critical)
            octets = gbcs.encode(message)
        except (TrustError, WireError) as error:
            unsent = AlertUnsendable(code=code, name=name, recipient=recipient.label, reason=str(error))
            return None, [recorded, Record(unsent)]
        raised = AlertRaised(code=code, name=name, recipient=recipient.label, message_code=carrier, counter=counter)
        return octets, [recorded, Record(raised)]

    def _sealed(self, plain: Data, recipient: Role, counter: int) -> tuple[Data, Data]:
        """``plain`` encrypted for whoever plays ``recipient``: the protection parameters and the blob, as in published
        ECS68 alerts (facts/gbcs.md 2.5).  Raises ``TrustError`` where a key is missing."""
        party = self.cells.party_of(recipient)
        if party is None:
            raise TrustError(f"no credentials of {recipient.label}")
        agreement = axdr.structure(axdr.enum(2), axdr.structure(axdr.octets(b"\x02"), axdr.octets(b"")))
        titles = axdr.octets(self.identity), axdr.octets(party)
        named = axdr.octets(b"\x04" + counter.to_bytes(8, "big"))
        parameters = axdr.structure(axdr.enum(2), axdr.structure(named, *titles, axdr.octets(b""), agreement))
        z = self.secret_with(recipient)
        blob = protection.seal(axdr.encode(plain), z, self.identity, party, counter)
        return axdr.array(parameters), axdr.octets(blob)

    def protect(self, message: Message, recipient: Role, *, signed: bool) -> Message:
        """``message`` signed by the device, or MACed for whoever plays ``recipient`` (facts/gbcs.md 2.1).

        Raises ``TrustError`` where a key is missing.
        """
        if signed:
            return protection.sign(message, self.keys, signing_key(self.identity))
        return protection.add_mac(message, self.secret_with(recipient))

    def secret_with(self, role: Role) -> bytes:
        """The shared secret of the device and whoever plays ``role``; raises ``TrustError``."""
        credential = self.cells.get(role, Usage.KEY_AGREEMENT)
        if credential is None:
            raise TrustError(f"the device holds no key agreement certificate of {role.label}; fill that cell")
        return self.keys.agree(agreement_key(self.identity), credential.public)

"""A prepayment interface (PPMID): tokens typed by the consumer and emergency credit asked for, sent to the gas meter.

It speaks to the meter device to device, with the MAC of their two keys.  Ports: ``han`` (the hub's tunnel, through
which its messages to the meter go as well) and ``line``.

Must not live here: what the meter makes of it (``gsme``), what it shares with gas devices (``parts.gas_device``).

Source: facts/gbcs.md 2.1 (PPMID to GSME), 5.5, 10.3; the display's words are [our choice].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from devices.events.accounts import MeterAnswered
from devices.events.commands import CommandRefused
from devices.machines.core import Answer, Asked, Effect, Record, Refuse, Show
from devices.machines.gas_device import GasDevice, GasDeviceSettings
from devices.machines.parts.commands import PayloadHandler
from devices.machines.parts.firmware import ActivationCode, Image, activated_alert
from devices.model import use_cases
from devices.model.credentials import CredentialCells
from devices.model.ppmid_objects import ppmid_clusters
from devices.model.roles import Role
from devices.model.zcl_objects import ClusterModel
from devices.trust import protection
from devices.trust.errors import TrustError
from devices.trust.keystore import KeyStore, agreement_key
from devices.wire import gbcs, gbz, gbz_typed, utrn, zcl, zcl_fields
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA, Message
from devices.wire.zcl_fields import Command, Value
from devices.wire.zcl_general import DefaultResponse

__all__ = ["Ppmid", "PpmidSettings"]

PREPAYMENT, TOP_UP, EMERGENCY_CREDIT = 0x0705, 0x04, 0x00
ACTIVATED_ALERT = 0x012B
ORIGINATING_DEVICE = 2  # a PPMID (facts/use-cases.md, PCS01)


@dataclass(frozen=True, slots=True)
class PpmidSettings(GasDeviceSettings):
    """What a prepayment interface adds to the settings of any gas device."""

    meter: bytes | None = None  # the gas meter that it tops up; None: it can't


class Ppmid(GasDevice):
    """One prepayment interface with the device identifier ``identity`` (EUI-64)."""

    KIND = "PPMID"
    settings: PpmidSettings

    def __init__(
        self,
        identity: bytes,
        keys: KeyStore,
        cells: CredentialCells,
        settings: PpmidSettings | None = None,
        *,
        handlers: Mapping[int, PayloadHandler] | None = None,
        peers: Callable[[bytes], bytes | None] | None = None,
    ) -> None:
        self.settings = settings or PpmidSettings()
        self._asked_for: dict[int, str] = {}  # counter to use case, while the meter has not answered
        super().__init__(identity, keys, cells, handlers=handlers, peers=peers)

    def _new_clusters(self) -> ClusterModel:
        return ppmid_clusters()

    def _own_verb(self, event: Asked, now: int) -> list[Effect]:
        match event:
            case Asked(verb="top_up"):
                return self._top_up(str(event.args.get("utrn", "")), now)
            case Asked(verb="emergency_credit"):
                fields: tuple[tuple[str, Value], ...] = (
                    ("Command Issue Date/Time", 0),
                    ("Originating Device", ORIGINATING_DEVICE),
                )
                return self._ask_meter("PCS02", EMERGENCY_CREDIT, fields, now)
        return [Refuse(f"a PPMID has no verb {event.verb!r}; try 'top_up', 'emergency_credit' or 'image'")]

    def _image(self, image: Image, now: int) -> list[Effect]:
        """No command activates an image here, so a good one runs as soon as it has come [our reading], which is told
        (CS09)."""
        firmware = self.processor.asn1.firmware
        if not image.is_good:
            return super()._image(image, now)
        effects: list[Effect] = [firmware.hold(image.sha256, image.version)]
        result, done, events = firmware.run(image.sha256)
        effects += done
        for code in events:
            effects += self.out.event(code, now, image.sha256, tell=False)
        told = activated_alert(firmware.version, ActivationCode(result.code), self.clock.at(now))
        due = self.processor.asn1.alert(told, ACTIVATED_ALERT, Role.ACCESS_CONTROL_BROKER)
        effects += [*due.effects, *(self.out.keep(octets) for octets in due.alerts)]
        return [*effects, *self.out.flush(now)]

    # ----------------------------------------------------------------------------------------------- towards the meter

    def _top_up(self, digits: str, now: int) -> list[Effect]:
        """A token typed in: its check digit is judged here, the rest by the meter."""
        try:
            utrn.decode(digits)
        except WireError as error:
            return [Show("CODE NOT VALID"), Refuse(str(error))]
        code: tuple[tuple[str, Value], ...] = (
            ("Originating Device", ORIGINATING_DEVICE),
            ("TopUp Code", digits.encode("ascii")),
        )
        return self._ask_meter("PCS01", TOP_UP, code, now)

    def _ask_meter(self, name: str, command: int, fields: tuple[tuple[str, Value], ...], now: int) -> list[Effect]:
        meter = self.settings.meter
        if meter is None:
            return [Refuse("this PPMID knows no gas meter; give it one in its settings")]
        counter, recorded = self.processor.alerts.take_counter()
        kind = (PREPAYMENT, False, command)
        body = Command(*kind, zcl_fields.name_of(*kind), fields)
        frame = zcl.Frame(zcl.CLUSTER_SPECIFIC, 0, command, zcl_fields.write(body))
        payload = gbz.encode(gbz.Payload((gbz.Component(PREPAYMENT, frame),)))
        message = Message(CRA.COMMAND, counter, self.identity, meter, use_cases.by_name(name).code, payload)
        try:
            octets = gbcs.encode(protection.add_mac(message, self._secret(meter)))
        except (TrustError, WireError) as error:
            return [recorded, Refuse(f"the command can't be protected: {error}")]
        self._asked_for[counter] = name
        port, peer = ("line", meter) if self.out.line_up else ("han", self.settings.hub or meter)
        sent = self.out.send(port, peer, octets, now)
        return [recorded, *sent, Show("WAIT"), Answer({"counter": counter})]

    def _secret(self, meter: bytes) -> bytes:
        public = self.processor.peers(meter)
        if public is None:
            raise TrustError(f"no key agreement key of {meter.hex()}; join the two devices first")
        return self.processor.own_keys.agree(agreement_key(self.identity), public)

    def _message(self, port: str, peer: bytes, octets: bytes, now: int) -> list[Effect]:
        """Answers of the meter are shown; everything else is a command of a remote party."""
        try:
            message = gbcs.decode(octets)
        except WireError:
            return super()._message(port, peer, octets, now)
        if message.cra != CRA.RESPONSE:
            return super()._message(port, peer, octets, now)
        if message.originator != self.settings.meter or message.counter not in self._asked_for:
            return [_refused(message, "response", "an answer that nothing was asked for")]
        try:
            if not protection.mac_valid(message, self._secret(message.originator)):
                return [_refused(message, "mac", "the MAC is not that of the gas meter")]
            return self._show(message)
        except (TrustError, WireError) as error:
            return [_refused(message, "content", str(error))]

    def _show(self, message: Message) -> list[Effect]:
        payload = gbz.decode(message.payload)
        if not isinstance(payload, gbz.Payload):
            return [_refused(message, "content", "the answer is a GBZ alert")]
        body = gbz_typed.read(payload.components[0])
        name = self._asked_for.pop(message.counter)
        good = isinstance(body, DefaultResponse) and body.status == 0
        answer = (
            {key: value for key, value in body.fields if isinstance(value, int)} if isinstance(body, Command) else {}
        )
        if isinstance(body, Command):
            good = answer.get("Result Type") == self.settings.gas.accepted
        told = MeterAnswered(
            use_case=name,
            counter=message.counter,
            result_type=answer.get("Result Type"),
            top_up_value=answer.get("Top Up Value"),
            source=answer.get("Source of Top up"),
            credit_remaining=answer.get("Credit Remaining"),
            good=good,
        )
        words = {"PCS01": ("CREDIT ADDED", "CODE REJECTED"), "PCS02": ("EMERGENCY CREDIT ON", "NOT AVAILABLE")}
        return [Record(told), Show(words[name][0 if good else 1])]


def _refused(message: Message, check: str, reason: str) -> Record:
    """The trace of an answer that was not taken; it raises no alert."""
    return Record(
        CommandRefused(
            check=check,
            reason=reason,
            alert=None,
            message_code=message.message_code,
            originator=message.originator,
            counter=message.counter,
        )
    )

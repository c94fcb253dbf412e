"""The access control broker (ACB): it puts its MAC to what users want sent to devices, and passes the answers on.

It stands between the users (suppliers, network operators, others) and the WAN.  A user's pre-command that is critical
must carry that user's signature; the broker checks it before it MACs.  For a user whom a device does not know, the
broker is itself the originator and names the user in the other-information.

Ports: ``users.wan``, ``users.local``, ``users.both`` (a user's pre-command with its way of delivery in, answers and
local copies out) and ``wan``.

With a transform service it is the whole way from a service request to its answer: users' commands pass the service's
checks first, its verbs are the broker's verbs, and what cannot leave waits.

Must not live here: what a use case carries (``parts.building``), keys.

Source: facts/gbcs.md 1.3, 1.4, 2.1 [verified by running], 5.7 command variants [2 sources].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from devices.events.parties import BrokerRefused, PartyReceived
from devices.machines.core import (
    Answer,
    Asked,
    Effect,
    Event,
    LinkChanged,
    MachineError,
    PowerRestored,
    Received,
    Record,
    Refuse,
    Send,
    SendFailed,
    Started,
    TimerFired,
)
from devices.machines.parts.asked import eui_argument
from devices.machines.parts.building import Envelope, arguments, command_message, demands, use_case_named
from devices.machines.parts.postbox import Postbox
from devices.machines.parts.reading import outcome
from devices.machines.parts.success import succeeded
from devices.machines.transform_service import Step, TransformService
from devices.model import use_cases
from devices.trust import protection
from devices.trust.errors import TrustError
from devices.trust.keystore import KeyStore, agreement_key, signing_key
from devices.trust.ledger import Ledger
from devices.wire import gbcs, outage_notice
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA, Message
from devices.wire.outage_notice import OutageNotice

__all__ = ["AccessControlBroker", "BrokerSettings"]

WAYS: Final = ("wan", "local", "both")


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Who the broker is and whom it serves."""

    eui: bytes
    series: str = "commands"  # its own row of originator counters in the ledger
    registration: Mapping[bytes, frozenset[bytes]] | None = None
    # device -> users who may command it; None: no registration data, everybody may [our choice]
    outages_to: tuple[bytes, ...] = ()  # network operators, who are told of hubs without supply (AD1)


class AccessControlBroker:
    """One broker.  ``directory`` holds the public points of users and devices by key name.

    ``service`` transforms service requests and holds commands against its limits; without one every command that is
    signed and registered as it must be goes through.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        keys: KeyStore,
        directory: Mapping[str, bytes],
        ledger: Ledger,
        service: TransformService | None = None,
    ) -> None:
        self.settings, self.service = settings, service
        self._keys, self._directory, self._ledger = keys, directory, ledger
        self._postbox = None if service is None else Postbox()

    def handle(self, event: Event, now: int) -> Sequence[Effect]:
        """Take one event; see :class:`devices.machines.core.Machine`."""
        match event:
            case Received(port, peer, octets) if port.startswith("users."):
                return self._from_user(port.removeprefix("users."), peer, octets, now)
            case Received(port="wan", peer=peer, octets=octets):
                notice = outage_notice.read(octets)
                return self._from_device(octets, now) if notice is None else self._outage(notice, peer, octets)
            case Asked(verb, args):
                return self._asked(verb, args, now)
        return self._for_service(event, now)

    def _for_service(self, event: Event, now: int) -> list[Effect]:
        """What concerns the broker only with a transform service."""
        if self.service is None or self._postbox is None:
            return []
        match event:
            case Started(saved) | PowerRestored(saved, _):
                self._postbox.restore(saved)
                return self._carry_out(self.service.restore(saved, now))
            case TimerFired(name):
                return self._carry_out(self.service.fired(name, now))
            case LinkChanged(port, True):
                return self._postbox.open(port)
            case SendFailed():
                return self._postbox.failed(event)
        return []

    def _carry_out(self, step: Step) -> list[Effect]:
        """Everything that the service kept and wrote down, then the commands that may go."""
        effects = list(step.effects)
        if step.given_up and self._postbox is not None:
            effects += self._postbox.drop("wan", lambda octets: _key(gbcs.decode(octets)) in step.given_up)
        for ready in step.ready:
            try:
                effects += self._deliver(self._finish(ready.message), ready.way, ready.user)
            except (TrustError, MachineError) as error:
                effects.append(self._refused(ready.user, str(error), gbcs.encode(ready.message)))
        return effects

    def _finish(self, message: Message) -> Message:
        """Sign what is the broker's own and wants a signature, and put the MAC on where it must."""
        ours = message.originator == self.settings.eui
        signed, maced = _demanded(message, by_broker=ours)
        if signed and ours:
            message = protection.sign(message, self._keys, signing_key(self.settings.eui))
        return self._protect(message, maced=maced)

    # ------------------------------------------------------------------------------------------------- towards devices

    def _from_user(self, way: str, user: bytes, octets: bytes, now: int) -> list[Effect]:
        try:
            message = gbcs.decode(octets)
            self._check(message, user)
            if self.service is not None:
                self._public(agreement_key(message.recipient))
                return self._carry_out(self.service.submitted(message, user, way, now))
            final = self._protect(message, maced=_demanded(message)[1])
        except (WireError, TrustError, MachineError) as error:
            return [self._refused(user, str(error), octets)]
        return self._deliver(final, way, user)

    def _check(self, message: Message, user: bytes) -> None:
        """Whether this user may have this sent.  Raises :class:`MachineError` with the reason where not."""
        if message.cra != CRA.COMMAND or message.mac is not None:
            raise MachineError("expected a pre-command: kind 1, without a MAC")
        if message.originator != user:
            raise MachineError(f"the originator is {message.originator.hex()}, but it came from {user.hex()}")
        self._registered(message.recipient, user)
        if not _demanded(message)[0]:
            return
        public = self._public(signing_key(user))
        if not message.signature or not protection.signature_valid(message, public):
            use_case = use_cases.by_code(message.message_code)
            name = use_case.use_case if use_case else f"0x{message.message_code:04X}"
            raise MachineError(f"{name} is critical, and the signature is missing or not that of its originator")

    def _registered(self, device: bytes, user: bytes) -> None:
        allowed = self.settings.registration
        if allowed is not None and user not in allowed.get(device, frozenset()):
            raise MachineError(f"user {user.hex()} is not registered for device {device.hex()}")

    def _protect(self, message: Message, *, maced: bool = True) -> Message:
        """The final command: an absent signature field becomes the empty one, and the MAC is put on where it must."""
        final = message if message.signature else replace(message, signature=b"")
        if not maced:
            return final
        own = agreement_key(self.settings.eui)
        return protection.add_mac(final, self._keys.agree(own, self._public(agreement_key(message.recipient))))

    def _deliver(self, message: Message, way: str, user: bytes) -> list[Effect]:
        octets = gbcs.encode(message)
        effects: list[Effect] = []
        if way in ("wan", "both"):
            effects += self._send("wan", message.recipient, octets)
        if way in ("local", "both"):
            effects += self._send("users.local", user, octets)
        return effects

    # --------------------------------------------------------------------------------------------------- towards users

    def _from_device(self, octets: bytes, now: int) -> list[Effect]:
        try:
            message = gbcs.decode(octets)
        except WireError as error:
            return [Record(BrokerRefused(reason=str(error), octets=octets))]
        effects: list[Effect] = [] if self.service is None else self._carry_out(self.service.returned(message, now))
        if self._postbox is not None:
            effects += self._postbox.open("wan", message.originator)
        user = message.recipient
        if user == self.settings.eui:
            user = message.supplementary_party or (self.service.user_of(message) if self.service else b"")
            effects.append(self._read(message, octets))
        return effects + (self._send("users.wan", user, octets) if user else [])

    def _outage(self, notice: OutageNotice, hub: bytes, octets: bytes) -> list[Effect]:
        """A hub tells that it is without supply (AD1): passed to the network operators (facts/gbcs.md 10.4)."""
        if notice.hub != hub:
            return [Record(BrokerRefused(reason=f"a notice of {notice.hub.hex()} from {hub.hex()}", octets=octets))]
        return [one for user in self.settings.outages_to for one in self._send("users.wan", user, octets)]

    def _read(self, message: Message, octets: bytes) -> Record:
        """What the broker itself learns from a message that is addressed to it."""
        told = outcome(message)
        return Record(
            PartyReceived(
                party=self.settings.eui,
                from_=message.originator,
                recipient=message.recipient,
                cra=int(message.cra),
                message_code=message.message_code,
                counter=message.counter,
                octets=octets,
                success=succeeded(message),
                verified=self._verified(message),
                results=told.results,
                data=told.data,
                alert=told.alert,
            )
        )

    def _verified(self, message: Message) -> bool:
        try:
            if message.signature:
                return protection.signature_valid(message, self._public(signing_key(message.originator)))
            peer = self._public(agreement_key(message.originator))
            return protection.mac_valid(message, self._keys.agree(agreement_key(self.settings.eui), peer))
        except (TrustError, MachineError):
            return False

    # --------------------------------------------------------------------------------------------- on behalf of a user

    def _asked(self, verb: str, args: Mapping[str, Any], now: int) -> list[Effect]:
        serves = self.service is not None and verb in self.service.verbs
        if verb != "command" and not serves:
            return [
                Refuse(f"expected the verb 'command', got {verb!r}; users' own commands come in through their ports")
            ]
        try:
            if self.service is not None and serves:
                return self._serve(verb, args, now)
            message, way, user = self._build(args)
        except (MachineError, TrustError, WireError) as error:
            return [Refuse(str(error))]
        answer = {
            "counter": message.counter,
            "message_code": message.message_code,
            "octets": gbcs.encode(message).hex(),
        }
        return [Answer(answer), *self._deliver(message, way, user)]

    def _serve(self, verb: str, args: Mapping[str, Any], now: int) -> list[Effect]:
        assert self.service is not None
        if verb in ("request", "schedule"):
            device = eui_argument(args, "device")
            self._registered(device, eui_argument(args, "user"))
            self._public(agreement_key(device))
        return self._carry_out(self.service.asked(verb, args, now))

    def _build(self, args: Mapping[str, Any]) -> tuple[Message, str, bytes]:
        """A command of the broker itself, on behalf of a user if the arguments name one."""
        way = args.get("delivery", "wan")
        if way not in WAYS:
            raise MachineError(f"argument 'delivery': expected one of {', '.join(WAYS)}, got {way!r}")
        use_case = use_case_named(str(args.get("use_case", "")))
        device = eui_argument(args, "device")
        user = eui_argument(args, "on_behalf") if args.get("on_behalf") else None
        if user is not None:
            self._registered(device, user)
        supplementary = _counter(args) if user is not None else None
        ours = self.settings.eui
        envelope = Envelope(ours, device, 0, user, supplementary, _certificate(args))
        # Built once with counter 0 so that wrong arguments are refused before a counter is spent on them.
        trial = command_message(use_case, arguments(args), envelope)
        self._public(agreement_key(device))
        signed, maced = demands(use_case, trial.payload, by_broker=True)
        if signed:
            self._keys.public(signing_key(ours))
        envelope = replace(envelope, counter=self._ledger.take(self.settings.series))
        message = command_message(use_case, arguments(args), envelope)
        if signed:
            message = protection.sign(message, self._keys, signing_key(ours))
        return self._protect(message, maced=maced), way, user or ours

    # --------------------------------------------------------------------------------------------------------- helpers

    def _public(self, name: str) -> bytes:
        try:
            return self._directory[name]
        except KeyError:
            raise MachineError(f"the directory holds no public key {name!r}; add the certificate of that party")

    def _send(self, port: str, peer: bytes, octets: bytes) -> list[Effect]:
        return [Send(port, peer, octets)] if self._postbox is None else self._postbox.send(port, peer, octets)

    def _refused(self, user: bytes, reason: str, octets: bytes) -> Record:
        return Record(BrokerRefused(user=user, reason=reason, octets=octets))


def _key(message: Message) -> tuple[bytes, bytes, int]:
    return message.originator, message.recipient, message.counter


def _demanded(message: Message, *, by_broker: bool = False) -> tuple[bool, bool]:
    """What a command needs: a signature, a MAC.  One that nobody knows gets a MAC."""
    use_case = use_cases.by_code(message.message_code)
    return (False, True) if use_case is None else demands(use_case, message.payload, by_broker=by_broker)


def _certificate(args: Mapping[str, Any]) -> bytes | None:
    """``certificate``: the key agreement certificate of a user whom the device does not know, DER in hexadecimal."""
    given = args.get("certificate")
    try:
        return bytes.fromhex(given) if given else None
    except (TypeError, ValueError):
        raise MachineError(f"argument 'certificate': expected DER in hexadecimal digits, got {str(given)[:40]!r}")


def _counter(args: Mapping[str, Any]) -> int:
    counter = args.get("counter")
    if isinstance(counter, bool) or not isinstance(counter, int) or not 0 <= counter < 1 << 63:
        raise MachineError(f"argument 'counter': expected the user's counter as a whole number, got {counter!r}")
    return counter

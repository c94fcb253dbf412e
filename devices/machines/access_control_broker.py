"""The access control broker (ACB): it puts its MAC to what users want sent to devices, and passes the answers on.

It stands between the users (suppliers, network operators, others) and the WAN.  A user's pre-command that is critical
must carry that user's signature; the broker checks it before it MACs.  For a user whom a device does not know, the
broker is itself the originator and names the user in the other-information.

Ports: ``users.wan``, ``users.local``, ``users.both`` (a user's pre-command with its way of delivery in, answers and
local copies out) and ``wan``.

Must not live here: what a use case carries (``parts.building``), keys.

Source: facts/gbcs.md 1.3, 1.4, 2.1 [verified by running], 5.7 command variants [2 sources].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from devices.machines.core import Answer, Asked, Effect, Event, MachineError, Received, Record, Refuse, Send
from devices.machines.parts.building import arguments, command_payload, use_case_named
from devices.machines.parts.reading import outcome
from devices.model import use_cases
from devices.trust import protection
from devices.trust.errors import TrustError
from devices.trust.keystore import KeyStore, agreement_key, signing_key
from devices.trust.ledger import Ledger
from devices.wire import eui64, gbcs
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA, Message

__all__ = ["AccessControlBroker", "BrokerSettings"]

WAYS: Final = ("wan", "local", "both")


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Who the broker is and whom it serves."""

    eui: bytes
    series: str = "commands"  # its own row of originator counters in the ledger
    registration: Mapping[bytes, frozenset[bytes]] | None = None
    # device -> users who may command it; None: no registration data, everybody may [our choice]


class AccessControlBroker:
    """One broker.  ``directory`` holds the public points of users and devices by key name."""

    def __init__(
        self, settings: BrokerSettings, keys: KeyStore, directory: Mapping[str, bytes], ledger: Ledger
    ) -> None:
        self.settings = settings
        self._keys, self._directory, self._ledger = keys, directory, ledger

    def handle(self, event: Event, now: int) -> Sequence[Effect]:  # noqa: ARG002
        """Take one event; see :class:`devices.machines.core.Machine`."""
        match event:
            case Received(port, peer, octets) if port.startswith("users."):
                return [_arrived(event), *self._from_user(port.removeprefix("users."), peer, octets)]
            case Received(port="wan", octets=octets):
                return [_arrived(event), *self._from_device(octets)]
            case Asked(verb, args):
                return self._asked(verb, args)
        return []

    # ------------------------------------------------------------------------------------------------- towards devices

    def _from_user(self, way: str, user: bytes, octets: bytes) -> list[Effect]:
        try:
            message = gbcs.decode(octets)
            self._check(message, user)
            final = self._protect(message)
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
        use_case = use_cases.by_code(message.message_code)
        if use_case is None or not use_case.critical:
            return
        public = self._public(signing_key(user))
        if not message.signature or not protection.signature_valid(message, public):
            raise MachineError(
                f"{use_case.use_case} is critical, and the signature is missing or not that of its originator"
            )

    def _registered(self, device: bytes, user: bytes) -> None:
        allowed = self.settings.registration
        if allowed is not None and user not in allowed.get(device, frozenset()):
            raise MachineError(f"user {user.hex()} is not registered for device {device.hex()}")

    def _protect(self, message: Message) -> Message:
        """The final command: an absent signature field becomes the empty one, and the MAC is put on."""
        final = message if message.signature else replace(message, signature=b"")
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

    def _from_device(self, octets: bytes) -> list[Effect]:
        try:
            message = gbcs.decode(octets)
        except WireError as error:
            return [Record("broker.refused", {"reason": str(error), "octets": octets.hex()})]
        effects: list[Effect] = []
        user = message.recipient
        if user == self.settings.eui:
            user = message.supplementary_party or b""
            effects.append(self._read(message))
        return effects + (self._send("users.wan", user, octets) if user else [])

    def _read(self, message: Message) -> Record:
        """What the broker itself learns from a message that is addressed to it."""
        fields = {"party": self.settings.eui.hex(), "from": message.originator.hex(), "cra": int(message.cra)}
        code = {"message_code": message.message_code, "counter": message.counter}
        return Record("party.received", {**fields, **code, "verified": self._verified(message), **outcome(message)})

    def _verified(self, message: Message) -> bool:
        try:
            if message.signature:
                return protection.signature_valid(message, self._public(signing_key(message.originator)))
            peer = self._public(agreement_key(message.originator))
            return protection.mac_valid(message, self._keys.agree(agreement_key(self.settings.eui), peer))
        except (TrustError, MachineError):
            return False

    # --------------------------------------------------------------------------------------------- on behalf of a user

    def _asked(self, verb: str, args: Mapping[str, Any]) -> list[Effect]:
        if verb != "command":
            return [
                Refuse(f"expected the verb 'command', got {verb!r}; users' own commands come in through their ports")
            ]
        try:
            message, way, user = self._build(args)
        except (MachineError, TrustError, WireError) as error:
            return [Refuse(str(error))]
        answer = {
            "counter": message.counter,
            "message_code": message.message_code,
            "octets": gbcs.encode(message).hex(),
        }
        return [Answer(answer), *self._deliver(message, way, user)]

    def _build(self, args: Mapping[str, Any]) -> tuple[Message, str, bytes]:
        """A command of the broker itself, on behalf of a user if the arguments name one."""
        way = args.get("delivery", "wan")
        if way not in WAYS:
            raise MachineError(f"argument 'delivery': expected one of {', '.join(WAYS)}, got {way!r}")
        use_case = use_case_named(str(args.get("use_case", "")))
        device = _eui(args, "device")
        user = _eui(args, "on_behalf") if args.get("on_behalf") else None
        if user is not None:
            self._registered(device, user)
        supplementary = _counter(args) if user is not None else None
        # Built once with counter 0 so that wrong arguments are refused before a counter is spent on them.
        command_payload(use_case, arguments(args), 0)
        self._public(agreement_key(device))
        counter = self._ledger.take(self.settings.series)
        message = Message(
            CRA.COMMAND,
            counter,
            self.settings.eui,
            device,
            use_case.code,
            command_payload(use_case, arguments(args), counter),
            supplementary_party=user,
            supplementary_counter=supplementary,
        )
        return self._protect(message), way, user or self.settings.eui

    # --------------------------------------------------------------------------------------------------------- helpers

    def _public(self, name: str) -> bytes:
        try:
            return self._directory[name]
        except KeyError:
            raise MachineError(f"the directory holds no public key {name!r}; add the certificate of that party")

    def _send(self, port: str, peer: bytes, octets: bytes) -> list[Effect]:
        fields = {"port": port, "peer": peer.hex(), "octets": octets.hex()}
        return [Send(port, peer, octets), Record("gbcs.tx", fields)]

    def _refused(self, user: bytes, reason: str, octets: bytes) -> Record:
        return Record("broker.refused", {"user": user.hex(), "reason": reason, "octets": octets.hex()})


def _arrived(event: Received) -> Record:
    return Record("gbcs.rx", {"port": event.port, "peer": event.peer.hex(), "octets": event.octets.hex()})


def _eui(args: Mapping[str, Any], name: str) -> bytes:
    try:
        return eui64.parse(str(args[name]))
    except KeyError:
        raise MachineError(f"argument {name!r} is missing; give it the EUI-64")
    except WireError as error:
        raise MachineError(f"argument {name!r}: {error}")


def _counter(args: Mapping[str, Any]) -> int:
    counter = args.get("counter")
    if isinstance(counter, bool) or not isinstance(counter, int) or not 0 <= counter < 1 << 63:
        raise MachineError(f"argument 'counter': expected the user's counter as a whole number, got {counter!r}")
    return counter

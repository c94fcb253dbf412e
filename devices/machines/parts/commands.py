"""Commands of remote parties: checked, executed and answered, the same way in a meter and in a hub.

The checks are a table (``checks``).  Only a command that passes all of them changes anything:
its counter is recorded first, then it is executed, then it is answered.  A refused command changes nothing here; what
the device logs and whom it tells is the machine's business, from :class:`Refusal`.

Must not live here: the conduct of one kind of device, ports, the rule of the counters (``replay``).

Source: facts/gbcs.md 1, 2.1, 3.5, 11 no. 1 and 2; the use-case table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from devices.events.commands import CommandExecuted, CommandRefused, ResponseUnsendable
from devices.machines.core import Effect, Persist, Record
from devices.machines.parts.alerting import AlertBuilder
from devices.machines.parts.asn1_execution import Asn1Execution, Due
from devices.machines.parts.checks import CHECKS, Checks, CommandSettings, Inquiry, Refusal, series
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.device_keys import DeviceKeys
from devices.machines.parts.execution import CommandContext, execute
from devices.machines.parts.gbz_execution import GbzExecutor
from devices.machines.parts.replay import ReplayFloors
from devices.model.credentials import CredentialCells, Usage
from devices.model.objects import ObjectModel
from devices.model.roles import Role
from devices.model.use_cases import UseCase
from devices.trust import certificates, protection
from devices.trust.errors import TrustError
from devices.trust.keystore import KeyStore, agreement_key
from devices.wire import gbcs
from devices.wire.axdr import Data
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA, Message

__all__ = ["CHECKS", "CommandContext", "CommandProcessor", "CommandSettings", "Outcome", "PayloadHandler", "Refusal"]

PayloadHandler = Callable[[bytes, CommandContext], bytes]
"""Executes the payload of one message code that is no access-request (ASN.1) and gives the response's payload.  Raises
``WireError`` for a payload that it can't read, before it changes anything."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one message.

    ``effects`` are in the order in which they must be granted (the counter first, then what the command did), all
    before ``response`` leaves.  ``results`` are the result codes of the accesses.  ``message`` is None where it was
    unreadable.  ``events`` are codes for the logs; ``alerts`` are whole messages that leave after the response.
    """

    response: bytes | None
    refused: Refusal | None
    effects: tuple[Effect, ...]
    message: Message | None = None
    use_case: UseCase | None = None
    results: tuple[int, ...] = ()
    events: tuple[int, ...] = ()
    alerts: tuple[bytes, ...] = ()

    @property
    def executed(self) -> bool:
        """Whether the command was carried out, with whatever results."""
        return self.refused is None


class CommandProcessor:
    """The commands of one device.

    ``device`` is its kind as in the use-case table (``"ESME"``, ``"CHF"``).  ``handlers`` execute message codes in
    another way than the good device does, ``clusters`` GBZ payloads.  ``peers`` gives the key agreement key of a device
    on the same HAN that may send commands; None: those whose certificate came with a join, or that the key store knows.
    """

    def __init__(
        self,
        identity: bytes,
        keys: KeyStore,
        cells: CredentialCells,
        objects: ObjectModel[CommandContext],
        settings: CommandSettings | None = None,
        *,
        device: str = "ESME",
        handlers: Mapping[int, PayloadHandler] | None = None,
        clusters: GbzExecutor | None = None,
        peers: Callable[[bytes], bytes | None] | None = None,
    ) -> None:
        self.identity, self.keys, self.cells, self.objects = identity, keys, cells, objects
        self.settings = settings or CommandSettings()
        self.device = device
        self.own_keys = DeviceKeys.over(keys, identity)
        self.floors = ReplayFloors(self.settings.replay)
        self.alerts = AlertBuilder(identity, self.own_keys, cells, self.settings.first_counter)
        self.asn1 = Asn1Execution(device, self.own_keys, cells, self.floors, self.alerts, self.settings.asn1)
        self.handlers = {**self.asn1.handlers(), **(handlers or {})}
        self.clusters, self.peers = clusters, peers or self._known
        self.checks = Checks(
            identity,
            self.own_keys,
            cells,
            self.floors,
            self.settings,
            device,
            self.handlers,
            clusters,
            self.peers,
            self.asn1,
        )

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what the effects of an earlier life saved: counters both ways, objects."""
        self.floors.restore(saved.get("floors"))
        self.alerts.restore(saved)
        self.objects.restore(saved.get("objects"))
        self.asn1.restore(saved)
        if self.clusters is not None and "clusters" in saved:
            self.clusters.clusters.restore(saved["clusters"])

    def alert(
        self, code: int, recipient: Role, civil: CivilTime, extra: Sequence[Data] = (), **carrier: Any
    ) -> tuple[bytes | None, list[Effect]]:
        """One alert as octets, see :meth:`AlertBuilder.build`."""
        return self.alerts.build(code, recipient, civil.dlms(), extra, **carrier)

    @property
    def next_due(self) -> int | None:
        """When a future-dated command is due, civil time in ns since 1970; None while none waits."""
        return self.asn1.next_due

    def reach(self, civil: CivilTime) -> Due:
        """Carry out the future-dated commands that are due at ``civil``."""
        return self.asn1.reach(civil)

    def receive(self, octets: bytes, now: int, civil: CivilTime) -> Outcome:
        """Check one message, execute it and answer it.  Never raises for whatever octets it is given."""
        try:
            message = gbcs.decode(octets)
        except WireError as error:
            return self._refused(Refusal("decode", str(error), self.settings.malformed_alert), None)
        inquiry = Inquiry(message, gbcs.received(octets))
        refusal = self.checks.judge(inquiry)
        if refusal is not None:
            return self._refused(refusal, inquiry)
        assert inquiry.use_case is not None
        return self._execute(inquiry, inquiry.use_case, now, civil)

    # ------------------------------------------------------------------------------------------------- after the checks

    def _refused(self, refusal: Refusal, inquiry: Inquiry | None) -> Outcome:
        message = inquiry.message if inquiry else None
        if message is not None:
            refusal = replace(
                refusal, message_code=message.message_code, counter=message.counter, originator=message.originator
            )
        told = CommandRefused(
            check=refusal.check,
            reason=refusal.reason,
            alert=refusal.alert,
            message_code=None if message is None else message.message_code,
            originator=None if message is None else message.originator,
            counter=None if message is None else message.counter,
        )
        effects: list[Effect] = [Record(told)]
        if inquiry is not None and inquiry.use_case is not None and self.settings.counts_refused:
            self._count(inquiry, inquiry.use_case, effects)
        return Outcome(None, refusal, tuple(effects), message, inquiry.use_case if inquiry else None)

    def _count(self, inquiry: Inquiry, use_case: UseCase, effects: list[Effect]) -> None:
        """The counter of this command is used."""
        self.floors.record(series(inquiry.message, use_case, inquiry.role), inquiry.message.counter)
        effects.append(Persist("floors", self.floors.as_json()))

    def _execute(self, inquiry: Inquiry, use_case: UseCase, now: int, civil: CivilTime) -> Outcome:
        message = inquiry.message
        effects: list[Effect] = []
        if self.floors.protects(use_case.replay_protected):
            self._count(inquiry, use_case, effects)
        supplementary = None
        if message.certificate is not None:
            supplementary, recorded = self.alerts.take_counter()
            effects.append(recorded)

        def seal(plaintext: bytes) -> bytes:
            return self._seal(plaintext, message, inquiry.role, supplementary)

        context = CommandContext(now, civil, message, use_case, inquiry.role, seal, effects)
        try:
            if inquiry.request is not None:
                payload = execute(inquiry.request, self.objects, context)
            elif inquiry.components is not None:
                assert self.clusters is not None
                payload = self.clusters.execute(inquiry.components, context)
            else:
                payload = self.handlers[message.message_code](message.payload, context)
            response: bytes | None = self._respond(message, use_case, inquiry.role, payload, civil, supplementary)
        except (TrustError, WireError) as error:
            effects.append(Record(ResponseUnsendable(reason=str(error), code=message.message_code)))
            response = None
        if message.message_code in self.settings.unanswered:
            response = None
        for step in context.afterwards:
            step()
        done = CommandExecuted(
            message_code=message.message_code,
            use_case=use_case.use_case,
            originator=message.originator,
            counter=message.counter,
            results=tuple(context.results),
        )
        effects.append(Record(done))
        return Outcome(
            response,
            None,
            tuple(effects),
            message,
            use_case,
            context.results,
            tuple(context.events),
            tuple(context.alerts),
        )

    def _respond(
        self,
        command: Message,
        use_case: UseCase,
        role: Role,
        payload: bytes,
        civil: CivilTime,
        supplementary: int | None,
    ) -> bytes:
        """Counter repeated, titles swapped, supplementary party mirrored (facts/gbcs.md 1.1, 1.3, 2.1)."""
        response = Message(
            CRA.RESPONSE,
            command.counter,
            self.identity,
            command.originator,
            command.message_code,
            payload,
            date_time=civil.dlms(_clock_status(use_case, civil)) if use_case.response_has_time else b"",
            supplementary_party=command.supplementary_party,
            supplementary_counter=command.supplementary_counter,
            supplementary_originator_counter=supplementary,
        )
        if self.settings.before_protection is not None:
            response = self.settings.before_protection(response)
        form = use_case.protection["response"]
        signed = bool(command.signature) if form == "MAC or sig" else form == "sig"
        if use_case.between_devices:
            return gbcs.encode(protection.add_mac(response, self._secret_of_peer(command.originator)))
        return gbcs.encode(self.alerts.protect(response, role, signed=signed))

    def _secret_of_peer(self, party: bytes) -> bytes:
        public = self.peers(party)
        if public is None:
            raise TrustError(f"no key agreement key of {party.hex()}; join that device first")
        return self.own_keys.agree(agreement_key(self.identity), public)

    def _known(self, party: bytes) -> bytes | None:
        """The key agreement key of a device, from its join or by the key store alone."""
        joined = self.asn1.log.public(party)
        if joined is not None:
            return joined
        try:
            return self.keys.public(agreement_key(party))
        except TrustError:
            return None

    def _key_of_user(self, party: bytes) -> bytes:
        """The key agreement key of a party on whose behalf the broker asks and whose certificate it did not send."""
        for cell, credential in self.alerts.cells:
            if credential.party == party and cell.usage is Usage.KEY_AGREEMENT and not cell.prepayment:
                return credential.public
        raise TrustError(f"no key agreement key of {party.hex()}, for whom the answer is; send its certificate along")

    def _seal(self, plaintext: bytes, command: Message, role: Role, supplementary: int | None) -> bytes:
        """Encrypt for the remote party of ``command`` (facts/gbcs.md 2.5)."""
        party = command.originator if command.supplementary_party is None else command.supplementary_party
        if command.certificate is not None:
            unknown = certificates.parse(command.certificate)
            if unknown.eui != party:
                raise TrustError(f"the certificate in the command is not that of {party.hex()}, whom it names")
            z = self.own_keys.agree(agreement_key(self.identity), unknown.public)
        elif command.supplementary_party is not None:
            z = self.own_keys.agree(agreement_key(self.identity), self._key_of_user(party))
        else:
            z = self.alerts.secret_with(role)
        counter = command.counter if supplementary is None else supplementary
        return protection.seal(plaintext, z, self.identity, party, counter)


def _clock_status(use_case: UseCase, civil: CivilTime) -> int | None:
    """The last octet of the response's time: what the clock thinks of itself in gas reads, else not specified
    (facts/gbcs.md 1.2)."""
    return civil.status.value if use_case.payload == "gbz" and use_case.only_reads else None

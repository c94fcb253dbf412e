"""An energy supplier (or any user of the same kind): it builds and signs commands, and reads what comes back.

Counters come from a ledger, are taken before anything leaves, and are never given twice.  Critical commands are signed
with the supplier's own key; the MAC is the broker's.  What comes back is verified with the device's public keys and
matched to the command that it answers.

Ports: ``acb.wan`` (deliver over the WAN), ``acb.local`` (hand the final command back for a terminal), ``acb.both``.  On
all of them ``peer`` is the device that is meant.  A network operator is the same machine with another identity.

Must not live here: what a use case carries (``parts.building``), MACs on commands (the broker).

Source: facts/gbcs.md 1.4, 2.1 [verified by running], 5.7 [2 sources], 7.1 (counters of tokens).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from devices import events
from devices.events.parties import LocalCopyReceived, OutageTold, PartyReceived, PartyUnreadable
from devices.machines.core import (
    Answer,
    Asked,
    Effect,
    Event,
    MachineError,
    Received,
    Record,
    Refuse,
    Send,
    eui_text,
)
from devices.machines.parts.asked import eui_argument
from devices.machines.parts.building import Envelope, arguments, command_message, demands, use_case_named
from devices.machines.parts.reading import outcome
from devices.machines.parts.success import Unseal, succeeded
from devices.machines.parts.tokens import rebuilt_number
from devices.model import use_cases
from devices.model.use_cases import UseCase
from devices.trust import protection
from devices.trust.errors import NotAuthentic, TrustError
from devices.trust.keystore import KeyStore, agreement_key, signing_key
from devices.trust.ledger import Ledger
from devices.wire import gbcs, outage_notice, utrn
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA, Message

__all__ = ["Supplier", "SupplierSettings"]

WAYS: Final = ("wan", "local", "both")
_TOP_UPS: Final = frozenset({"CS01a", "CS01b"})


@dataclass(frozen=True, slots=True)
class SupplierSettings:
    """Who the supplier is and how much it remembers."""

    eui: bytes
    series: str = "commands"  # the row of its originator counters in the ledger
    # The longest step from one top up of a device to the next, in tokens, before a warning: what a meter rebuilds of a
    # typed token wherever in its block of 1,024 it stands, facts/gbcs.md 7.1 [derived; the warning: our choice]
    token_step: int = 511
    remembered: int = 1000  # commands, inbox entries and local copies kept; the oldest go first [our choice]


@dataclass(slots=True)
class _Outstanding:
    """A command that was sent, and what is known of its answer."""

    use_case: UseCase
    octets: bytes = field(repr=False)
    answers: int = 0


@dataclass(slots=True)
class _Local:
    """A final command that the broker handed back for a terminal."""

    name: str
    message: Message
    octets: bytes = field(repr=False)


class Supplier:
    """One supplier.  ``directory`` holds the public points of devices and parties by key name."""

    def __init__(
        self, settings: SupplierSettings, keys: KeyStore, directory: Mapping[str, bytes], ledger: Ledger
    ) -> None:
        self.settings = settings
        self._keys, self._directory, self._ledger = keys, directory, ledger
        self._outstanding: OrderedDict[tuple[bytes, int, int], _Outstanding] = OrderedDict()
        self._inbox: deque[dict[str, Any]] = deque(maxlen=settings.remembered)
        self._topped_up: OrderedDict[bytes, int] = OrderedDict()  # device to the highest counter of a top up >> 32
        self._local: deque[_Local] = deque(maxlen=settings.remembered)

    def handle(self, event: Event, now: int) -> Sequence[Effect]:
        """Take one event; see :class:`devices.machines.core.Machine`."""
        match event:
            case Received(port=port, octets=octets) if port.startswith("acb."):
                return self._received(octets, port, now)
            case Asked(verb, args):
                return self._asked(verb, args, now)
        return []

    # ----------------------------------------------------------------------------------------------------------- verbs

    def _asked(self, verb: str, args: Mapping[str, Any], now: int) -> list[Effect]:
        try:
            match verb:
                case "command":
                    return self._command(args)
                case "sign":
                    return self._sign(args)
                case "resend":
                    return self._resend(args)
                case "send":
                    return self._send_raw(args)
                case "receive_local":
                    return self._receive_local(args, now)
                case "take_counter":  # for a command that the broker builds on our behalf
                    return [Answer({"counter": self._ledger.take(self.settings.series)})]
                case "inbox":
                    return [Answer({"messages": list(self._inbox)})]
                case "work_order":
                    return [Answer({"commands": self._work_order(args)})]
        except (MachineError, TrustError, WireError) as error:
            return [Refuse(str(error))]
        return [Refuse(f"expected one of command, sign, resend, send, receive_local, inbox, work_order, got {verb!r}")]

    def _command(self, args: Mapping[str, Any]) -> list[Effect]:
        """``command {use_case, device, args, delivery}``: build, sign where the use case wants it, and send to the
        broker.  ``args`` are called as the rows of the use-case table call them, or as a recipe does.  The answer to a
        top up has a ``warning`` where its counter outruns what a meter can rebuild (facts/gbcs.md 7.1)."""
        delivery = _delivery(args)
        use_case = use_case_named(str(args.get("use_case", "")))
        device = eui_argument(args, "device")
        named, ours = arguments(args), self.settings.eui
        # Wrong arguments are refused before a counter is spent on them.
        command_message(use_case, named, Envelope(ours, device, 0))
        signed, _ = demands(use_case)
        if signed:
            self._keys.public(signing_key(ours))
        tops_up = use_case.use_case in _TOP_UPS
        counter = self._top_up_counter(args) if tops_up else self._ledger.take(self.settings.series)
        message = command_message(use_case, named, Envelope(ours, device, counter))
        if signed:
            message = protection.sign(message, self._keys, signing_key(ours))
        return self._dispatch(message, use_case, delivery, self._outrun(device, counter) if tops_up else None)

    def _outrun(self, device: bytes, counter: int) -> str | None:
        """Why a meter that was topped up with all tokens so far could not rebuild the counter of this one, were it
        typed; None where it could, or where this is the first."""
        number = counter >> 32
        highest = self._topped_up.pop(device, None)
        self._topped_up[device] = number if highest is None else max(number, highest)
        while len(self._topped_up) > self.settings.remembered:
            self._topped_up.popitem(last=False)
        if highest is None:
            return None
        taken_for = rebuilt_number(highest, utrn.truncated(counter))
        if taken_for == number and number - highest <= self.settings.token_step:
            return None
        told = f"token {number} lies {number - highest:+} from the highest before it ({highest}): "
        why = (
            f"typed at the meter it would be taken for token {taken_for} and refused as not authentic (0x8F63)"
            if taken_for != number
            else "a meter that stands elsewhere in its block of 1,024 could not rebuild it, were it typed"
        )
        return f"{told}{why}; step by at most {self.settings.token_step} a token"

    def _sign(self, args: Mapping[str, Any]) -> list[Effect]:
        """``sign {octets, delivery}``: sign the pre-command that the broker made of a service request of ours, and send
        it back.  Its empty signature field, where it has one, gives way."""
        delivery, message = _delivery(args), gbcs.decode(_hex(args))
        use_case = use_cases.by_code(message.message_code)
        if message.cra != CRA.COMMAND or message.originator != self.settings.eui or use_case is None:
            raise MachineError("argument 'octets': expected a pre-command of our own; give what the request answered")
        if message.signature or message.mac is not None:
            raise MachineError("argument 'octets': the command is protected already; give the pre-command as it came")
        return self._dispatch(protection.sign(message, self._keys, signing_key(self.settings.eui)), use_case, delivery)

    def _dispatch(self, message: Message, use_case: UseCase, delivery: str, warning: str | None = None) -> list[Effect]:
        octets, device = gbcs.encode(message), message.recipient
        self._remember(message, use_case, octets)
        answer = {
            "counter": message.counter,
            "message_code": message.message_code,
            "octets": octets.hex(),
            "request_id": f"{eui_text(self.settings.eui)}:{eui_text(device)}:{message.counter}",
        }
        if warning is not None:
            answer["warning"] = warning
        return [Answer(answer), *self._transmit(device, octets, delivery)]

    def _resend(self, args: Mapping[str, Any]) -> list[Effect]:
        """``resend {device, counter, delivery}``: the very same octets once more, perhaps another way."""
        device, counter = eui_argument(args, "device"), args.get("counter")
        for (to, number, _), sent in reversed(self._outstanding.items()):
            if (to, number) == (device, counter):
                return [Answer({"octets": sent.octets.hex()}), *self._transmit(device, sent.octets, _delivery(args))]
        raise MachineError(f"expected the counter of a command to that device that was sent before, got {counter!r}")

    def _send_raw(self, args: Mapping[str, Any]) -> list[Effect]:
        """``send {octets, delivery}``: any message as it is, unchecked but for its envelope: for use cases without a
        recipe, and to try what others refuse."""
        octets = _hex(args)
        message = gbcs.decode(octets)
        return [Answer({"counter": message.counter}), *self._transmit(message.recipient, octets, _delivery(args))]

    def _transmit(self, device: bytes, octets: bytes, delivery: str) -> list[Effect]:
        return [Send(f"acb.{delivery}", device, octets)]

    def _top_up_counter(self, args: Mapping[str, Any]) -> int:
        """The counter of a top-up is that of its token, so it is given, not taken (facts/gbcs.md 5.5)."""
        counter = args.get("counter")
        if isinstance(counter, bool) or not isinstance(counter, int) or counter & 0xFFFFFFFF or counter <= 0:
            raise MachineError(f"argument 'counter': expected the token's counter, low 32 bits zero, got {counter!r}")
        return counter

    def _remember(self, message: Message, use_case: UseCase, octets: bytes) -> None:
        key = (message.recipient, message.counter, message.message_code)
        self._outstanding[key] = _Outstanding(use_case, octets)
        while len(self._outstanding) > self.settings.remembered:
            self._outstanding.popitem(last=False)

    def _receive_local(self, args: Mapping[str, Any], now: int) -> list[Effect]:
        """``receive_local {octets}``: what a terminal brought back, one message or a list of them."""
        given = args.get("octets", ())
        try:
            texts = [given] if isinstance(given, str) else list(given)
            messages = [bytes.fromhex(text) for text in texts]
        except (TypeError, ValueError):
            raise MachineError(
                "argument 'octets': expected hexadecimal digits, or a list of such; check what was unloaded"
            )
        if not messages:
            raise MachineError("argument 'octets' is missing; give what the terminal unloaded")
        for octets in messages:
            gbcs.decode(octets)  # all are read before any is taken
        effects = [effect for octets in messages for effect in self._received(octets, "local", now)]
        return [Answer({"received": len(messages)}), *effects]

    def _work_order(self, args: Mapping[str, Any]) -> list[dict[str, str]]:
        """``work_order {device?}``: the final commands the broker handed back, as a terminal loads them."""
        device = eui_argument(args, "device") if args.get("device") else None
        return [
            {"name": local.name, "device": local.message.recipient.hex(), "octets": local.octets.hex()}
            for local in self._local
            if device is None or local.message.recipient == device
        ]

    # ------------------------------------------------------------------------------------------------------- receiving

    def _received(self, octets: bytes, port: str, now: int) -> list[Effect]:
        notice = outage_notice.read(octets)
        if notice is not None:
            party, code = self.settings.eui, outage_notice.CODE
            return [Record(OutageTold(party=party, code=code, hub=notice.hub, started=notice.started))]
        try:
            message = gbcs.decode(octets)
        except WireError as error:
            return [Record(PartyUnreadable(reason=str(error), octets=octets))]
        if message.cra == CRA.COMMAND:
            return self._local_copy(message, octets)
        entry = self._entry(message, octets, port)
        self._inbox.append({**events.fields(entry), "at": now})
        return [Record(entry)]

    def _local_copy(self, message: Message, octets: bytes) -> list[Effect]:
        ours = self.settings.eui in (message.originator, message.supplementary_party)
        if not ours or message.mac is None:
            return [Record(PartyUnreadable(reason="expected a final command of our own", octets=octets))]
        known = self._outstanding.get((message.recipient, message.counter, message.message_code))
        name = (known.use_case.use_case if known else None) or f"0x{message.message_code:04X}"
        self._local.append(_Local(name, message, octets))
        return [Record(LocalCopyReceived(name=name, for_=message.recipient, counter=message.counter))]

    def _entry(self, message: Message, octets: bytes, port: str) -> PartyReceived:
        """What is known of a response or alert.  ``verified`` is None where only another party can verify it."""
        key = (message.originator, message.counter, message.message_code)
        sent = self._outstanding.get(key) if message.cra == CRA.RESPONSE else None
        if sent is not None:
            sent.answers += 1
        told = outcome(message)
        return PartyReceived(
            party=self.settings.eui,
            port=port,
            from_=message.originator,
            recipient=message.recipient,
            cra=int(message.cra),
            message_code=message.message_code,
            counter=message.counter,
            octets=octets,
            success=succeeded(message, gbcs.decode(sent.octets) if sent else None, self._unsealing(message)),
            verified=self._verified(message),
            matched=sent is not None,
            duplicate=sent is not None and sent.answers > 1,
            results=told.results,
            data=told.data,
            alert=told.alert,
        )

    def _unsealing(self, message: Message) -> Unseal:
        """What opens the encrypted parts of a message, as far as they are for us.  It raises :class:`TrustError`."""
        device, party, counter = protection.sealing_parties(message)

        def unseal(blob: bytes) -> bytes:
            peer = self._directory.get(agreement_key(device))
            if party != self.settings.eui or peer is None:
                raise NotAuthentic("the encrypted part is for another party")
            z = self._keys.agree(agreement_key(self.settings.eui), peer)
            return protection.open_sealed(blob, z, device, party, counter)

        return unseal

    def _verified(self, message: Message) -> bool | None:
        """By the device's signature, or by the MAC under our key and the device's; None if it is for the broker."""
        try:
            if message.signature:
                return protection.signature_valid(message, self._directory[signing_key(message.originator)])
            if message.recipient != self.settings.eui:
                return None
            peer = self._directory[agreement_key(message.originator)]
            return protection.mac_valid(message, self._keys.agree(agreement_key(self.settings.eui), peer))
        except (KeyError, TrustError):
            return False


def _hex(args: Mapping[str, Any]) -> bytes:
    try:
        return bytes.fromhex(str(args.get("octets", "")))
    except ValueError:
        raise MachineError("argument 'octets': expected hexadecimal digits; give a whole message")


def _delivery(args: Mapping[str, Any]) -> str:
    delivery = args.get("delivery", "wan")
    if delivery not in WAYS:
        raise MachineError(f"argument 'delivery': expected one of {', '.join(WAYS)}, got {delivery!r}")
    return str(delivery)

"""What it means that nothing came: whether the device is silent, or the bench cannot tell.

A device that does not answer or act fails its test only where three things are shown, none of them by its own word: the
tap has the message crossing to it, its supply was sensed, and the way back carried something in this test, or in answer
to a read made at once.  Otherwise the test is INFRA and says what was missing.

The message is followed from tap to tap by its three ids (originator, recipient, counter).  Whoever had it last and did
not pass it on is the silent one: a hub that swallows a command is not excused by a meter that never got it.

Must not live here: waiting, the taps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from robot.api import SkipExecution, logger

from devices.events.bench import SendingFailed
from devices.events.messages import MessageReceived, MessageSent
from devices.wire import cosem, dlms_alerts, eui64, gbcs, gbt, gbz, payload, tunnelling
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA
from devices.wire.reassembly import Mark, Reason, Reassembler, Way
from rig.bus.messages import Event
from rig.evidence.leaks import HAN
from rig.keywords.probes import probe, probe_by_terminal
from rig.keywords.taps import crossed, from_terminal, tapped

if TYPE_CHECKING:
    from rig.keywords.session import Session

__all__ = ["PARTIES", "Asked", "Loaded", "blame", "blame_hub", "crossing_shown", "heard_of", "sound"]

PARTIES = ("supplier", "network_operator", "access_control_broker")
"""Kinds of device that are part of the bench: what they do not do is never a device's failure."""
USERS = ("supplier", "network_operator")
"""Those of them for whom devices' alerts are."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The three ids of a command (EUI-64s in hex, counter), and the last event before it was sent.

    ``party`` hears the answer: a party behind the WAN, or a terminal.  ``admits`` is the device that a hub lets in by
    it, and from which something is expected then.  ``out``: it was sent, and not only handed out for a terminal.
    """

    originator: str
    recipient: str
    counter: int
    since: int
    party: str
    admits: str = ""
    out: bool = True

    @property
    def names(self) -> tuple[str, int]:
        """Originator and counter, as a device tells a command from others."""
        return self.originator, self.counter

    def carries(self, event: Event) -> bool:
        """Whether a tapped message is this command."""
        return self._ids(event) == ("command", _text(self.originator), _text(self.recipient), self.counter)

    def answers(self, event: Event) -> bool:
        """Whether a tapped message answers this command: the same counter, the ends swapped.

        An alert is no answer, whatever its number: a device counts its alerts by itself.
        """
        return self._ids(event) == ("response", _text(self.recipient), _text(self.originator), self.counter)

    def is_of(self, key: gbt.Key) -> bool:
        """Whether a transfer in blocks is of this command or of its answer."""
        ends = {bytes.fromhex(self.originator), bytes.fromhex(self.recipient)}
        return key.counter == self.counter and key.cra != CRA.ALERT and {key.originator, key.recipient} == ends

    @staticmethod
    def _ids(event: Event) -> tuple[object, ...]:
        return tuple(event.fields.get(name) for name in ("cra", "originator", "recipient", "counter"))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A command in a terminal: its octets (hex), and the last event before it was loaded."""

    octets: str
    since: int

    def asked(self, terminal: str, since: int | None = None) -> Asked:
        """Its three ids, as they are followed when the terminal sends it."""
        message = gbcs.decode(bytes.fromhex(self.octets))
        ends = message.originator.hex(), message.recipient.hex()
        return Asked(*ends, message.counter, self.since if since is None else since, terminal)


def blame(
    now: Session,
    device: str,
    asked: Asked | None,
    failure: AssertionError,
    *,
    answer: bool = True,
    hears: str = "",
    since: int = 0,
    alert: int | None = None,
) -> NoReturn:
    """Raise ``failure`` where the device is shown to be the silent one, naming what shows it; else skip as INFRA.

    ``asked`` is the command that it had to take, if there was one; ``answer``: it had to answer it, so that the way
    back counts.  ``hears`` is the party that it had to tell something of its own accord, after the event ``since``: the
    alert with this code.
    """
    if now.kind_of(device) in PARTIES:
        _infra(failure, f"{device} is part of the bench")
    shown, heard = [], hears
    if asked is not None:
        answer = answer and not asked.admits
        holder, word = _holder(now, device, asked, failure, answer=answer)
        if asked.admits and now.eui(holder) == asked.recipient:  # the hub had it; the device has to come now
            shown.append(f"the hub was told to let it in ({word}), and {_supply(now, holder, failure)}")
        else:
            device = holder
            shown.append(word)
            _broken_off(now, device, asked.since, asked.is_of, failure)
        heard = asked.party if answer else ""
    elif hears:
        _in_reach(now, failure, device, now.hub_of(device))
        if kept := _kept_alert(now, device, since, alert, failure):
            device, word = kept
            shown.append(word)
        else:
            mine = bytes.fromhex(now.eui(device))
            _broken_off(now, device, since, lambda key: key.cra == CRA.ALERT and key.originator == mine, failure)
    shown.append(_supply(now, device, failure))
    if heard:
        shown.append(_way_back(now, device, heard, failure))
    logger.info(f"{device} is the silent one: {'; '.join(shown)}")
    raise type(failure)(f"{failure}; {device} is the silent one: {'; '.join(shown)}")


def blame_hub(now: Session, hub: str, terminal: str, since: int, failure: AssertionError) -> NoReturn:
    """As :func:`blame`, where a hub does not let a terminal in by inter-PAN: it is the silent one where a frame of the
    terminal came to it (at its own tap; of a hub whose radio nobody taps: as its acknowledgement says) and its supply
    was sensed."""
    if not now.told_of(hub):
        _infra(failure, f"{hub} is no device of this bench")
    _, came = from_terminal(now, since, terminal, hub)
    if not came:
        _infra(failure, f"no tap has a frame of {terminal} arriving at {hub}")
    shown = f"a frame of {terminal} crossed to it at {came[-1].at_ns / 1e9:.6f} s; {_supply(now, hub, failure)}"
    raise type(failure)(f"{failure}; {hub} is the silent one: {shown}")


def _kept_alert(
    now: Session, device: str, since: int, code: int | None, failure: AssertionError
) -> tuple[str, str] | None:
    """Who had the last alert of a device with this code that came to no party, and when it crossed to him; None: it
    never left.  One that nobody can read may be it.

    Skips as INFRA where it left somebody and no tap has it arriving, for then nobody is shown to have it; and where it
    came to a part of the bench and went no further.
    """
    mine, last, delivered = _text(now.eui(device)), {}, set()
    for event in _tapped(now, since):
        if event.fields.get("cra") == "alert" and event.fields.get("originator") == mine:
            if None not in (code, told := _alert_code(event)) and told != code:
                continue
            last[event.fields["counter"]] = event
            if event.kind == MessageReceived.kind and _is_for(now, event):
                delivered.add(event.fields["counter"])
    for counter, event in reversed(last.items()):
        where, at = str(event.fields["device"]), f"at {event.at_ns / 1e9:.6f} s"
        if counter in delivered:
            continue
        if event.kind == MessageSent.kind:
            port = event.fields["port"]
            _infra(failure, f"an alert of {device} left {where} by {port} {at}, and no tap has it arriving")
        if now.kind_of(where) in PARTIES:
            part = f"{where} {at}, which is part of the bench"
            _infra(failure, f"an alert of {device} came to {part}, and went no further")
        if where != device:
            return where, f"an alert of {device} crossed to it {at}"
    return None


def _broken_off(
    now: Session, device: str, since: int, is_wanted: Callable[[gbt.Key], bool], failure: AssertionError
) -> None:
    """Skip as INFRA where a wanted message began to leave a device in blocks, did not leave it whole, and meanwhile a
    frame came to no tap at the other end, or had no acknowledgement, as its radio says: the air broke it off.

    Where every frame arrived it was the device that went no further.  Into an end that is under test nobody sees.
    """
    eui, listener = bytes.fromhex(now.eui(device)), Reassembler()
    frames = [one for one in tapped(now, since, device)[0] if one.cluster == tunnelling.CLUSTER]
    sent = [one for one in frames if one.device == device and one.out]
    for one in sent:
        listener.zcl(Way(one.port, receiver=one.peer), one.cluster, one.octets, Mark(one.at_ns))
    for begun in listener.unfinished():
        if begun.reason is not Reason.BLOCKS_MISSING or begun.key is None or not is_wanted(begun.key):
            continue
        peer, (port, _, receiver) = now.device_with(begun.way.receiver.hex()), begun.way
        there = (peer, port, eui, False)
        meanwhile = [one for one in frames if one.at_ns >= begun.first.at_ns]
        came = Counter(one.octets for one in meanwhile if (one.device, one.port, one.peer, one.out) == there)
        left = Counter(
            one.octets for one in sent
            if (one.port, one.peer) == (port, receiver) and begun.first.at_ns <= one.at_ns <= begun.last.at_ns
        )  # fmt: skip
        failed = any(
            event.kind == SendingFailed.kind and event.fields["device"] == device and event.at_ns >= begun.first.at_ns
            for event in now.events
        )
        if now.told_of(peer).get("under_test") or left - came or failed:
            at = f"{begun.first.at_ns / 1e9:.6f} s"
            _infra(failure, f"a message began to leave {device} by {port} at {at} and broke off: {begun.detail}")


def _is_for(now: Session, event: Event) -> bool:
    """Whether an alert has come to a user of the bench, or to whom else it is addressed."""
    there = str(event.fields["device"])
    return now.kind_of(there) in USERS or event.fields.get("recipient") == _text(now.eui(there))


def _alert_code(event: Event) -> int | None:
    """The code in a tapped alert; None where it cannot be read."""
    try:
        body = payload.decode(gbcs.decode(bytes.fromhex(str(event.fields.get("octets", "")))))
        alert = dlms_alerts.read(body) if isinstance(body, cosem.Notification) else body
    except WireError:
        return None
    return alert.code if isinstance(alert, dlms_alerts.Alert | gbz.Alert) else None


def sound(now: Session, failure: AssertionError, *devices: str) -> None:
    """Skip as INFRA, instead of the ``failure`` or of a claim that nothing came, where one of these had no supply or
    where the test itself has carried its radios out of reach: silence shows nothing then."""
    for device in devices:
        _supply(now, device, failure)
        _in_reach(now, failure, device)


def _in_reach(now: Session, failure: AssertionError, *devices: str) -> None:
    for device in devices:
        if device in now.out_of_reach:
            _infra(failure, f"the radios of {device} are out of reach, as this test has them")


def heard_of(now: Session, device: str, party: str, failure: AssertionError) -> None:
    """Skip as INFRA, instead of a claim that nothing came, where nothing of the device could have come to a party."""
    _supply(now, device, failure)
    _way_back(now, device, party, failure)


def crossing_shown(
    now: Session, device: str, asked: Asked | None, failure: AssertionError, *, waits_at: str = ""
) -> None:
    """Skip as INFRA, instead of the ``failure`` that a device reports nothing of a command, or of a claim that it does
    nothing, where the device had no supply or where no tap has the command crossing to it.

    ``waits_at`` is the hub where a command for a device that sleeps may lie for as long as that does."""
    _supply(now, device, failure)
    if asked is None:
        return
    for event in _tapped(now, asked.since):
        towards = now.device_with(str(event.fields.get("peer", "")))
        own_line = event.kind == MessageSent.kind and towards == device and now.told_of(device).get("untapped")
        if asked.carries(event) and (own_line or event.fields["device"] in (device, waits_at)):
            return
    _infra(failure, f"no tap has the message #{asked.counter} crossing to {device}")


def _infra(failure: AssertionError, missing: str) -> NoReturn:
    raise SkipExecution(f"INFRA: {failure}; but it is not shown that a device failed: {missing}")


def _holder(now: Session, device: str, asked: Asked, failure: AssertionError, *, answer: bool) -> tuple[str, str]:
    """Who had the command (or its ``answer``) last, and when that crossed to him."""
    tapped = _tapped(now, asked.since)
    taps = [event for event in tapped if asked.carries(event) or (answer and asked.answers(event))]
    if not taps:
        _infra(failure, f"no tap has the message #{asked.counter} for {device}")
    last = taps[-1]
    where, at = str(last.fields["device"]), f"at {last.at_ns / 1e9:.6f} s"
    word = "its answer" if asked.answers(last) else "the message"
    towards = now.device_with(str(last.fields.get("peer", "")))
    if last.kind == MessageSent.kind and word == "the message" and now.told_of(towards).get("untapped"):
        return towards, f"{word} crossed to it on its own line {at}"  # whose far end is inside the device
    if last.kind == MessageSent.kind:
        _infra(failure, f"{word} left {where} by {last.fields['port']} {at} and no tap has it arriving")
    if now.kind_of(where) in PARTIES or where == asked.party:
        _infra(failure, f"{word} came to {where} {at}, which is part of the bench, and went no further")
    return where, f"{word} crossed to it {at}"


def _supply(now: Session, device: str, failure: AssertionError) -> str:
    told = now.call("supply.sense", device=device)
    if told["good"] is None:
        _infra(failure, f"nothing on this bench senses the supply of {device}")
    if not told["good"]:
        _infra(failure, f"{device} has no supply, as {told['by']} shows")
    return f"its supply was sensed by {told['by']}"


def _way_back(now: Session, device: str, party: str, failure: AssertionError) -> str:
    """What shows that an answer, or an alert, could have come to ``party``."""
    by_terminal = now.kind_of(party) == "hht"
    at_ns = _frames(now, device, party) if by_terminal else _messages(now, device)
    if at_ns is None and (probe_by_terminal(now, device, party) if by_terminal else probe(now, device)):
        at_ns = _frames(now, device, party) if by_terminal else _messages(now, device)
    if at_ns is None:
        _infra(failure, f"the way from {device} back to {party} has carried nothing in this test")
    return f"the way back carried something at {at_ns / 1e9:.6f} s"


def _messages(now: Session, device: str) -> int | None:
    """When, in ns, a message from the device last came to a party since the roads were changed in this test."""
    origins = {_text(now.eui(device))}
    if now.kind_of(device) == "comms_hub":  # what came from behind it came through it
        origins |= {_text(now.eui(name)) for name, told in now.devices.items() if told.get("behind") == device}
    came = [
        event.at_ns for event in _tapped(now, now.changed)
        if event.kind == MessageReceived.kind and event.fields.get("originator") in origins
        and now.kind_of(str(event.fields["device"])) in PARTIES
    ]  # fmt: skip
    return max(came, default=None)


def _frames(now: Session, device: str, terminal: str) -> int | None:
    """As :func:`_messages`, for the way to a terminal, by frames: from the device to its hub, and on from there."""
    hub = now.hub_of(device)
    legs = crossed(now, now.changed, hub, terminal)
    if device != hub and legs:
        peer = bytes.fromhex(now.eui(device))
        mine = [one for one in tapped(now, now.changed, hub)[0] if (one.device, one.port, one.peer) == (hub, HAN, peer)]
        legs = [one for one in mine if not one.out]
    return max((one.at_ns for one in legs), default=None)


def _tapped(now: Session, since: int) -> list[Event]:
    kinds = (MessageSent.kind, MessageReceived.kind)
    return [event for event in now.events if event.order > since and event.kind in kinds]


def _text(eui: str) -> str:
    return eui64.text(bytes.fromhex(eui))

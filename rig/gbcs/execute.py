"""Whether an emulated device carries out a published command, and whether it answers as the published device did.

*Executed*: a device in the state that the command presupposes authenticates it, executes it and acknowledges it in a
response whose protection verifies and which says of no part of it that it failed.  *Answered*: that response has the
shape of the published one: the same message code, family and protection, the same results, the same types and tags all
the way down, encrypted parts included.

Must not live here: the presupposed state and the device (``devices.machines``), the counting (``check``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from devices.machines.core import MachineError
from devices.machines.parts.commands import Outcome
from devices.machines.parts.presupposed import Circumstances, circumstances_of, device_for
from devices.model import use_cases
from devices.trust.directory import Directory
from devices.trust.keystore import MemoryKeyStore
from devices.wire import cosem, gbz_typed, payload
from devices.wire.errors import WireError
from devices.wire.gbcs import Message
from devices.wire.gbz_typed import DefaultResponse, ReadAttributesResponse
from rig.gbcs.answer import mismatch
from rig.gbcs.reading import Keys, Reading, Verdict, read

__all__ = ["Answer", "World", "execute", "unlike"]

_NOTHING_THERE = 0x8B
"""ZCL status NOT_FOUND: a good answer to a question."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the emulated device answered: its response as read, or why there is none that counts."""

    reading: Reading | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class World:
    """What commands are executed in: the keys, what is publicly known of the parties, the kinds that devices can be."""

    keys: Keys
    directory: Directory
    kinds: Mapping[bytes, tuple[str, ...]]


def execute(message: Message, octets: bytes, world: World) -> Iterator[Answer]:
    """Hand the command to a device in the state that it presupposes; where the command leaves circumstances open, one
    answer from a device in each of them, the usual ones first.

    Of a device that can be of several kinds, the first is taken that carries the command out.
    """
    use_case = use_cases.by_code(message.message_code)
    if use_case is None:
        yield Answer(None, f"message code 0x{message.message_code:04X} is not in the use-case table")
        return
    for circumstances in circumstances_of(use_case):
        answers = (_answer(message, octets, world, kind, circumstances) for kind in _kinds(message, world))
        first = next(answers)
        yield first if first.reading else next((one for one in answers if one.reading), first)


def _kinds(message: Message, world: World) -> tuple[str, ...]:
    return world.kinds.get(message.recipient, ()) or ("",)


def _answer(message: Message, octets: bytes, world: World, kind: str, circumstances: Circumstances) -> Answer:
    keys = world.keys
    assert isinstance(keys.store, MemoryKeyStore)
    try:
        device = device_for(message, keys.store, world.directory, kind, circumstances)
    except MachineError as fault:
        return Answer(None, str(fault))
    outcome = device.receive(octets)
    if (reason := _unacknowledged(outcome)) or outcome.response is None:
        return Answer(None, reason)
    try:
        reading = read(outcome.response, Keys(device.processor.keys, keys.broker))
    except WireError as fault:
        return Answer(None, f"its response cannot be read: {fault}")
    for what, found in (("signature", reading.signature), ("MAC", reading.mac)):
        if found.verdict not in (Verdict.VALID, Verdict.ABSENT):
            return Answer(None, f"the {what} of its response is {found.verdict.value} {found.reason}".strip())
    if reason := _says_no(reading):
        return Answer(None, reason)
    return Answer(reading)


def _says_no(reading: Reading) -> str:
    """What a response says was not done, whatever the device holds of itself; nothing where all was."""
    use_case = use_cases.by_code(reading.message.message_code)
    good = {0, _NOTHING_THERE} if use_case is not None and use_case.only_reads else {0}
    try:
        body = payload.typed(reading.message)
    except WireError as fault:
        return f"its response is not what its use case says: {fault}"
    said: list[int] = []
    if isinstance(body, cosem.AccessResponse):
        said = [result.code for result in body.results]
    elif isinstance(body, gbz_typed.Payload):
        answers = [component.body for component in body.components]
        said = [answer.status for answer in answers if isinstance(answer, DefaultResponse)]
        said += [
            one.status for answer in answers if isinstance(answer, ReadAttributesResponse) for one in answer.records
        ]
    bad = [f"0x{code:02X}" for code in said if code not in good]
    return f"its response says {', '.join(bad[:4])}" if bad else ""


def _unacknowledged(outcome: Outcome) -> str:
    if outcome.refused is not None:
        return f"refused by the check '{outcome.refused.check}': {outcome.refused.reason}"
    if outcome.response is None:
        unsendable = [effect for effect in outcome.effects if getattr(effect, "kind", "") == "response.unsendable"]
        why = "; ".join(str(effect.fields["reason"]) for effect in unsendable)  # type: ignore[union-attr]
        return f"executed without a response{': ' if why else ''}{why}"
    if any(outcome.results):
        failed = [f"access {number} gives {code}" for number, code in enumerate(outcome.results, 1) if code]
        return f"not everything of it was done: {', '.join(failed[:4])}"
    return ""


def unlike(
    answers: Iterable[Answer], reference: bytes, keys: Keys, judge: Callable[[Reading, Reading], str] = mismatch
) -> str:
    """Why none of the answers is as the published one is (the reason of the first), or nothing.

    ``judge`` says what of two responses must agree: their shape (``mismatch``), or their values too (``differing``).
    """
    try:
        wanted = read(reference, keys)
    except WireError as fault:
        return f"the published response cannot be read: {fault}"
    reasons = []
    for answer in answers:
        reasons.append(answer.reason if answer.reading is None else judge(answer.reading, wanted))
        if not reasons[-1]:
            return ""
    return reasons[0]

"""Load-switch commands a second: a meter verifies, executes and answers fresh final commands, beside the bare work.

The commands are signed by the supplier and MACed by the broker, and protected against replay: each one's counter is
higher than the last, and each pass is made by a meter that has seen none of them (making it counts).  The whole meter
is at work, not only its command processor: it logs the command, drives its contactor, ends the pulse, and signs the
response, as both use cases want it.  What is left out is whoever grants its effects.

Verifying one signature and making one is the most of the bare work; rows of their own say what part of the time the
bare work and the signatures of the responses take in the same run.

Must not live here: how commands and meters are made (``premises``), how passes are timed (``measure``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from devices.events.commands import CommandExecuted
from devices.machines.core import Event, Received, Record, Send, SetTimer, TimerFired
from devices.machines.kinds import Device
from devices.model.credentials import Usage
from devices.model.roles import Role
from devices.trust.keystore import agreement_key
from devices.wire import gbcs
from rig.perf.measure import Pass
from rig.perf.messages import agreement_step, mac_step, signature_step
from rig.perf.premises import load_switch_commands, meter

__all__ = ["COUNT", "NotExecutedError", "carry_out", "cryptography", "executed", "signatures"]

COUNT = 400
"""Commands in a pass: enough to fill the meter's log four times over, so that its usual length is what is met."""

METER = bytes.fromhex("00db5000000000e1")
_HUB = bytes.fromhex("00db5000000000c0")
_SECOND = 1_000_000_000
_SIGN = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)  # as the key store signs


class NotExecutedError(Exception):
    """A command that was not executed with success and answered: refusing is quicker, and is not measured."""


def executed() -> Pass:
    """A new meter carries out every command."""
    commands = load_switch_commands(meter(METER), COUNT)

    def work() -> int:
        return len(carry_out(meter(METER), commands))

    return work


def carry_out(by: Device, commands: Sequence[bytes]) -> list[bytes]:
    """Give a meter commands, one a second, over its line; the responses.

    Raises :class:`NotExecutedError` for the first that is not executed with success and answered at once.
    """
    responses: list[bytes] = []
    for now, octets in zip(range(0, len(commands) * _SECOND, _SECOND), commands, strict=True):
        done = False
        timers: list[tuple[int, Event]] = []
        for effect in by.handle(Received("line", _HUB, octets), now):
            if isinstance(effect, Send):
                responses.append(effect.octets)
            elif isinstance(effect, Record):
                done = done or (isinstance(effect.event, CommandExecuted) and not any(effect.event.results))
            elif isinstance(effect, SetTimer) and effect.at < now + _SECOND:
                timers.append((effect.at, TimerFired(effect.name)))
        if not done or len(responses) != now // _SECOND + 1:
            raise NotExecutedError(f"command {now // _SECOND + 1} of {len(commands)} was not executed and answered")
        for at, event in timers:
            by.handle(event, at)
    return responses


# ---------------------------------------------------------------------------------------------------------------- floor


def cryptography() -> Pass:
    """The bare cryptographic work of the same commands and responses, everything else prepared beforehand.

    One ECDSA verification, one key derivation, one GMAC and one deterministic ECDSA signature a command, and one ECDH.
    """
    ours = meter(METER)
    commands = load_switch_commands(ours, COUNT)
    supplier = ours.processor.cells.get(Role.SUPPLIER, Usage.DIGITAL_SIGNATURE)
    broker = ours.processor.cells.get(Role.ACCESS_CONTROL_BROKER, Usage.KEY_AGREEMENT)
    assert supplier is not None
    assert broker is not None
    z = ours.processor.keys.agree(agreement_key(METER), broker.public)
    steps: list[Callable[[], object]] = [agreement_step(1)]
    for octets in commands:
        message = gbcs.decode(octets)
        steps += [signature_step(message, supplier.public), mac_step(message, z)]
    steps += _signature_steps(carry_out(ours, commands))

    def work() -> int:
        for step in steps:
            step()
        return len(commands)

    return work


def signatures() -> Pass:
    """The ECDSA signatures of the responses and nothing else: what part of the time is theirs."""
    ours = meter(METER)
    steps = _signature_steps(carry_out(ours, load_switch_commands(ours, COUNT)))

    def work() -> int:
        for step in steps:
            step()
        return len(steps)

    return work


def _signature_steps(responses: Sequence[bytes]) -> list[Callable[[], object]]:
    """A signature over each of the responses; the cost doesn't depend on the key."""
    own = ec.derive_private_key(0x1234567, ec.SECP256R1())
    return [partial(own.sign, gbcs.to_be_signed(gbcs.decode(octets)), _SIGN) for octets in responses]

"""A command that a meter must refuse changes nothing of it and leaves its trace in the security log.

Certificates that are expired or that nobody knows are in ``test_credential_updates``, values outside their type in
``test_esme``, blocks out of sequence in ``tests/wire/test_gbt``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devices.wire import gbcs
from tests.machines.meter_bench import OPERATOR, OTHER_METER, SECOND, STRANGER, Bench, command, script


def other_octet(octets: bytes) -> bytes:
    """The same command with one octet of its payload changed on the way."""
    at = octets.rindex(b"\x12\x00\x34") + 2
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]


# What arrives after the command with counter 10 was carried out, and the check at which it ends.
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "no message": (lambda: b"\xdf\x09\x01", "decode"),
    "cut short": (lambda: script(52, 11)[:-1], "decode"),
    "for another meter": (lambda: script(52, 11, recipient=OTHER_METER), "addressee"),
    "a use case that is none": (lambda: _with_code(0x7F7F), "supported"),
    "from a party without the role": (lambda: script(52, 11, originator=OPERATOR), "role"),
    "from a stranger": (lambda: script(52, 11, originator=STRANGER), "role"),
    "altered on the way": (lambda: other_octet(script(52, 11)), "signature"),
    "signed by another": (lambda: script(52, 11, signer=OPERATOR), "signature"),
    "with the MAC of another": (lambda: script(52, 11, broker=OPERATOR), "mac"),
    "seen before": (lambda: script(51, 10), "replay"),
    "with an old counter": (lambda: script(52, 9), "replay"),
}


def _with_code(code: int) -> bytes:
    return gbcs.encode(gbcs.decode(command("ECS45", 11, message_code=code)))


def held(bench: Bench) -> dict[str, Any]:
    """All that the meter is, but for its logs and what it has to say about them."""
    told = bench.state()
    return {key: value for key, value in told.items() if key not in ("logs", "queue", "alert_counter", "counter")}


@pytest.mark.parametrize(("build", "check"), REFUSED.values(), ids=REFUSED)
def test_a_refused_command_changes_nothing_and_is_logged(build: Callable[[], bytes], check: str) -> None:
    bench = Bench()
    bench.line(script(51, 10))
    bench.advance(SECOND)
    before, logged = held(bench), len(bench.state()["logs"]["security"])
    pins, executed = dict(bench.pins), len(bench.kinds("executed"))
    bench.line(build())
    (refusal,) = bench.kinds("refused")
    assert refusal.fields["check"] == check
    assert held(bench) == before
    assert (bench.pins, bench.supply(), len(bench.kinds("executed"))) == (pins, "enabled", executed)
    assert len(bench.state()["logs"]["security"]) == logged + 1
    bench.line(script(52, 11))  # and the true command still finds its counter unused
    assert bench.supply() == "disabled"

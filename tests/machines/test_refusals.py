"""A command that a meter must refuse changes nothing of it and leaves its trace in the security log.

Certificates that are expired or that nobody knows are in ``test_credential_updates``, values outside their type in
``test_esme``, blocks out of sequence in ``tests/wire/test_gbt``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devices.machines.parts.building import command_payload, use_case_named
from devices.wire import gbcs
from tests.machines.asn1_bench import BROKER, SUPPLIER
from tests.machines.asn1_bench import STRANGER as STRANGER_HERE
from tests.machines.asn1_bench import command as certified_command
from tests.machines.every_kind import MACHINES, Running
from tests.machines.meter_bench import OPERATOR, OTHER_METER, SECOND, STRANGER, Bench, command, script
from tests.machines.told import told

OTHER_KEY = bytes.fromhex("300403020780")  # key usage: digital signature


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


# ----------------------------------------------------------------------------------------------------------- every kind


def asked_for_a_key(kind: str, counter: int = 6, **changes: Any) -> bytes:
    """A command that every kind of device takes: a new key pair, asked for by a party that it knows."""
    use_case = use_case_named("CS02c")
    args = {"originator": BROKER if kind == "CHF" else SUPPLIER, **changes}
    return certified_command(
        use_case.code, command_payload(use_case, {"key_usage": ["key_agreement"]}, 1), counter, **args
    )


def changed(octets: bytes, **fields: Any) -> bytes:
    """The same octets with other fields in the envelope, protection as it was."""
    return gbcs.encode(gbcs.decode(octets)._replace(**fields))


ANYWHERE: dict[str, tuple[Callable[[str], bytes], str]] = {
    "no message": (lambda _: b"\xdf\x09\x01", "decode"),
    "a use case that is none": (lambda kind: changed(asked_for_a_key(kind), message_code=0x7F7F), "supported"),
    "from a stranger": (lambda kind: asked_for_a_key(kind, originator=STRANGER_HERE), "role"),
    "altered on the way": (lambda kind: changed(asked_for_a_key(kind), payload=OTHER_KEY), "signature"),
    "signed by another": (lambda kind: asked_for_a_key(kind, signer=STRANGER_HERE), "signature"),
    "with the MAC of another": (lambda kind: asked_for_a_key(kind, broker=STRANGER_HERE), "mac"),
    "seen before": (lambda kind: asked_for_a_key(kind, 5), "replay"),
    "with an old counter": (lambda kind: asked_for_a_key(kind, 4), "replay"),
    "a value outside its type": (lambda kind: certified_command(0x000A, b"\x30\x00", 6, _party(kind)), "content"),
}


def _party(kind: str) -> bytes:
    return gbcs.decode(asked_for_a_key(kind)).originator


def kept(running: Running) -> dict[str, Any]:
    """What the device keeps, but for its logs, what it has to say about them, and the time."""
    saved = {key: value for key, value in running.saved.items() if key not in ("counter", "queue", "clock")}
    saved = {key: value for key, value in saved.items() if not key.startswith("log.")}
    stores = {name: rows for name, rows in saved.get("clusters", {}).get("stores", {}).items() if name != "events"}
    return {**saved, "clusters": {**saved.get("clusters", {}), "stores": stores}}


def security_lines(running: Running) -> int:
    events = running.saved.get("clusters", {}).get("stores", {}).get("events", ())
    return len(running.saved.get("log.security", ())) + len(events)


@pytest.mark.parametrize("kind", MACHINES)
@pytest.mark.parametrize(("build", "check"), ANYWHERE.values(), ids=ANYWHERE)
def test_no_kind_of_device_is_changed_by_what_it_refuses(kind: str, build: Callable[[str], bytes], check: str) -> None:
    running = Running(kind)
    running.line(asked_for_a_key(kind, 5))
    before, logged = kept(running), security_lines(running)
    assert before["floors"]
    running.effects.clear()
    running.line(build(kind))
    records = told(running.effects)
    if check == "decode" and kind == "CHF":  # it cannot tell for whom that was
        assert [one.kind for one in records] == ["hub.bad"]
        assert kept(running) == before
        return
    assert [one.fields["check"] for one in records if one.kind == "refused"] == [check]
    assert kept(running) == before
    assert security_lines(running) == logged + 1


@pytest.mark.parametrize("kind", MACHINES)
def test_a_message_for_somebody_else_changes_nothing(kind: str) -> None:
    running = Running(kind)
    running.line(asked_for_a_key(kind, 5))
    before = kept(running)
    running.effects.clear()
    assert running.line(changed(asked_for_a_key(kind), recipient=OTHER_METER)) == []
    refused = [one for one in told(running.effects) if one.kind in ("refused", "hub.unroutable")]
    assert len(refused) == 1
    assert kept(running) == before

"""The prepayment interface: a token typed in and emergency credit asked for, device to device with the gas meter."""

from __future__ import annotations

from dataclasses import replace

from devices.machines.core import Answer, Asked, LinkChanged, Received, Refuse, Send, Show, Started
from devices.machines.gsme import Gsme
from devices.machines.ppmid import Ppmid, PpmidSettings
from devices.wire import gbcs
from tests.machines.gas_bench import INTERFACE, KEYS, METER, GasBench, cells
from tests.machines.test_gsme import token
from tests.machines.told import of_kind


def bench() -> tuple[GasBench, GasBench]:
    """An interface and the meter that it knows, each with a line."""
    shown = GasBench(Ppmid(INTERFACE, KEYS, cells("PPMID"), PpmidSettings(meter=METER)))
    meter = GasBench(Gsme(METER, KEYS, cells("GSME")))
    for one in (shown, meter):
        one.handle(Started({}))
        one.handle(LinkChanged("line", True))
    return shown, meter


def asked(shown: GasBench, verb: str, **args: str) -> bytes:
    effects = shown.handle(Asked(verb, args))
    assert [type(effect) for effect in effects if isinstance(effect, Answer | Refuse)] == [Answer]
    (sent,) = [effect for effect in effects if isinstance(effect, Send)]
    return sent.octets


def answer(shown: GasBench, octets: bytes) -> str | None:
    effects = shown.handle(Received("line", METER, octets))
    return next((effect.text for effect in effects if isinstance(effect, Show)), None)


def test_a_token_typed_in_reaches_the_meter_and_comes_back() -> None:
    shown, meter = bench()
    (response, *_) = meter.line(asked(shown, "top_up", utrn=token(5 << 32, 1000)))
    assert meter.device.clusters.get((0x0705, 1)) == 1_000_000
    assert answer(shown, gbcs.encode(response)) == "CREDIT ADDED"
    assert answer(shown, gbcs.encode(response)) is None  # nothing is asked any more
    (again, *_) = meter.line(asked(shown, "top_up", utrn=token(5 << 32, 1000)))
    assert answer(shown, gbcs.encode(again)) == "CODE REJECTED"
    assert meter.device.clusters.get((0x0705, 1)) == 1_000_000


def test_emergency_credit() -> None:
    shown, meter = bench()
    (response, *_) = meter.line(asked(shown, "emergency_credit"))
    assert answer(shown, gbcs.encode(response)) == "EMERGENCY CREDIT ON"
    status = meter.device.clusters.get((0x0705, 3))
    assert isinstance(status, int)
    assert status & 0x10


def test_a_code_with_a_wrong_digit_does_not_leave() -> None:
    shown, _ = bench()
    digits = token(5 << 32, 1000)
    effects = shown.handle(Asked("top_up", {"utrn": digits[:-1] + str((int(digits[-1]) + 1) % 10)}))
    assert [type(effect) for effect in effects] == [Show, Refuse]


def test_an_answer_that_was_tampered_with_is_not_shown() -> None:
    shown, meter = bench()
    (response, *_) = meter.line(asked(shown, "top_up", utrn=token(5 << 32, 1000)))
    assert response.mac is not None
    forged = replace(response, mac=bytes(12))
    assert answer(shown, gbcs.encode(forged)) is None
    assert [fields["check"] for fields in of_kind(shown.effects, "refused")] == ["mac"]


def test_without_a_meter_nothing_is_sent() -> None:
    shown = GasBench(Ppmid(INTERFACE, KEYS, cells("PPMID")))
    (refused,) = shown.handle(Asked("emergency_credit", {}))
    assert isinstance(refused, Refuse)

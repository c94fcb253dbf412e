"""The prepayment interface: a token typed in and emergency credit asked for, device to device with the gas meter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from devices.machines.core import Answer, Asked, LinkChanged, Persist, Received, Refuse, Send, Show, Started
from devices.machines.gsme import Gsme
from devices.machines.parts.tunnel import CLUSTER
from devices.machines.ppmid import Ppmid, PpmidSettings
from devices.trust import protection
from devices.trust.keystore import agreement_key
from devices.wire import gbcs, gbz, tunnelling, zcl, zcl_general
from devices.wire.gbcs import CRA, Message
from devices.wire.zcl_general import DefaultResponse
from tests.machines.gas_bench import HUB, INTERFACE, KEYS, METER, PROXY, GasBench, cells
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
    told = [Refuse("this PPMID knows no gas meter; give it one in its settings")]
    assert shown.handle(Asked("emergency_credit", {})) == told
    assert shown.handle(Asked("top_up", {"utrn": token(5 << 32, 1000)})) == told


@pytest.mark.parametrize(
    ("verb", "code", "payload"),
    [
        ("top_up", 0x009B, "0109010107050019" + "010004" + "02" + "14" + b"73948649733112970660".hex()),
        ("emergency_credit", 0x0090, "0109010107050008" + "010000" + "00000000" + "02"),
    ],
)
def test_what_it_asks_of_the_meter(verb: str, code: int, payload: str) -> None:
    """facts/use-cases.md, PCS01 and PCS02: a PPMID is originating device 2; the display says that it waits."""
    shown, _ = bench()
    effects = shown.handle(Asked(verb, {"utrn": "73948649733112970660"}), 7)
    (sent,) = [effect for effect in effects if isinstance(effect, Send)]
    assert effects == [Persist("counter", 2), sent, Show("WAIT"), Answer({"counter": 1})]
    assert (sent.port, sent.peer, sent.cluster) == ("line", METER, 0)
    message = gbcs.decode(sent.octets)
    assert replace(message, mac=None) == Message(
        CRA.COMMAND, 1, INTERFACE, METER, code, bytes.fromhex(payload), signature=b""
    )
    assert protection.mac_valid(message, KEYS.agree(agreement_key(METER), KEYS.public(agreement_key(INTERFACE))))


def test_what_the_meter_answered_is_told() -> None:
    """Type, value and source of the top up, the credit that there is now; nothing but success of emergency credit."""
    shown, meter = bench()
    for verb, code in (("top_up", token(5 << 32, 1000)), ("top_up", token(5 << 32, 1000)), ("emergency_credit", "")):
        (response, *_) = meter.line(asked(shown, verb, utrn=code))
        shown.handle(Received("line", METER, gbcs.encode(response)))
    heard = of_kind(shown.effects, "meter.answer")

    def told(result: int, amount: int) -> dict[str, int]:
        return {"Result Type": result, "Top Up Value": amount, "Source of Top up": 2, "Credit Remaining": amount}

    assert heard == [
        {"use_case": "PCS01", "counter": 1, "good": True, **told(0, 1_000_000)},
        {"use_case": "PCS01", "counter": 2, "good": False, **told(1, -1)},
        {"use_case": "PCS02", "counter": 3, "good": True},
    ]


def protected(message: Message) -> bytes:
    secret = KEYS.agree(agreement_key(METER), KEYS.public(agreement_key(INTERFACE)))
    return gbcs.encode(protection.add_mac(replace(message, mac=None), secret))


def status(code: int) -> bytes:
    body = DefaultResponse(0, code)
    frame = zcl.Frame(zcl.TO_CLIENT, 0, zcl_general.command_of(body), zcl_general.write(body))
    return gbz.encode(gbz.Payload((gbz.Component(0x0705, frame),)))


@pytest.mark.parametrize(
    ("verb", "code", "words"),
    [
        ("top_up", 1, "CODE REJECTED"),
        ("top_up", 0, "CREDIT ADDED"),
        ("emergency_credit", 1, "NOT AVAILABLE"),
        ("emergency_credit", 0, "EMERGENCY CREDIT ON"),
    ],
)
def test_a_status_alone_is_an_answer_too(verb: str, code: int, words: str) -> None:
    shown, meter = bench()
    (response, *_) = meter.line(asked(shown, verb, utrn=token(5 << 32, 1000)))
    assert answer(shown, protected(replace(response, payload=status(code)))) == words


@pytest.mark.parametrize(
    ("changes", "check", "reason"),
    [
        ({"counter": 2}, "response", "an answer that nothing was asked for"),
        ({"originator": PROXY}, "response", "an answer that nothing was asked for"),
        ({"payload": b"\x01"}, "content", "gb"),
        ({"payload": gbz.encode(gbz.Alert(0x8F0A, 0, ()))}, "content", "the answer is a GBZ alert"),
    ],
)
def test_what_is_no_answer_is_told_and_not_shown(changes: dict[str, Any], check: str, reason: str) -> None:
    shown, meter = bench()
    (response, *_) = meter.line(asked(shown, "top_up", utrn=token(5 << 32, 1000)))
    effects = shown.handle(Received("line", METER, protected(replace(response, **changes))))
    (told,) = of_kind(effects, "refused")
    assert len(effects) == 1
    assert told.pop("reason").startswith(reason)
    assert told == {
        "check": check,
        "alert": None,
        "message_code": "0x009B",
        "originator": changes.get("originator", METER).hex(),
        "counter": changes.get("counter", 1),
    }
    assert answer(shown, gbcs.encode(response)) == "CREDIT ADDED", "the true answer is still awaited"


def test_a_meter_that_it_was_not_joined_to_is_not_asked() -> None:
    shown = GasBench(Ppmid(INTERFACE, KEYS, cells("PPMID"), PpmidSettings(meter=bytes(8))))
    shown.handle(Started({}))
    reason = f"the command can't be protected: no key agreement key of {'00' * 8}; join the two devices first"
    assert shown.handle(Asked("emergency_credit", {})) == [Persist("counter", 2), Refuse(reason)]


@pytest.mark.parametrize(("hub", "peer"), [(None, METER), (HUB, HUB)])
def test_without_a_line_it_goes_through_the_tunnel_with_the_hub(hub: bytes | None, peer: bytes) -> None:
    shown = GasBench(Ppmid(INTERFACE, KEYS, cells("PPMID"), PpmidSettings(meter=METER, hub=hub)))
    shown.handle(Started({}))
    shown.handle(Received("han", peer, tunnelling.encode(tunnelling.RequestTunnel(), 0), CLUSTER))
    effects = shown.handle(Asked("emergency_credit", {}))
    assert [(one.port, one.peer) for one in effects if isinstance(one, Send)] == [("han", peer)]


def test_verbs_and_words() -> None:
    shown, _ = bench()
    told = "a PPMID has no verb 'fly'; try 'top_up', 'emergency_credit' or 'image'"
    assert shown.handle(Asked("fly", {})) == [Refuse(told)]
    assert shown.handle(Asked("top_up", {}))[0] == Show("CODE NOT VALID")


def test_a_message_that_cannot_be_read_is_told() -> None:
    shown, _ = bench()
    assert [fields["check"] for fields in of_kind(shown.handle(Received("line", METER, b"hello")), "refused")] == [
        "decode"
    ]

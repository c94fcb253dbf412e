"""The broker: what it MACs, what it refuses, and where it sends what comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.events.parties import BrokerRefused
from devices.machines.access_control_broker import BrokerSettings
from devices.machines.core import Answer, Asked, LinkChanged, Received, Record, Refuse, Send, Started
from devices.trust import protection
from devices.trust.keystore import signing_key
from devices.wire import gbcs, outage_notice
from devices.wire.gbcs import CRA, Message
from devices.wire.outage_notice import OutageNotice
from tests.examples import examples
from tests.machines.lab import ACB, HUB, METER, NETWORK_OPERATOR, OTHER_SUPPLIER, SECOND, SUPPLIER, House, RefusedError
from tests.machines.told import of_kind

ECS43, ECS45 = 0x0050, 0x0052


def pre_command(house: House, code: int, signer: bytes | None = SUPPLIER, **changes: Any) -> bytes:
    message = replace(Message(CRA.COMMAND, 7, SUPPLIER, METER, code, b"\xd9", signature=None), **changes)
    if signer is not None:
        message = protection.sign(message, house.keys(signer), signing_key(signer))
    return gbcs.encode(message)


def hand_in(house: House, octets: bytes, user: bytes = SUPPLIER, way: str = "wan") -> list[str]:
    """Reasons for refusal; none when the broker sent it on."""
    before = len(house.lab.stations["broker"].kinds("broker.refused"))
    house.lab.feed("broker", Received(f"users.{way}", user, octets))
    return [str(fields["reason"]) for fields in house.lab.stations["broker"].kinds("broker.refused")[before:]]


def sent(house: House) -> list[tuple[str, bytes]]:
    return [(send.port, send.peer) for _, name, send in house.lab.sent if name == "broker"]


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("wan", [("wan", METER)]),
        ("local", [("users.local", SUPPLIER)]),
        ("both", [("wan", METER), ("users.local", SUPPLIER)]),
    ],
)
def test_three_ways_of_delivery(way: str, expected: list[tuple[str, bytes]]) -> None:
    house = House()
    assert hand_in(house, pre_command(house, ECS43), way=way) == []
    assert sent(house) == expected
    assert len({send.octets for _, name, send in house.lab.sent if name == "broker"}) == 1


def test_final_command_carries_the_broker_s_mac() -> None:
    house = House()
    hand_in(house, pre_command(house, ECS45, signer=None))
    final = gbcs.decode(house.lab.sent[-1][2].octets)
    assert final.signature == b""
    z = house.keys(METER).agree(f"{METER.hex()}-ka", house.publics[f"{ACB.hex()}-ka"])
    assert protection.mac_valid(final, z)


@pytest.mark.parametrize("signature", [None, b""], ids=["ends after the payload", "trailing 00"])
def test_both_endings_of_a_pre_command_are_read(signature: bytes | None) -> None:
    """facts/gbcs.md 11 no. 23."""
    house = House()
    assert hand_in(house, pre_command(house, ECS45, signer=None, signature=signature)) == []


REFUSED: list[tuple[str, dict[str, Any], bytes | None, bytes, str]] = [
    ("unsigned critical", {}, None, SUPPLIER, "critical, and the signature is missing"),
    ("signed by another", {}, OTHER_SUPPLIER, SUPPLIER, "not that of its originator"),
    ("from another user", {}, SUPPLIER, OTHER_SUPPLIER, "the originator is"),
    ("response", {"cra": 2}, SUPPLIER, SUPPLIER, "expected a pre-command"),
    ("unknown device", {"recipient": bytes(8)}, SUPPLIER, SUPPLIER, "the directory holds no public key"),
    ("unknown user", {"originator": bytes(8)}, SUPPLIER, bytes(8), "the directory holds no public key"),
]


@pytest.mark.parametrize(
    ("changes", "signer", "user", "reason"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_refusals(changes: dict[str, Any], signer: bytes | None, user: bytes, reason: str) -> None:
    house = House()
    octets = pre_command(house, ECS43, signer, **changes)
    assert [reason in text for text in hand_in(house, octets, user)] == [True]
    assert sent(house) == []


def test_signature_must_fit_what_was_signed() -> None:
    house = House()
    message = gbcs.decode(pre_command(house, ECS43))
    altered = gbcs.encode(replace(message, recipient=HUB))
    assert len(hand_in(house, altered)) == 1
    assert sent(house) == []


def test_replayed_final_command_is_not_macd_again() -> None:
    house = House()
    hand_in(house, pre_command(house, ECS43))
    final = house.lab.sent[-1][2].octets
    assert "without a MAC" in hand_in(house, final)[0]


@pytest.mark.parametrize(("user", "refused"), [(SUPPLIER, False), (OTHER_SUPPLIER, True)])
def test_registration_decides_who_may_command(user: bytes, refused: bool) -> None:
    """SA-7."""
    house = House(registration={METER: frozenset({SUPPLIER})})
    octets = pre_command(house, ECS45, None, originator=user)
    assert bool(hand_in(house, octets, user)) is refused
    behalf = {"on_behalf": user.hex(), "counter": 1}
    if refused:
        with pytest.raises(RefusedError, match="not registered"):
            house.lab.ask("broker", "command", use_case="ECS50", device=METER.hex(), args={"cin": "1234"}, **behalf)
    else:
        house.lab.ask("broker", "command", use_case="ECS50", device=METER.hex(), args={"cin": "1234"}, **behalf)


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({}, "expected a GBCS use case name"),
        ({"use_case": "CCS07"}, "argument 'device' is missing"),
        ({"use_case": "CCS07", "device": HUB.hex(), "on_behalf": SUPPLIER.hex()}, "argument 'counter'"),
        ({"use_case": "CCS07", "device": HUB.hex(), "delivery": "pigeon"}, "expected one of wan, local, both"),
        ({"use_case": "CCS07", "device": "00" * 8}, "the directory holds no public key"),
        ({"use_case": "CCS01", "device": HUB.hex(), "args": {"device": METER.hex()}}, "'install_code' is missing"),
    ],
)
def test_wrong_commands_are_refused_and_cost_no_counter(args: dict[str, Any], reason: str) -> None:
    house = House()
    with pytest.raises(RefusedError, match=reason):
        house.lab.ask("broker", "command", **args)
    good = house.lab.ask("broker", "command", use_case="CCS07", device=HUB.hex())
    assert good["counter"] == 500


def test_refuses_verbs_it_has_not() -> None:
    with pytest.raises(RefusedError, match="expected the verb 'command'"):
        House().lab.ask("broker", "dance")


@pytest.mark.parametrize("recipient", [SUPPLIER, NETWORK_OPERATOR])
def test_what_devices_send_goes_to_whom_it_is_for(recipient: bytes) -> None:
    house = House()
    alert = gbcs.encode(Message(CRA.ALERT, 1, METER, recipient, 0x67, b"\x0f", mac=bytes(12)))
    house.lab.feed("broker", Received("wan", HUB, alert))
    assert sent(house) == [("users.wan", recipient)]
    house.lab.run(SECOND)
    name = "supplier" if recipient == SUPPLIER else "operator"
    assert len(house.lab.ask(name, "inbox")["messages"]) == 1


def test_forged_answer_to_the_broker_is_known_as_such() -> None:
    house = House()
    forged = Message(CRA.ALERT, 1, HUB, ACB, 0x18, b"\x0f", mac=bytes(12))
    house.lab.feed("broker", Received("wan", HUB, gbcs.encode(forged)))
    assert [fields["verified"] for fields in house.lab.stations["broker"].kinds("party.received")] == [False]


@settings(max_examples=examples(40), deadline=None)
@given(octets=st.binary(max_size=150), port=st.sampled_from(["wan", "users.wan", "users.local", "users.both"]))
def test_any_octets_are_survived(octets: bytes, port: str) -> None:
    before = len(sent(_RUNNING))
    _RUNNING.lab.feed("broker", Received(port, SUPPLIER, octets))
    assert len(sent(_RUNNING)) == before


_RUNNING = House()


# ---------------------------------------------------------------------------------------- every answer, field by field


def test_a_command_of_its_own_is_answered_and_sent_whole() -> None:
    house = House()
    behalf = {"on_behalf": SUPPLIER.hex(), "counter": 0}
    asked = {"use_case": "ECS50", "device": METER.hex(), "args": {"cin": "1234"}, "delivery": "both", **behalf}
    answer, over_wan, local = house.lab.feed("broker", Asked("command", asked))
    assert isinstance(over_wan, Send)
    told = {"counter": 500, "message_code": gbcs.decode(over_wan.octets).message_code, "octets": over_wan.octets.hex()}
    assert [answer, over_wan, local] == [
        Answer(told),
        Send("wan", METER, over_wan.octets),
        Send("users.local", SUPPLIER, over_wan.octets),
    ]
    message = gbcs.decode(over_wan.octets)
    assert (message.originator, message.supplementary_party, message.supplementary_counter) == (ACB, SUPPLIER, 0)
    own = house.lab.feed("broker", Asked("command", {"use_case": "CCS07", "device": HUB.hex(), "delivery": "local"}))
    assert [(e.port, e.peer) for e in own if isinstance(e, Send)] == [("users.local", ACB)]


@pytest.mark.parametrize("counter", [None, -1, 1 << 63, True, "7"])
def test_the_users_counter_is_a_whole_number_of_63_bits(counter: Any) -> None:
    house = House()
    asked = {"use_case": "CCS07", "device": HUB.hex(), "on_behalf": SUPPLIER.hex()}
    told = f"argument 'counter': expected the user's counter as a whole number, got {counter!r}"
    assert house.lab.feed("broker", Asked("command", {**asked, "counter": counter})) == [Refuse(told)]
    assert house.lab.ask("broker", "command", **asked, counter=(1 << 63) - 1)["counter"] == 500


@pytest.mark.parametrize("given", ["zz", 7, "3" * 41])
def test_a_certificate_is_hexadecimal(given: Any) -> None:
    asked = {"use_case": "CCS07", "device": HUB.hex(), "certificate": given}
    told = f"argument 'certificate': expected DER in hexadecimal digits, got {str(given)[:40]!r}"
    assert House().lab.feed("broker", Asked("command", asked)) == [Refuse(told)]


def test_refusals_say_why_and_of_whom() -> None:
    house = House(registration={METER: frozenset({OTHER_SUPPLIER})})
    told = "expected the verb 'command', got 'request'; users' own commands come in through their ports"
    assert house.lab.feed("broker", Asked("request", {})) == [Refuse(told)]
    octets = pre_command(house, ECS43)
    reason = f"user {SUPPLIER.hex()} is not registered for device {METER.hex()}"
    assert house.lab.feed("broker", Received("users.wan", SUPPLIER, octets)) == [
        Record(BrokerRefused(user=SUPPLIER, reason=reason, octets=octets))
    ]
    (bad,) = of_kind(house.lab.feed("broker", Received("wan", HUB, b"hello")), "broker.refused")
    assert (bad["octets"], bad["reason"].startswith("gbcs: at octet"), bad.get("user")) == (b"hello".hex(), True, None)
    notice = outage_notice.write(OutageNotice(METER, 1))
    assert house.lab.feed("broker", Received("wan", HUB, notice)) == [
        Record(BrokerRefused(reason=f"a notice of {METER.hex()} from {HUB.hex()}", octets=notice))
    ]
    assert house.lab.feed("broker", LinkChanged("wan", True)) == []
    assert house.lab.feed("broker", Started({})) == []


def test_a_command_that_nobody_knows_gets_a_mac_and_needs_no_signature() -> None:
    house = House()
    assert hand_in(house, pre_command(house, 0x7FFF, signer=None)) == []
    final = gbcs.decode(house.lab.sent[-1][2].octets)
    assert (final.signature, final.mac is None) == (b"", False)


def test_what_the_broker_learns_for_itself_goes_on_to_whom_it_asked_for() -> None:
    """An answer to the broker: told field by field, and passed to the user on whose behalf it asked."""
    house = House()
    for party, users in ((None, []), (SUPPLIER, [SUPPLIER])):
        given: dict[str, Any] = {} if party is None else {"supplementary_party": party, "supplementary_counter": 1}
        response = Message(CRA.RESPONSE, 3, HUB, ACB, ECS45, bytes.fromhex("da2000000100000103010101fa"), **given)
        secret = house.keys(HUB).agree(f"{HUB.hex()}-ka", house.publics[f"{ACB.hex()}-ka"])
        octets = gbcs.encode(protection.add_mac(replace(response, signature=b""), secret))
        effects = house.lab.feed("broker", Received("wan", HUB, octets))
        assert of_kind(effects, "party.received") == [
            {
                "party": ACB.hex(),
                "from": HUB.hex(),
                "recipient": ACB.hex(),
                "cra": 2,
                "message_code": ECS45,
                "counter": 3,
                "octets": octets.hex(),
                "success": False,
                "verified": True,
                "results": [250],
                "data": ["0301"],
                "alert": None,
            }
        ]
        assert [(e.port, e.peer) for e in effects if isinstance(e, Send)] == [("users.wan", user) for user in users]


def test_who_is_told_of_what() -> None:
    assert BrokerSettings(ACB) == BrokerSettings(ACB, "commands", None, ())
    house = House()
    notice = outage_notice.write(OutageNotice(HUB, 1))
    told = house.lab.feed("broker", Received("wan", HUB, notice))
    assert told == [Send("users.wan", NETWORK_OPERATOR, notice)]

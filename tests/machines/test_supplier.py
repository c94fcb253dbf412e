"""The supplier: its commands octet for octet as published, its counters, and what it makes of what comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.events.parties import LocalCopyReceived, PartyUnreadable
from devices.machines.access_control_broker import AccessControlBroker, BrokerSettings
from devices.machines.core import Answer, Asked, Effect, Received, Record, Refuse, Send, Started
from devices.machines.parts.tokens import rebuilt_number
from devices.machines.supplier import Supplier, SupplierSettings
from devices.trust import protection
from devices.trust.keystore import load_corpus_keys
from devices.trust.ledger import MemoryLedger
from devices.wire import gbcs, utrn
from tests.examples import examples
from tests.machines.lab import ACB, METER, OTHER_SUPPLIER, SECOND, SUPPLIER, House, RefusedError
from tests.machines.told import of_kind

EARLY, LATE = 0x1C35F900, 0x1C374A80

# name of the published command, and the arguments that make it
COMMANDS: list[tuple[str, dict[str, Any]]] = [
    ("ECS42_7.1_SUCCESS", {}),
    ("ECS42_7.1_ERROR", {}),
    ("ECS43_7.2_SUCCESS", {}),
    ("ECS44_7.3_SUCCESS", {}),
    ("ECS45_7.4_SUCCESS", {}),
    ("ECS45_7.4_ERROR", {}),
    ("ECS81_6.25_SUCCESS", {"locked": True}),
    ("ECS52_11.2_SUCCESS", {}),
    ("ECS14_3.5_SUCCESS", {}),
    ("ECS24_4.11.1_SUCCESS", {}),
    ("ECS24b_4.11.2_SUCCESS", {}),
    ("ECS35a_6.13_SUCCESS", {"from": EARLY, "to": LATE}),
    ("ECS35b_6.13_SUCCESS", {"from": EARLY, "to": LATE}),
    ("ECS35e_6.13_SUCCESS", {"from": EARLY, "to": LATE}),
]


@pytest.fixture(scope="module")
def corpus(corpus_dir: Path) -> dict[str, dict[str, Any]]:
    with (corpus_dir / "gbcs-open.jsonl").open() as lines:
        return {row["name"]: row for row in map(json.loads, lines)}


@pytest.fixture(scope="module")
def published_keys(corpus_dir: Path) -> Any:
    return load_corpus_keys(json.loads((corpus_dir / "keys.json").read_text()))


class Directory(dict[str, bytes]):
    """The public points of a key store by name."""

    def __init__(self, keys: Any) -> None:
        super().__init__({name: keys.public(name) for name in keys.names})


@pytest.mark.parametrize(("name", "args"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_commands_are_the_published_ones(corpus: Any, published_keys: Any, name: str, args: dict[str, Any]) -> None:
    """Through supplier and broker: every octet but the signature's, which differs by its nonce and must be valid."""
    row = corpus[f"{name}_COMMAND"]
    directory = Directory(published_keys)
    ledger = MemoryLedger(row["originator_counter"])
    supplier = Supplier(SupplierSettings(SUPPLIER), published_keys, directory, ledger)
    broker = AccessControlBroker(BrokerSettings(ACB), published_keys, directory, MemoryLedger())
    asked = {"use_case": row["use_case"], "device": METER.hex(), "args": args}
    pre = next(effect for effect in supplier.handle(Asked("command", asked), 0) if isinstance(effect, Send))
    assert (pre.port, pre.peer) == ("acb.wan", METER)
    final = next(e for e in broker.handle(Received("users.wan", SUPPLIER, pre.octets), 0) if isinstance(e, Send))
    ours, theirs = gbcs.decode(final.octets), gbcs.decode(bytes.fromhex(row["hex"]))
    if not theirs.signature:
        assert final.octets.hex() == row["hex"]
        return
    assert gbcs.to_be_signed(ours) == gbcs.to_be_signed(theirs)
    assert protection.signature_valid(ours, directory[row["signature_key"]])
    broker_key, device_key = row["mac_keys"]
    z = published_keys.agree(broker_key, directory[device_key])
    assert protection.mac_valid(ours, z)
    pre_command = corpus.get(f"{name}_PRECOMMAND")
    if pre_command:
        assert pre.octets[:-65].hex() == pre_command["hex"]


BROKER_COMMANDS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "CCS01_8.11_SUCCESS",
        "00db1234567890a2",
        {"device": METER.hex(), "install_code": "30313233343536373839414243444546", "device_type": "ESME"},
    ),
    (
        "CCS03_8.12.1_SUCCESS",
        "00db1234567890a2",
        {
            "epid": "0000000000000140",
            "devices": [
                {"device": METER.hex(), "key_hash": "83fed3407a939723a5c639b26916d506"},
                {"device": "00db1234567890a1", "key_hash": "83fed3407a939723a5c639b26916d505"},
            ],
        },
    ),
    ("CCS05CCS04_8.9_SUCCESS", "00db1234567890a2", {}),
    ("CCS07_8.9_SUCCESS", "00db1234567890a2", {}),
    ("ECS50_9.1_SUCCESS", METER.hex(), {"cin": "1234"}),
    ("CS07_8.9_ERROR", "00db1234567890a1", {}),
    ("ECS35c_6.13_SUCCESS", "00db1234567890a2", {"from": EARLY, "to": 0x1C367790}),
]


@pytest.mark.parametrize(("name", "device", "args"), BROKER_COMMANDS, ids=[row[0] for row in BROKER_COMMANDS])
def test_brokers_own_commands_are_the_published_ones(
    corpus: Any, published_keys: Any, name: str, device: str, args: dict[str, Any]
) -> None:
    row = corpus[f"{name}_COMMAND"]
    theirs = gbcs.decode(bytes.fromhex(row["hex"]))
    ledger = MemoryLedger(row["originator_counter"])
    broker = AccessControlBroker(BrokerSettings(ACB), published_keys, Directory(published_keys), ledger)
    behalf = {"on_behalf": SUPPLIER.hex(), "counter": theirs.supplementary_counter}
    asked = {"use_case": row["use_case"], "device": device, "args": args, **behalf}
    sent = next(effect for effect in broker.handle(Asked("command", asked), 0) if isinstance(effect, Send))
    assert (sent.port, sent.peer.hex()) == ("wan", device)
    assert sent.octets.hex() == row["hex"]


def test_published_responses_are_verified(corpus: Any, published_keys: Any) -> None:
    """Every response and alert of the corpus that is for this supplier: the true one good, with one bit flipped bad."""
    directory = Directory(published_keys)
    supplier = Supplier(SupplierSettings(SUPPLIER), published_keys, directory, MemoryLedger())
    checked = 0
    for row in corpus.values():
        if row["kind"] not in ("response", "alert") or row["recipient"] != SUPPLIER.hex():
            continue
        octets = bytes.fromhex(row["hex"])
        fields = of_kind(supplier.handle(Received("acb.wan", ACB, octets), 0), "party.received")
        assert [entry["verified"] for entry in fields] == [True], row["name"]
        bad = bytes((*octets[:-1], octets[-1] ^ 1))
        fields = of_kind(supplier.handle(Received("acb.wan", ACB, bad), 0), "party.received")
        assert [entry["verified"] for entry in fields] == [False], row["name"]
        checked += 1
    assert checked > 200


def test_counter_is_taken_before_anything_leaves() -> None:
    house = House()
    taken: list[int] = []

    class Ledger(MemoryLedger):
        def take(self, series: str) -> int:
            taken.append(super().take(series))
            return taken[-1]

    ledger = Ledger(1000)
    supplier = Supplier(SupplierSettings(SUPPLIER), house.keys(SUPPLIER), house.publics, ledger)
    for expected in (1000, 1001, 1002):
        answer = supplier.handle(Asked("command", {"use_case": "ECS45", "device": METER.hex()}), 0)[0]
        assert isinstance(answer, Answer)
        assert answer.value["counter"] == expected
        assert gbcs.decode(bytes.fromhex(answer.value["octets"])).counter == expected
        assert answer.value["request_id"] == f"90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:{expected}"
    assert taken == [1000, 1001, 1002]


def test_clock_command_takes_civil_time_or_octets() -> None:
    """The publication does not hold ECS70: its layout rests on the annex table (facts/gbcs.md 5.3)."""
    house = House()
    supplier = Supplier(SupplierSettings(SUPPLIER), house.keys(SUPPLIER), house.publics, MemoryLedger(1))
    start, end = "07df0b07ff0c0000008000ff", "07df0b07ff0c0005008000ff"
    for args in (
        {"start": start, "end": end},
        {"start": "2015-11-07T12:00:00Z", "end": "2015-11-07T13:00:05+01:00"},
    ):
        asked = {"use_case": "ECS70", "device": METER.hex(), "args": args}
        answer = supplier.handle(Asked("command", asked), 0)[0]
        assert isinstance(answer, Answer), answer
        payload = gbcs.decode(bytes.fromhex(answer.value["octets"])).payload.hex()
        time = "0008" + "0000010000ff"
        specs = f"02{time}09" + f"03{time}05" + f"03{time}04" + f"01{time}02" + f"01{time}04"
        data = "1605" + "0203" + "090cffffffffffffffffff8000ff" + "090c" + start + "090c" + end + "0f00" + "0000"
        assert payload[12:] == "05" + specs + "05" + data


BAD_COMMANDS: list[tuple[dict[str, Any], str]] = [
    ({}, "expected a GBCS use case name"),
    ({"use_case": "ECS99"}, "expected a GBCS use case name"),
    ({"use_case": "ECS42"}, "argument 'device' is missing"),
    ({"use_case": "ECS42", "device": "x"}, "is no EUI-64"),
    ({"use_case": "ECS42", "device": METER.hex(), "delivery": "pigeon"}, "expected one of wan, local, both"),
    ({"use_case": "ECS42", "device": METER.hex(), "args": {"script": 3}}, "takes no arguments, got script"),
    ({"use_case": "ECS42", "device": METER.hex(), "args": 7}, "expected names and values"),
    ({"use_case": "ECS70", "device": METER.hex()}, "argument 'start' is missing"),
    ({"use_case": "ECS70", "device": METER.hex(), "args": {"start": "00", "end": "00"}}, "expected 12 octets"),
    (
        {"use_case": "ECS70", "device": METER.hex(), "args": {"start": "2015-11-07T12:00:00", "end": "00" * 12}},
        "expected a time with its zone",
    ),
    ({"use_case": "ECS81", "device": METER.hex(), "args": {"locked": 1}}, "expected true or false"),
    ({"use_case": "ECS35a", "device": METER.hex(), "args": {"from": -1, "to": 1}}, "whole number from 0"),
    ({"use_case": "CS01a", "device": METER.hex(), "args": {"utrn": "1" * 20}}, "low 32 bits zero"),
    ({"use_case": "CS01a", "device": METER.hex(), "args": {"utrn": "12x"}}, "expected 20 decimal digits"),
    ({"use_case": "ECS01a", "device": METER.hex()}, "season_profile_passive' is missing"),
    ({"use_case": "GCS32", "device": METER.hex()}, "'Change Supply.Issuer Event ID' is missing"),
]


@pytest.mark.parametrize(("args", "reason"), BAD_COMMANDS)
def test_wrong_commands_cost_no_counter(args: dict[str, Any], reason: str) -> None:
    house = House()
    ledger = MemoryLedger(5)
    supplier = Supplier(SupplierSettings(SUPPLIER), house.keys(SUPPLIER), house.publics, ledger)
    effects = supplier.handle(Asked("command", args), 0)
    assert [type(effect) for effect in effects] == [Refuse]
    assert reason in effects[0].reason  # type: ignore[union-attr]
    assert ledger.peek("commands") == 5


def test_supplier_without_its_signing_key_refuses_what_is_critical() -> None:
    house = House()
    ledger = MemoryLedger(5)
    supplier = Supplier(SupplierSettings(SUPPLIER), house.keys(ACB), house.publics, ledger)
    effects = supplier.handle(Asked("command", {"use_case": "ECS42", "device": METER.hex()}), 0)
    assert [type(effect) for effect in effects] == [Refuse]
    assert ledger.peek("commands") == 5


@pytest.mark.parametrize(
    ("verb", "args", "reason"),
    [
        ("dance", {}, "expected one of command"),
        ("receive_local", {}, "give what the terminal unloaded"),
        ("receive_local", {"octets": "zz"}, "expected hexadecimal digits"),
        ("receive_local", {"octets": 7}, "expected hexadecimal digits"),
        ("receive_local", {"octets": ["df09"]}, "gbcs: at octet"),
        ("resend", {"device": METER.hex(), "counter": 4}, "that was sent before"),
        ("send", {"octets": "zz"}, "expected hexadecimal digits"),
        ("send", {"octets": "00"}, "gbcs: at octet"),
    ],
)
def test_other_verbs_are_refused_with_a_reason(verb: str, args: dict[str, Any], reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        House().lab.ask("supplier", verb, **args)


def test_bad_batch_from_a_terminal_is_taken_not_even_in_part() -> None:
    house = House()
    house.commission()
    before = len(house.lab.ask("supplier", "inbox")["messages"])
    good = house.lab.ask("supplier", "inbox")["messages"][0]["octets"]
    with pytest.raises(RefusedError):
        house.lab.ask("supplier", "receive_local", octets=[good, "00"])
    assert len(house.lab.ask("supplier", "inbox")["messages"]) == before


def test_other_suppliers_commands_are_no_business_of_the_meter() -> None:
    """SA-10 in small: the same command, signed by a supplier that the meter does not know."""
    house = House()
    house.commission()
    house.lab.ask("rival", "command", use_case="ECS43", device=METER.hex())
    house.lab.run()
    assert house.lab.ask("meter", "state")["supply"] == "enabled"
    assert len(house.lab.stations["meter"].kinds("refused")) == 1
    assert house.lab.stations["rival"].kinds("party.received") == []


def test_network_operator_reads_but_does_not_switch() -> None:
    house = House()
    house.commission()
    house.lab.ask("operator", "command", use_case="ECS52", device=METER.hex())
    house.lab.ask("operator", "command", use_case="ECS43", device=METER.hex())
    house.lab.run()
    answers = house.lab.stations["operator"].kinds("party.received")
    assert [(answer["message_code"], answer["verified"]) for answer in answers if answer["cra"] == 2] == [(0x59, True)]
    assert house.lab.ask("meter", "state")["supply"] == "enabled"


def test_memory_is_bounded() -> None:
    house = House()
    settings_ = SupplierSettings(SUPPLIER, remembered=3)
    supplier = Supplier(settings_, house.keys(SUPPLIER), house.publics, MemoryLedger())
    for _ in range(6):
        supplier.handle(Asked("command", {"use_case": "ECS45", "device": METER.hex()}), 0)
    alert = gbcs.encode(gbcs.Message(3, 1, METER, SUPPLIER, 0x1000, b"\x0f", mac=bytes(12)))
    for _ in range(6):
        supplier.handle(Received("acb.wan", ACB, alert), 0)
    inbox = supplier.handle(Asked("inbox", {}), 0)[0]
    assert isinstance(inbox, Answer)
    assert len(inbox.value["messages"]) == 3
    refused = supplier.handle(Asked("resend", {"device": METER.hex(), "counter": 1}), 0)
    assert [type(effect) for effect in refused] == [Refuse]


@settings(max_examples=examples(40), deadline=None)
@given(octets=st.binary(max_size=150))
def test_any_octets_are_survived(octets: bytes) -> None:
    supplier = Supplier(SupplierSettings(SUPPLIER), House.nobody(), {}, MemoryLedger())
    effects: list[Effect] = list(supplier.handle(Received("acb.wan", ACB, octets), 0))
    assert {type(effect) for effect in effects} == {Record}


def test_local_copies_make_work_orders_by_device() -> None:
    house = House()
    house.work_order("ECS43")
    house.lab.ask("supplier", "command", use_case="ECS45", device=ACB.hex(), delivery="local")
    house.lab.run(SECOND)
    assert [c["name"] for c in house.lab.ask("supplier", "work_order", device=METER.hex())["commands"]] == ["ECS43"]
    assert len(house.lab.ask("supplier", "work_order")["commands"]) == 2


def test_local_copy_for_somebody_else_is_not_taken() -> None:
    house = House()
    order = house.work_order("ECS43")[0]
    house.lab.feed("rival", Received("acb.local", ACB, bytes.fromhex(order["octets"])))
    assert house.lab.ask("rival", "work_order")["commands"] == []
    assert house.lab.stations["rival"].eui == OTHER_SUPPLIER


# ---------------------------------------------------------------------------------------- every answer, field by field


def alone(counter: int = 5, **settings_: Any) -> tuple[Supplier, House]:
    house = _STREET
    return Supplier(
        SupplierSettings(SUPPLIER, **settings_), house.keys(SUPPLIER), house.publics, MemoryLedger(counter)
    ), house


def asked(supplier: Supplier, verb: str, **args: Any) -> list[Effect]:
    return list(supplier.handle(Asked(verb, args), 0))


_STREET = House()
TOKEN = "73948649733112970660"


@pytest.mark.parametrize("delivery", ["wan", "local", "both"])
def test_a_command_is_answered_and_sent_whole(delivery: str) -> None:
    supplier, _ = alone()
    answer, sent = asked(supplier, "command", use_case="ECS45", device=METER.hex(), delivery=delivery)
    assert isinstance(sent, Send)
    told = {
        "counter": 5,
        "message_code": 0x52,
        "octets": sent.octets.hex(),
        "request_id": "90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:5",
    }
    assert (answer, sent) == (Answer(told), Send(f"acb.{delivery}", METER, sent.octets))
    message = gbcs.decode(sent.octets)
    assert (message.originator, message.recipient, message.counter, message.cra) == (SUPPLIER, METER, 5, 1)
    again = asked(supplier, "resend", device=METER.hex(), counter=5, delivery="both")
    assert again == [Answer({"octets": sent.octets.hex()}), Send("acb.both", METER, sent.octets)]
    raw = asked(supplier, "send", octets=sent.octets.hex())
    assert raw == [Answer({"counter": 5}), Send("acb.wan", METER, sent.octets)]
    assert asked(supplier, "take_counter") == [Answer({"counter": 6})]


def test_the_last_of_two_commands_with_one_counter_is_sent_again() -> None:
    """A counter that was set back by hand: what was sent last counts."""
    supplier, _ = alone()
    asked(supplier, "command", use_case="ECS45", device=METER.hex())
    supplier._ledger = MemoryLedger(5)
    last = asked(supplier, "command", use_case="ECS52", device=METER.hex())[0]
    again = asked(supplier, "resend", device=METER.hex(), counter=5)[0]
    assert isinstance(last, Answer)
    assert again == Answer({"octets": last.value["octets"]})


@pytest.mark.parametrize(
    ("verb", "args", "reason"),
    [
        ("dance", {}, "expected one of command, sign, resend, send, receive_local, inbox, work_order, got 'dance'"),
        (
            "resend",
            {"device": METER.hex(), "counter": 4},
            "expected the counter of a command to that device that was sent before, got 4",
        ),
        (
            "resend",
            {"device": ACB.hex(), "counter": 5},
            "expected the counter of a command to that device that was sent before, got 5",
        ),
        ("receive_local", {}, "argument 'octets' is missing; give what the terminal unloaded"),
        (
            "command",
            {"use_case": "ECS45", "device": METER.hex(), "delivery": "pigeon"},
            "argument 'delivery': expected one of wan, local, both, got 'pigeon'",
        ),
        *(
            (
                "command",
                {
                    "use_case": "CS01a",
                    "device": METER.hex(),
                    "args": {"utrn": "73948649733112970660"},
                    "counter": wrong,
                },
                f"argument 'counter': expected the token's counter, low 32 bits zero, got {wrong!r}",
            )
            for wrong in (None, 0, True, 1, (1 << 32) + 1, -1 << 32, "4294967296")
        ),
    ],
)
def test_what_is_refused_and_why(verb: str, args: dict[str, Any], reason: str) -> None:
    supplier, _ = alone()
    asked(supplier, "command", use_case="ECS45", device=METER.hex())
    assert asked(supplier, verb, **args) == [Refuse(reason)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cra": 2}, "expected a pre-command of our own; give what the request answered"),
        ({"originator": ACB}, "expected a pre-command of our own; give what the request answered"),
        ({"message_code": 0x7FFF}, "expected a pre-command of our own; give what the request answered"),
        ({"mac": bytes(12)}, "the command is protected already; give the pre-command as it came"),
        ({"signature": bytes(64)}, "the command is protected already; give the pre-command as it came"),
    ],
)
def test_only_its_own_pre_commands_are_signed(changes: dict[str, Any], reason: str) -> None:
    supplier, house = alone()
    plain = gbcs.Message(1, 77, SUPPLIER, METER, 0x50, b"\xd9", signature=b"")
    good = asked(supplier, "sign", octets=gbcs.encode(plain).hex(), delivery="local")[1]
    assert isinstance(good, Send)
    assert (good.port, gbcs.decode(good.octets)._replace(signature=b"")) == ("acb.local", plain)
    assert protection.signature_valid(gbcs.decode(good.octets), house.publics[f"{SUPPLIER.hex()}-ds"])
    wrong = gbcs.encode(plain._replace(**changes)).hex()
    assert asked(supplier, "sign", octets=wrong) == [Refuse(f"argument 'octets': {reason}")]


def top_up(supplier: Supplier, number: int, device: bytes = METER) -> str | None:
    answer = asked(
        supplier, "command", use_case="CS01a", device=device.hex(), args={"utrn": TOKEN}, counter=number << 32
    )[0]
    assert isinstance(answer, Answer), answer
    return answer.value.get("warning")


TAKEN = "typed at the meter it would be taken for token {0} and refused as not authentic (0x8F63)"
ELSEWHERE = "a meter that stands elsewhere in its block of 1,024 could not rebuild it, were it typed"


@pytest.mark.parametrize(
    ("first", "then", "why"),
    [
        (1000, 1001, None),
        (1000, 1000 + 511, None),
        (1023, 1023 + 511, None),
        (1024, 1024 + 512, ELSEWHERE),
        (1000, 1000 + 512, TAKEN.format(488)),
        (1000, 1000 - 512, None),
        (1000, 1000 - 513, TAKEN.format(1511)),
        (1000, 999, None),
    ],
)
def test_a_token_that_a_meter_could_not_rebuild_is_warned_of(first: int, then: int, why: str | None) -> None:
    """facts/gbcs.md 7.1: 511 tokens from one to the next are safe wherever in its block of 1,024 a meter stands."""
    supplier, _ = alone()
    assert top_up(supplier, first) is None
    assert top_up(supplier, 7, ACB) is None, "another device"
    step = f"token {then} lies {then - first:+} from the highest before it ({first}): "
    assert top_up(supplier, then) == (None if why is None else f"{step}{why}; step by at most 511 a token")
    assert top_up(supplier, max(first, then) + 1) is None


def test_what_a_meter_would_take_a_token_for_is_said() -> None:
    supplier, _ = alone()
    top_up(supplier, 1000)
    told = TAKEN.format(rebuilt_number(1000, utrn.truncated(5000 << 32)))
    assert told.split()[8] != "5000"
    assert top_up(supplier, 5000) == (
        f"token 5000 lies +4000 from the highest before it (1000): {told}; step by at most 511 a token"
    )


def test_the_oldest_devices_are_forgotten_for_warnings() -> None:
    supplier, _ = alone(remembered=2)
    for device in (METER, ACB, SUPPLIER):
        top_up(supplier, 1000, device)
    assert top_up(supplier, 9000, METER) is None, "forgotten"
    assert top_up(supplier, 9000, SUPPLIER) is not None


def test_what_comes_back_is_told_field_by_field() -> None:
    house = House()
    house.commission()
    asked_ = house.lab.ask("supplier", "command", use_case="ECS45", device=METER.hex())
    house.lab.run(SECOND)
    response = next(
        send.octets
        for _, name, send in reversed(house.lab.sent)
        if name == "broker" and send.port == "users.wan" and gbcs.decode(send.octets).message_code == 0x52
    )
    expected = {
        "party": SUPPLIER.hex(),
        "port": "acb.wan",
        "from": METER.hex(),
        "recipient": SUPPLIER.hex(),
        "cra": 2,
        "message_code": 0x52,
        "counter": asked_["counter"],
        "octets": response.hex(),
        "success": True,
        "verified": True,
        "matched": True,
        "duplicate": False,
        "results": [0],
        "data": ["1601"],
        "alert": None,
    }
    assert house.lab.stations["supplier"].kinds("party.received")[-1] == expected
    last = house.lab.ask("supplier", "inbox")["messages"][-1]
    assert {**last, "at": 0} == {**expected, "at": 0}
    assert house.lab.ask("supplier", "receive_local", octets=response.hex()) == {"received": 1}
    told = {**expected, "port": "local", "duplicate": True}
    assert house.lab.stations["supplier"].kinds("party.received")[-1] == told
    assert house.lab.ask("supplier", "receive_local", octets=[response.hex()] * 2) == {"received": 2}
    rival = Supplier(SupplierSettings(OTHER_SUPPLIER), house.keys(OTHER_SUPPLIER), house.publics, MemoryLedger())
    (seen,) = of_kind(rival.handle(Received("acb.wan", ACB, response), 0), "party.received")
    assert (seen["matched"], seen["duplicate"]) == (False, False)


def test_a_mac_for_another_party_is_not_judged() -> None:
    supplier, _ = alone()
    alert = gbcs.Message(3, 1, METER, OTHER_SUPPLIER, 0x1000, b"\x0f", mac=bytes(12))
    for recipient, verdict in ((OTHER_SUPPLIER, None), (SUPPLIER, False)):
        octets = gbcs.encode(alert._replace(recipient=recipient))
        assert of_kind(supplier.handle(Received("acb.wan", ACB, octets), 0), "party.received")[0]["verified"] is verdict


def test_final_commands_make_the_work_order() -> None:
    supplier, _ = alone()
    answer = asked(supplier, "command", use_case="ECS45", device=METER.hex(), delivery="local")[0]
    assert isinstance(answer, Answer)
    pre = gbcs.decode(bytes.fromhex(answer.value["octets"]))
    final = gbcs.encode(pre._replace(signature=b"", mac=bytes(12)))
    other = gbcs.encode(pre._replace(signature=b"", mac=bytes(12), counter=99))
    for octets, name, counter in ((final, "ECS45", 5), (other, "0x0052", 99)):
        assert list(supplier.handle(Received("acb.local", ACB, octets), 0)) == [
            Record(LocalCopyReceived(name=name, for_=METER, counter=counter))
        ]
    row = {"name": "ECS45", "device": METER.hex(), "octets": final.hex()}
    unnamed = {**row, "name": "0x0052", "octets": other.hex()}
    assert asked(supplier, "work_order", device=METER.hex()) == asked(supplier, "work_order")
    assert asked(supplier, "work_order") == [Answer({"commands": [row, unnamed]})]
    assert asked(supplier, "work_order", device=ACB.hex()) == [Answer({"commands": []})]
    of_broker = gbcs.decode(final)._replace(originator=ACB)
    on_behalf = gbcs.encode(of_broker._replace(supplementary_party=SUPPLIER, supplementary_counter=1))
    assert of_kind(supplier.handle(Received("acb.local", ACB, on_behalf), 0), "party.local") != []
    for wrong in (gbcs.encode(pre), gbcs.encode(of_broker)):
        assert list(supplier.handle(Received("acb.local", ACB, wrong), 0)) == [
            Record(PartyUnreadable(reason="expected a final command of our own", octets=wrong))
        ]


def test_what_is_not_for_it_leads_to_nothing() -> None:
    supplier, _ = alone()
    assert supplier.handle(Received("wan", ACB, b"hello"), 0) == []
    assert supplier.handle(Started({}), 0) == []
    assert SupplierSettings(SUPPLIER) == SupplierSettings(SUPPLIER, "commands", 511, 1000)


def test_exactly_as_many_commands_are_remembered_as_set() -> None:
    supplier, _ = alone(remembered=2)
    for _ in range(3):
        asked(supplier, "command", use_case="ECS45", device=METER.hex())
    found = [type(asked(supplier, "resend", device=METER.hex(), counter=counter)[0]) for counter in (5, 6, 7)]
    assert found == [Refuse, Answer, Answer]

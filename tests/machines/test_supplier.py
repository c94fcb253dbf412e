"""The supplier: its commands octet for octet as published, its counters, and what it makes of what comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.machines.access_control_broker import AccessControlBroker, BrokerSettings
from devices.machines.core import Answer, Asked, Effect, Received, Record, Refuse, Send
from devices.machines.supplier import Supplier, SupplierSettings
from devices.trust import protection
from devices.trust.keystore import load_corpus_keys
from devices.trust.ledger import MemoryLedger
from devices.wire import gbcs
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

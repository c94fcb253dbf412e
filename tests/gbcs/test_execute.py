"""Commands of a made corpus, executed by emulated devices and answered: what counts, and what is told of the rest."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from devices.machines.parts.building import Envelope, command_message, protect_command, use_case_named
from devices.machines.parts.presupposed import Circumstances, Presupposed, circumstances_of, device_for
from devices.trust.authority import Authority
from devices.trust.certificates import Role, Usage
from devices.trust.directory import Directory
from devices.trust.keystore import MemoryKeyStore, generate
from devices.trust.protection import add_mac, sign
from devices.wire import cosem, gbcs
from devices.wire.gbcs import Message
from rig.gbcs import execute
from rig.gbcs.check import check
from rig.gbcs.corpus import load_directory, load_entries, load_keys
from rig.gbcs.reading import read
from rig.gbcs.tally import Tally

BROKER, SUPPLIER, METER, GAS = (
    bytes.fromhex(text) for text in ("90b3000000000002", "90b3000000010000", "00db0000000000a0", "00db0000000000a1")
)
ROLES = {BROKER: Role.ACCESS_CONTROL_BROKER, SUPPLIER: Role.SUPPLIER}
USES = {"ds": Usage.DIGITAL_SIGNATURE, "ka": Usage.KEY_AGREEMENT}


def document() -> dict[str, Any]:
    """A ``keys.json``: organisations with certificates and private keys, devices with public keys alone."""
    rng, authority = random.Random(5), Authority(random.Random(6), datetime(2024, 1, 1, tzinfo=UTC))
    entries: dict[str, Any] = {}
    for who in (*ROLES, METER, GAS):
        for use, usage in USES.items():
            scalar, name = generate(rng), f"{who.hex()}-{use}"
            public = MemoryKeyStore({name: scalar}, {}).public(name)
            certificate = authority.organisation(who, ROLES[who], usage, public).hex() if who in ROLES else None
            private = f"{scalar:064x}" if who in ROLES else None
            entries[name] = {"certificate": certificate, "public": public.hex(), "private": private}
    return entries


DOCUMENT = document()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "keys.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    return tmp_path


class World:
    """The parties of one folder, and the messages that are put into it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lines = folder, list[dict[str, Any]]()
        self.keys, self.directory = load_keys(folder), load_directory(folder)
        assert isinstance(self.keys.store, MemoryKeyStore)
        self.store: MemoryKeyStore = self.keys.store

    def command(self, name: str, device: bytes = METER, **args: Any) -> Message:
        use_case = use_case_named(name)
        message = command_message(use_case, args, Envelope(SUPPLIER, device, 1000))
        return protect_command(message, use_case, self.store, BROKER)

    def response(self, message: Message, kind: str = "ESME", circumstances: Circumstances | None = None) -> Message:
        """What a device with a signing key that the folder knows would answer."""
        device = device_for(message, self.store, self.directory, kind, circumstances)
        octets = device.receive(gbcs.encode(message)).response
        assert octets is not None
        return gbcs.decode(octets)

    def put(self, name: str, message: Message, outcome: str = "SUCCESS") -> None:
        entry = {"name": name, "hex": gbcs.encode(message).hex(), "outcome": outcome}
        self.lines.append({**entry, "signature_key": None, "mac_keys": None, "encrypted": self.encrypted(message)})

    def encrypted(self, message: Message) -> Any:
        """The encrypted parts as a corpus states them."""
        found = read(gbcs.encode(message), self.keys).sealed
        return [
            {
                "offset": message.payload.find(part.blob),
                "length": len(part.blob),
                "plaintext": (part.plaintext or b"").hex(),
            }
            for part in found
        ] or None

    def check(self) -> Tally:
        (self.folder / "made.jsonl").write_text("\n".join(map(json.dumps, self.lines)), encoding="utf-8")
        return check(load_entries(self.folder), self.keys, self.directory)


@pytest.fixture
def world(folder: Path) -> World:
    return World(folder)


def counts(tally: Tally) -> list[tuple[int, int]]:
    return [(one.valid, one.expected) for one in (tally.rebuilt, tally.executed, tally.answered)]


def reasons(tally: Tally) -> list[tuple[str, str]]:
    return [(failure.what, failure.reason) for failure in tally.failures]


def test_a_command_and_its_response(world: World) -> None:
    command = world.command("ECS42")
    world.put("ENABLE_COMMAND", command)
    world.put("ENABLE_RESPONSE", world.response(command))
    tally = world.check()
    assert reasons(tally) == []
    assert counts(tally) == [(1, 1), (1, 1), (1, 1)]


def test_without_a_reference_there_is_nothing_to_answer_for(world: World) -> None:
    world.put("ENABLE_COMMAND", world.command("ECS42"))
    assert counts(world.check()) == [(1, 1), (1, 1), (0, 0)]


@pytest.mark.parametrize("outcome", ["ERROR", ""])
def test_only_commands_that_the_corpus_says_succeed_are_executed(world: World, outcome: str) -> None:
    world.put("ENABLE_COMMAND", world.command("ECS42"), outcome)
    assert counts(world.check()) == [(1, 1), (0, 0), (0, 0)]


def test_a_pre_command_is_no_command(world: World) -> None:
    world.put("ENABLE_PRECOMMAND", world.command("ECS42")._replace(signature=None, mac=None))
    assert counts(world.check()) == [(0, 0), (0, 0), (0, 0)]


def test_a_response_of_another_shape_is_told(world: World) -> None:
    command = world.command("ECS45")
    world.put("READ_COMMAND", command)
    answer = world.response(command)
    body = cosem.decode(answer.payload)
    assert isinstance(body, cosem.AccessResponse)
    other = cosem.AccessResponse(body.invoke, b"", (), body.data, (cosem.Result(1, 3),) * len(body.results))
    z = world.store.agree(f"{SUPPLIER.hex()}-ka", world.directory.publics[f"{METER.hex()}-ka"])
    world.put("READ_RESPONSE", add_mac(answer._replace(payload=cosem.encode(other)), z))
    tally = world.check()
    assert counts(tally) == [(1, 1), (1, 1), (0, 1)]
    assert [what for what, _ in reasons(tally)] == ["answer"]


def test_of_responses_with_one_counter_the_one_of_the_same_name_counts(world: World) -> None:
    command = world.command("ECS42")
    stranger = world.response(command)._replace(payload=bytes.fromhex("da200003e8000001000103fa"))
    for name, response in (("OTHER_RESPONSE", stranger), ("ENABLE_RESPONSE", world.response(command))):
        key = f"{SUPPLIER.hex()}-ds"  # any key will do: nobody verifies it here
        world.put(name, sign(response, world.store, key))
    world.put("ENABLE_COMMAND", command)
    assert counts(world.check()) == [(1, 1), (1, 1), (1, 1)]


def test_a_command_that_the_device_refuses(world: World) -> None:
    command = world.command("ECS42")
    world.put("FORGED_COMMAND", command._replace(mac=bytes(12)))
    tally = world.check()
    assert counts(tally) == [(0, 1), (0, 1), (0, 0)]
    told = dict(reasons(tally))
    assert "refused by the check 'mac'" in told["execute"]
    assert "it differs from octet" in told["rebuild"]


def test_a_response_that_says_no_is_no_acknowledgement(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the device thinks that it did."""

    def last_result_bad(message: Message) -> Message:
        return message._replace(payload=message.payload[:-1] + b"\xfa")

    def made(*args: Any) -> Presupposed:
        device = device_for(*args)
        device.processor.settings = replace(device.processor.settings, before_protection=last_result_bad)
        return device

    monkeypatch.setattr(execute, "device_for", made)
    world.put("ENABLE_COMMAND", world.command("ECS42"))
    tally = world.check()
    assert counts(tally) == [(1, 1), (0, 1), (0, 0)]
    assert reasons(tally) == [("execute", "its response says 0xFA")]


def test_an_unknown_message_code(world: World) -> None:
    command = world.command("ECS42")._replace(message_code=0x7FFF, mac=None)
    world.put("NEW_COMMAND", sign(command, world.store, f"{SUPPLIER.hex()}-ds"))
    told = reasons(world.check())
    assert told == [(what, "message code 0x7FFF is not in the use-case table") for what in ("rebuild", "execute")]


def test_nothing_is_executed_without_a_directory(world: World, folder: Path) -> None:
    world.put("ENABLE_COMMAND", world.command("ECS42"))
    world.check()
    tally = check(load_entries(folder), world.keys)
    assert counts(tally) == [(1, 1), (0, 0), (0, 0)]


def test_nobody_knows_the_parties_where_no_certificates_are(world: World) -> None:
    world.put("ENABLE_COMMAND", world.command("ECS42"))
    world.directory = Directory(world.directory.publics)
    assert "refused by the check 'role'" in dict(reasons(world.check()))["execute"]


# -------------------------------------------------------------------------------------------------------- circumstances


SNAPSHOTS = {
    name: {"Earliest Start Time": 1, "Latest End Time": 0xFFFFFFFE} for name in ("GetSnapshot", "Get Prepay Snapshot")
}
_WHICH = {"Provider ID": 0, "Issuer Calendar ID": 0xFFFFFFFE}
CALENDAR = {
    "GetDayProfiles": {**_WHICH, "Start Day ID": 1, "Number of Days": 0},
    "GetWeekProfiles": {**_WHICH, "Start Week Id": 1, "Number of Weeks": 0},
    "GetSeasons": _WHICH,
    "GetSpecialDays": {**_WHICH, "Start Time": 0, "Number of Events": 0, "Calendar Type": 3},
}


@pytest.mark.parametrize(
    ("name", "kind", "device", "args", "circumstances"),
    [
        ("ECS21a", "ESME", METER, {}, Circumstances(elements=2)),
        ("GCS18", "GSME", GAS, {}, Circumstances(records=False)),
        ("GCS18", "GSME", GAS, {}, Circumstances()),
        *(
            ("GCS15c", "GSME", GAS, SNAPSHOTS, Circumstances(counts=(("snapshots", n), ("prepayment_snapshots", m))))
            for n, m in ((0, 3), (1, 12), (12, 0))
        ),
        ("GCS21b", "GSME", GAS, CALENDAR, Circumstances(counts=(("day_profiles", 5), ("week_profiles", 1)))),
    ],
)
def test_what_a_command_leaves_open_may_be_either_way(
    world: World, name: str, kind: str, device: bytes, args: dict[str, Any], circumstances: Circumstances
) -> None:
    """The same command to a meter with one element or two, with records or without: each answer is a right one."""
    assert circumstances in circumstances_of(use_case_named(name))
    command = world.command(name, device, **args)
    world.put("READ_COMMAND", command)
    world.put("READ_RESPONSE", world.response(command, kind, circumstances))
    world.put("ONLY_COMMAND", world.command("GCS32", GAS, **{"Change Supply": {"Issuer Event ID": 1}}), "ERROR")
    tally = world.check()
    assert reasons(tally) == []
    assert counts(tally)[1:] == [(1, 1), (1, 1)]


def test_what_a_command_says_is_not_open() -> None:
    assert circumstances_of(use_case_named("ECS42")) == (Circumstances(),)
    assert circumstances_of(use_case_named("GCS32")) == (Circumstances(),)

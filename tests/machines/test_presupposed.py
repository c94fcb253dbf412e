"""The state that a command presupposes: derived from the command, its rows and the certificates, for made messages."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from devices.machines.core import MachineError
from devices.machines.kinds import MACHINES, PROCESSORS
from devices.machines.parts.building import Envelope, command_message, protect_command, use_case_named
from devices.machines.parts.commands import CommandSettings
from devices.machines.parts.presupposed import Presupposed, device_for, kinds_of
from devices.model import use_cases
from devices.model.credentials import DEVICE_CELLS, Usage, cells_from_publics
from devices.model.roles import Role
from devices.trust import certificates
from devices.trust.authority import Authority
from devices.trust.directory import Directory
from devices.trust.keystore import MemoryKeyStore, generate, public_of, signing_key
from devices.trust.protection import signature_valid
from devices.wire import axdr, cosem, gbcs
from devices.wire.gbcs import CRA, Message
from rig.gbcs.reading import Keys, read
from tests.machines.told import of_kind

BROKER, SUPPLIER, RIVAL = (bytes.fromhex(text) for text in ("90b3000000000002", "90b3000000010000", "90b3000000030000"))
METER, HUB, GAS = (bytes.fromhex(text) for text in ("00db0000000000a0", "00db0000000000a2", "00db0000000000a1"))
START = datetime(2024, 1, 1, tzinfo=UTC)

ROLES = {BROKER: Role.ACCESS_CONTROL_BROKER, SUPPLIER: Role.SUPPLIER, RIVAL: Role.SUPPLIER}
USES = {"ds": certificates.Usage.DIGITAL_SIGNATURE, "ka": certificates.Usage.KEY_AGREEMENT}


def world() -> tuple[MemoryKeyStore, Directory]:
    """Parties with certificates, devices of which only the public keys are known."""
    rng, authority = random.Random(3), Authority(random.Random(4), START)
    scalars = {f"{who.hex()}-{use}": generate(rng) for who in (*ROLES, METER, HUB, GAS) for use in USES}
    publics = {name: public_of(scalar) for name, scalar in scalars.items()}
    issued = {
        f"{who.hex()}-{use}": authority.organisation(who, role, usage, publics[f"{who.hex()}-{use}"])
        for who, role in ROLES.items()
        for use, usage in USES.items()
    }
    ours = {name: scalar for name, scalar in scalars.items() if name.partition("-")[0] in {w.hex() for w in ROLES}}
    return MemoryKeyStore(ours, publics), Directory(publics, issued)


KEYS, DIRECTORY = world()


def command(
    name: str, args: dict[str, Any] | None = None, originator: bytes = SUPPLIER, device: bytes = METER, **more: Any
) -> Message:
    use_case = use_case_named(name)
    envelope = Envelope(originator, device, more.pop("counter", 1000), **more)
    return protect_command(command_message(use_case, args or {}, envelope), use_case, KEYS, BROKER)


def device(message: Message, kind: str = "ESME") -> Presupposed:
    return device_for(message, KEYS, DIRECTORY, kind)


@pytest.mark.parametrize("name", ["ECS42", "ECS45", "ECS17b", "ECS35a"])
def test_a_command_is_carried_out_once_by_its_device(name: str) -> None:
    message = command(name, {"from": 0, "to": 9} if name == "ECS35a" else {})
    meter = device(message)
    outcome = meter.receive(gbcs.encode(message))
    assert outcome.refused is None
    assert outcome.executed
    again = meter.receive(gbcs.encode(message))
    assert (again.refused is not None) == bool(outcome.use_case and outcome.use_case.replay_protected)


def test_the_floor_lies_just_below_the_counter() -> None:
    message = command("ECS42", counter=1000)
    earlier = device(message).receive(gbcs.encode(command("ECS42", counter=999)))
    assert earlier.refused is not None
    assert earlier.refused.check == "replay"


def test_the_device_signs_with_a_key_of_its_own_that_is_always_the_same() -> None:
    message = command("ECS42")
    responses = []
    for _ in range(2):
        meter = device(message)
        response = meter.receive(gbcs.encode(message)).response
        assert response is not None
        decoded = gbcs.decode(response)
        assert signature_valid(decoded, meter.processor.keys.public(signing_key(METER)))
        assert not signature_valid(decoded, DIRECTORY.publics[signing_key(METER)])
        responses.append(response)
    assert responses[0] == responses[1]


def test_a_published_signing_key_is_used() -> None:
    name = signing_key(METER)
    known = KEYS.merged(MemoryKeyStore({name: 77}, {}))
    message = command("ECS42")
    meter = device_for(message, known, DIRECTORY, "ESME")
    assert meter.processor.keys.public(name) == public_of(77)


def test_whoever_sends_plays_his_role_and_a_stranger_does_not() -> None:
    assert device(command("ECS42", originator=RIVAL)).processor.cells.party_of(Role.SUPPLIER) == RIVAL
    assert device(command("ECS42")).processor.cells.party_of(Role.SUPPLIER) == SUPPLIER
    certificate = DIRECTORY.certificates[f"{SUPPLIER.hex()}-ka"]
    unknown = command("ECS21b", originator=BROKER, on_behalf=SUPPLIER, on_behalf_counter=7, certificate=certificate)
    meter = device(unknown)
    assert meter.processor.cells.party_of(Role.SUPPLIER) == RIVAL
    outcome = meter.receive(gbcs.encode(unknown))
    assert outcome.executed
    assert outcome.response is not None


@pytest.mark.parametrize("user", [SUPPLIER, RIVAL])
def test_an_answer_is_sealed_for_the_user_whom_the_broker_names_without_a_certificate(user: bytes) -> None:
    message = command("ECS21b", originator=BROKER, on_behalf=user, on_behalf_counter=7)
    meter = device(message)
    assert meter.processor.cells.party_of(Role.SUPPLIER) == user
    response = meter.receive(gbcs.encode(message)).response
    assert response is not None
    (part, *_) = read(response, Keys(KEYS, BROKER)).sealed
    assert (part.fault, part.plaintext is None) == ("", False)


def test_a_user_whom_the_device_does_not_know_gets_nothing_sealed() -> None:
    message = command("ECS21b", originator=BROKER, on_behalf=bytes(8), on_behalf_counter=7)
    outcome = device(message).receive(gbcs.encode(message))
    assert outcome.response is None
    (fields,) = of_kind(outcome.effects, "response.unsendable")
    assert "no key agreement key of 0000000000000000" in fields["reason"]


READS_OF_LOGS = [("CCS05/CCS04", "CHF", HUB, 1), ("CCS06", "CHF", HUB, 1), ("CCS07", "CHF", HUB, 2)]


@pytest.mark.parametrize(("name", "kind", "eui", "lists"), READS_OF_LOGS)
def test_a_log_that_is_read_is_not_empty(name: str, kind: str, eui: bytes, lists: int) -> None:
    message = command(name, originator=BROKER, device=eui)
    response = device(message, kind).receive(gbcs.encode(message)).response
    assert response is not None
    body = cosem.decode(gbcs.decode(response).payload)
    assert isinstance(body, cosem.AccessResponse)
    rows = [one.value if one.tag == axdr.Tag.ARRAY else one.value[2].value for one in body.data if one.value]
    assert [len(found) for found in rows] == [1] * lists


def test_the_clock_lies_in_the_window_that_the_command_names() -> None:
    window = {"start": "2031-05-01T00:00:00Z", "end": "2031-05-03T00:00:00Z"}
    message = command("ECS70", window)
    meter = device(message)
    assert meter.civil.text == "2031-05-02T00:00:00Z"
    assert meter.receive(gbcs.encode(message)).results == (0, 0, 0, 0, 0)
    gas = command("GCS28", window, device=GAS)
    if "GSME" in MACHINES:
        assert device(gas, "GSME").civil.text == "2031-05-02T00:00:00Z"


def test_the_clock_lies_within_the_certificates() -> None:
    meter = device(command("ECS42"))
    assert meter.civil.text == "2024-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("time", "civil"),
    [("2023-05-05T00:00:00Z", "2023-05-04T00:00:00Z"), ("2030-05-05T00:00:00Z", "2024-01-02T00:00:00Z")],
)
def test_what_is_dated_is_waited_for(time: str, civil: str) -> None:
    message = command("CS06", {"image_hash": bytes(32).hex(), "counter": 1000, "execution_time": time})
    meter = device(message)
    assert meter.civil.text == civil
    response = meter.receive(gbcs.encode(message)).response
    assert response is not None
    assert gbcs.decode(response).payload == b"\x05\x00"  # NULL: it will be activated


def test_what_a_command_takes_away_is_there() -> None:
    message = command("CCS02", {"device": METER.hex()}, BROKER, HUB)
    outcome = device(message, "CHF").receive(gbcs.encode(message))
    assert outcome.executed
    assert outcome.results == (0,)
    assert isinstance(cosem.decode(gbcs.decode(outcome.response or b"").payload), cosem.AccessResponse)


def test_the_kind_is_the_one_that_all_messages_fit() -> None:
    """ESME by a command for meters alone; the hub because nothing else takes CCS02; the other by what is left."""
    messages = [
        command("ECS42"),
        command("ECS52"),
        command("CCS02", {"device": METER.hex()}, BROKER, HUB),
        Message(CRA.ALERT, 1, HUB, BROKER, 0x0018, b"\x0f"),
        Message(CRA.COMMAND, 1, SUPPLIER, GAS, 0x7FFF, b""),
    ]
    assert kinds_of(messages) == {METER: ("ESME",), HUB: ("CHF",)}


def test_a_kind_that_is_already_another_device_comes_last() -> None:
    commands = [one for one in use_cases.all_use_cases() if one.protection["command"]]
    both = next(one for one in commands if set(one.devices) == {"HCALCS", "PPMID"})
    alone = next(one for one in use_cases.all_use_cases() if one.devices == ("PPMID",))
    messages = [
        Message(CRA.ALERT, 1, GAS, SUPPLIER, alone.code, b""),
        Message(CRA.COMMAND, 1, SUPPLIER, METER, both.code, b""),
    ]
    assert kinds_of(messages) == {GAS: ("PPMID",), METER: ("HCALCS", "PPMID")}


@pytest.mark.parametrize("kind", ["", "IHD", "toaster"])
def test_nobody_builds_such_a_device(kind: str) -> None:
    with pytest.raises(MachineError, match="no device of this kind"):
        device(command("ECS42"), kind)


def test_an_unknown_message_code_presupposes_nothing() -> None:
    with pytest.raises(MachineError, match="0x7FFF is not in the use-case table"):
        device(Message(CRA.COMMAND, 1, SUPPLIER, METER, 0x7FFF, b""))


@pytest.mark.parametrize("kind", sorted(MACHINES))
def test_every_kind_is_built_from_its_parts(kind: str) -> None:
    publics = {**DIRECTORY.publics}
    cells = cells_from_publics(kind, {role: who for who, role in ROLES.items()}, publics)
    processor = PROCESSORS[kind](METER, KEYS, cells, CommandSettings())
    assert processor.device == kind
    assert kind in DEVICE_CELLS
    assert processor.cells.get(Role.ACCESS_CONTROL_BROKER, Usage.KEY_AGREEMENT) is not None

"""The auxiliary load control switch: a device of ASN.1 commands alone, and what it makes of any other."""

from __future__ import annotations

from devices.machines.core import NetworkUp, Send
from devices.machines.hcalcs import Hcalcs, HcalcsSettings
from devices.machines.parts.commands import CommandContext
from devices.model import use_cases
from devices.model.credentials import cells_from_publics
from devices.model.hcalcs_objects import hcalcs_objects
from devices.wire import axdr
from tests.machines.meter_bench import HUB, KEYS, METER, PARTIES, Bench, command, notification_of

CODE = bytes(range(16))


def _bench(**given: object) -> Bench:
    cells = cells_from_publics("HCALCS", PARTIES, {name: KEYS.public(name) for name in KEYS.names})
    bench = Bench(meter=Hcalcs(METER, KEYS, cells, **given))  # type: ignore[arg-type]
    bench.meter.out.line_up = True
    return bench


def test_no_command_touches_a_cosem_object() -> None:
    commands = [u for u in use_cases.all_use_cases() if "HCALCS" in u.devices and u.protection["command"]]
    assert commands
    assert not any(u.dlms for u in commands)
    assert hcalcs_objects() == ()


def test_handlers_carry_out_its_commands() -> None:
    payload = bytes.fromhex("3010020101040800db000000000002020101")

    def join(got: bytes, context: CommandContext) -> bytes:
        assert context.use_case.use_case == "CS03A2"
        assert got == payload
        return bytes.fromhex("020100")

    bench = _bench(handlers={use_cases.by_name("CS03A2").code: join})
    (response,) = bench.line(command("CS03A2", 1, payload=payload))
    assert (response.message_code, response.payload) == (0x00AB, bytes.fromhex("020100"))
    assert response.signature


def test_commands_of_meters_are_not_its_own() -> None:
    bench = _bench()
    (alert,) = bench.line(command("ECS42", 1, axdr.u16(51)))
    assert notification_of(alert)[0] == 0x8F85
    assert [entry[1] for entry in bench.state()["logs"]["security"]] == [0x8F85]


def test_it_joins_and_says_so_once() -> None:
    bench = _bench(settings=HcalcsSettings(install_code=CODE))
    assert [type(e).__name__ for e in bench.effects][:1] == ["JoinNetwork"]
    for _ in range(2):
        bench.give(NetworkUp("han", HUB, 0x1A62, 15))
    joined = [e for e in bench.effects if isinstance(e, Send)]
    assert len(joined) == 1
    assert bench.state()["once"] == ["joined"]

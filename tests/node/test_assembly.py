"""The assembly: what the bench file names is put together, and what cannot be is said before anything runs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.machines.comms_hub import CommsHub
from devices.machines.esme import Esme
from devices.machines.faults import FAULTS, FAULTY
from devices.machines.gpf import Gpf
from devices.machines.gsme import Gsme
from devices.machines.hht import HandHeldTerminal
from devices.machines.parts.joining import PeerType
from rig.node import assembly, bench_file, radios
from rig.node.assembly import MACHINES, Premises
from rig.node.bench_file import Bench, BenchFileError
from rig.node.recorder import Recorder
from rig.ports.han_xbee import XBeeHanConfig
from rig.ports.protocols import PortMissing
from rig.world.clock import VirtualClock
from tests.examples import examples
from tests.node.benches import VIRTUAL, bench

SECOND = 1_000_000_000
BENCHES = sorted(VIRTUAL.parent.glob("*.yaml"))
DEVICES = {"ESME": "esme", "GSME": "gsme", "CHF": "hub", "HHT": "hht"}


def built(told: Bench) -> Premises:
    clock = VirtualClock()
    return assembly.build(told, clock, Recorder(clock, told.civil_start, None))


def needs_nothing(path: Path) -> bool:
    """Whether a bench runs here: no hardware, and no other process for one of its devices."""
    told = bench(path=path)
    ports = [port for device in told.devices.values() for port in device.ports.values()]
    return told.clock == "virtual" and not any(port.driver == "line" for port in ports)


@pytest.mark.parametrize("path", [path for path in BENCHES if needs_nothing(path)], ids=lambda path: path.stem)
def test_every_shipped_virtual_bench_is_put_together_and_starts(path: Path) -> None:
    premises = built(bench(path=path))
    premises.start()
    assert premises.world is not None
    premises.world.clock.advance(30 * SECOND)
    assert set(premises.hosts) == set(premises.bench.devices)
    assert all(host.powered for host in premises.hosts.values())
    premises.close()


def test_every_kind_of_device_has_its_row_and_every_row_makes_a_machine() -> None:
    told = bench()
    for device in told.devices.values():
        machine = assembly.maker(told, device)()
        assert machine is not assembly.maker(told, device)()
    assert {device.kind for device in told.devices.values()} == set(MACHINES)


def test_gas_meter_and_proxy_of_one_house_are_in_each_others_device_log_unless_set_otherwise() -> None:
    """As commissioning leaves them (CS03B), facts/gbcs.md 8.3: without it the meter reports nothing."""

    def log(name: str, told: Bench) -> list[tuple[bytes, int]]:
        machine = assembly.maker(told, told.devices[name])()
        assert isinstance(machine, Gsme | Gpf)
        return [(one.device, one.device_type) for one in machine.processor.asn1.log]

    told = bench()
    assert log("gsme", told) == [(told.devices["gpf"].eui, PeerType.GPF)]
    assert log("gpf", told) == [(told.devices["gsme"].eui, PeerType.GSME)]
    alone: dict[str, Any] = {"commands": {"asn1": {"joining": {"partners": {}}}}}
    assert log("gsme", bench({"devices": {"gsme": {"settings": alone}}})) == []


@pytest.mark.parametrize(("fault", "endpoint", "leaves"), [
    (None, 219, 219), ("accepts-replays", 9, 9), ("answers-on-another-endpoint", 9, 10),
    ("answers-on-another-endpoint", 219, 1),
])  # fmt: skip
def test_a_faulty_radio_sends_from_another_endpoint_that_a_device_may_have(
    monkeypatch: pytest.MonkeyPatch, fault: str | None, endpoint: int, leaves: int
) -> None:
    made: dict[bytes, int | None] = {}

    def config(own: bytes, *args: Any, **rest: Any) -> XBeeHanConfig:
        made[own] = rest["sends_from"]
        return XBeeHanConfig(own, *args, **rest)

    monkeypatch.setattr(radios, "XBeeHanConfig", config)
    told = bench({"devices": {"esme": {"fault": fault, "ports": {"han": {"endpoint": endpoint}}}}})
    built(told)
    assert made[told.devices["esme"].eui] == leaves
    assert made[told.devices["hub"].eui] == told.devices["hub"].ports["han"].endpoint


@pytest.mark.parametrize(("kind", "name"), sorted(FAULTS))
def test_the_bench_file_takes_every_fault_that_there_is(kind: str, name: str) -> None:
    device = DEVICES[kind]
    premises = built(bench({"devices": {device: {"fault": name}}}))
    premises.start()
    assert premises.hosts[device].powered
    faulty, good = (assembly.maker(told, told.devices[device])() for told in (premises.bench, bench()))
    if FAULTS[kind, name].endpoints_off:
        assert type(faulty) is type(good)  # it is its radio that differs: tests/ports
    elif isinstance(faulty, CommsHub | HandHeldTerminal):
        assert faulty.settings.faults == {name}
    elif isinstance(faulty, Gsme):
        assert isinstance(good, Gsme)
        assert faulty.settings.valve != good.settings.valve
    else:
        assert isinstance(faulty, Esme)
        assert isinstance(good, Esme)
        assert (faulty.settings, faulty.policy) != (good.settings, good.policy)
    premises.close()


def test_every_kind_with_faults_of_its_own_is_known_here() -> None:
    assert {FAULTY[kind] for kind in FAULTY} == {kind for kind, _ in FAULTS}
    assert set(FAULTY) <= set(MACHINES)


@pytest.mark.parametrize(
    ("device", "fault", "said"),
    [
        ("esme", "accepts-replay", "devices.esme.fault: expected a fault of a device of kind esme (accepts-replays, "),
        ("esme", "firewall-open", "devices.esme.fault: expected a fault of a device of kind esme (accepts-replays, "),
        (
            "hub",
            "accepts-replays",
            "devices.hub.fault: expected a fault of a device of kind comms_hub (window-never-closes, ",
        ),
        (
            "supplier",
            "greedy",
            "devices.supplier.fault: expected a fault of a device of kind supplier (none is defined), got 'greedy'",
        ),
        (
            "hht",
            "dropped",
            "devices.hht.fault: expected a fault of a device of kind hht (lists-its-orders, answered-when-sent)",
        ),
    ],
)
def test_an_unknown_fault_is_answered_with_those_there_are(device: str, fault: str, said: str) -> None:
    with pytest.raises(BenchFileError) as caught:
        built(bench({"devices": {device: {"fault": fault}}}))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ({"devices": {"esme": {"kind": "fridge"}}}, "devices.esme.kind: expected one of supplier, network_operator, "),
        (
            {"devices": {"hub": {"ports": {"wan": {"driver": "pigeon"}}}}},
            "devices.hub.ports.wan.driver: expected one of gateway, wan, ",
        ),
        ({"devices": {"hub": {"ports": {"han": {"url": "/dev/ttyUSB0x"}}}}}, "ttyUSB0x"),
        (
            {"devices": {"esme": {"settings": {"supplly": "on"}}}},
            "devices.esme.settings.supplly: expected a setting of this device (",
        ),
        (
            {"devices": {"esme": {"settings": {"firmware": "00"}}}},
            "devices.esme.settings: expected a firmware version has 4 octets",
        ),
        ({"parties": {"milkman": "supplier"}}, "parties: expected roles among "),
        ({"parties": None}, "parties: expected an access_control_broker behind the WAN, got 'none'"),
        (
            {"devices": {"hub": {"ports": {"wan": {"url": "udp://h:1"}}}}},
            "devices.hub.ports.wan.url: expected an address such as tcp://192.0.2.1:47000, or nothing, got 'udp://h:1'",
        ),
        ({"devices": {"hub": {"ports": {"wan": {"url": "tcp://:1"}}}}}, "ports.wan.url: expected an address such as"),
        ({"devices": {"hub": {"ports": {"wan": {"url": "tcp://h"}}}}}, "ports.wan.url: expected an address such as"),
        ({"devices": {"hub": {"ports": {"wan": {"url": "tcp://h:x"}}}}}, "ports.wan.url: expected an address such as"),
        (
            {"supplies": {"more": {"node": "bench", "driver": "switched", "instrument": "load"}}},
            "supplies.more.output: expected the GPIO that switches it, got 'nothing'",
        ),
        (
            {"supplies": {"more": {"node": "bench", "driver": "switched", "output": 5}}},
            "supplies.more.instrument: expected one of load, flow, got None",
        ),
        (
            {"devices": {"esme": {"settings": {"eui": "00"}}}},
            "devices.esme.settings.eui: expected it beside the settings ({0}.devices.esme.eui), got 'eui'",
        ),
        (
            {"devices": {"hub": {"settings": {"faults": []}}}},
            "devices.hub.settings.faults: expected it beside the settings ({0}.devices.hub.fault), got 'faults'",
        ),
        (
            {"devices": {"ihd": {"ports": {"tap": {"driver": "internal"}}}}},
            "ihd.ports.tap: expected a port of a hub or of the gas proxy behind it (proxy, line, tap), got 'tap'",
        ),
        (
            {"devices": {"hub": {"ports": {"side": {"driver": "internal"}}}}},
            "hub.ports.side: expected a port of a hub or of the gas proxy behind it (proxy, line, tap), got 'si",
        ),
        (
            {"devices": {"hub": {"ports": {"wan": {"driver": "pigeon"}}}}},
            "wan.driver: expected one of gateway, wan, internal, ",
        ),
        ({"trust": {"domain": "vendor"}}, "trust.domain: expected rig or published, got 'vendor'"),
        (
            {"contactors": {"main": {"bounce_ms": [1]}}},
            "expected parts that can be put together, got 'bounce_ns holds pairs",
        ),
    ],
)
def test_what_cannot_be_put_together_is_said_before_anything_runs(overlay: dict[str, Any], said: str) -> None:
    with pytest.raises((BenchFileError, PortMissing)) as caught:
        built(bench(overlay))
    assert said.replace("{0}", str(VIRTUAL)) in str(caught.value)


WHOLE = yaml.safe_load(VIRTUAL.read_text(encoding="utf-8"))
PARTS = ("devices", "supplies", "contactors", "instruments")
LEAVES: list[tuple[str, ...]] = [
    (part, name, key) for part in PARTS for name, told in WHOLE[part].items() for key in told
]
LEAVES += [
    ("devices", name, "ports", port, key)
    for name, told in WHOLE["devices"].items()
    for port, inner in told["ports"].items()
    for key in inner
]


@settings(max_examples=examples(25), deadline=None)
@given(place=st.sampled_from(LEAVES), value=st.sampled_from([None, 0, 7, 1e9, "x", [], {}, [1.0], {"x": 1}, True]))
def test_a_mutated_bench_is_put_together_or_is_a_bench_file_error(place: tuple[str, ...], value: Any) -> None:
    told = copy.deepcopy(WHOLE)
    section = told
    for key in place[:-1]:
        section = section[key]
    section[place[-1]] = value
    try:
        premises = built(bench_file.from_value(told, str(VIRTUAL)))
    except (BenchFileError, PortMissing):  # a path that is no serial device is for the bench to find out
        return
    premises.close()


def test_what_was_opened_is_given_back_when_the_rest_cannot_be_put_together() -> None:
    """Here the process of another device and its pseudo terminal, which outlive nothing."""
    clock = VirtualClock()
    path = VIRTUAL.with_name("line.yaml")
    told = bench({"devices": {"broker": {"ports": {"wan": {"driver": "pigeon"}}}}}, path)
    with pytest.raises(BenchFileError, match="driver"):
        assembly.build(told, clock, Recorder(clock, told.civil_start, None))
    assert clock.attached == 0


def test_ledgers_and_stores_live_where_the_file_says(tmp_path: Path) -> None:
    told = bench({"trust": {"ledgers": str(tmp_path / "l"), "stores": str(tmp_path / "s")}})
    supplier = told.devices["supplier"].eui
    counters = []
    for _ in range(2):  # two runs
        premises = built(told)
        premises.start()
        counters.append(premises.hosts["supplier"].ask("take_counter", {})["counter"])
        assert premises.world is not None
        premises.world.clock.advance(SECOND)
        premises.world.supplies["mains"].switch(False)  # a device without power has kept what it must
        premises.world.clock.advance(2 * SECOND)
        premises.close()
    assert counters == [1, 2]
    assert (tmp_path / "l" / f"{supplier.hex()}.json").is_file()
    assert (tmp_path / "s" / f"{told.devices['esme'].eui.hex()}.journal").is_file()


@pytest.mark.parametrize(("key", "who", "ending"), [("ledgers", "supplier", "json"), ("stores", "esme", "journal")])
def test_a_damaged_ledger_or_store_is_said_with_what_to_do_before_anything_runs(
    tmp_path: Path, key: str, who: str, ending: str
) -> None:
    told = bench({"trust": {key: str(tmp_path)}})
    path = tmp_path / f"{told.devices[who].eui.hex()}.{ending}"
    path.write_text("{")
    with pytest.raises(BenchFileError) as caught:
        built(told)
    assert str(path) in str(caught.value)
    assert "delete it" in str(caught.value) or "restore it from a copy" in str(caught.value)


def test_safe_disarms_every_output_and_a_closed_bench_can_be_closed_again() -> None:
    premises = built(bench({"contactors": {"main": {"closed": False}}}))
    premises.start()
    premises.safe()
    assert all(not output.level and not output.armed for bank in premises.banks.values() for output in bank.outputs)
    premises.close()


def test_equal_seeds_give_equal_time_lines() -> None:
    lines: list[list[dict[str, Any]]] = []
    for _ in range(2):
        clock = VirtualClock()
        events: list[dict[str, Any]] = []
        told = bench()
        recorder = Recorder(clock, told.civil_start, None)
        recorder.listen(events.append)
        premises = assembly.build(told, clock, recorder)
        premises.start()
        clock.advance(60 * SECOND)
        premises.close()
        lines.append(events)
    assert lines[0] == lines[1]
    assert len(lines[0]) > 10

"""Each faulty device shows its fault in a conversation in which the good one does right, and nothing else differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from devices.machines import comms_hub, faults, hht
from devices.machines.comms_hub import CommsHub, HubSettings
from devices.machines.core import ButtonPressed, LinkChanged
from devices.machines.esme import Esme, EsmePolicy, EsmeSettings
from devices.machines.gsme import GsmeSettings
from devices.machines.parts.valve import ValveEvent, ValveSettings, ValveState
from devices.model.credentials import CredentialCells, cells_from_publics
from devices.wire import gbcs
from tests.machines.meter_bench import (
    HUB,
    KEYS,
    METER,
    OPERATOR,
    OTHER_METER,
    PARTIES,
    SECOND,
    SUPPLIER,
    Bench,
    cells,
    command,
    notification_of,
    response_of,
    script,
)


def _twice(bench: Bench) -> object:
    bench.line(script(52, 10))
    return len(bench.line(script(52, 10)))


def _reported(bench: Bench) -> object:
    return response_of(bench.line(command("ECS45", 1))[0]).data[0].value


def _after_cut(bench: Bench) -> object:
    bench.line(script(52, 10))
    bench.cut(60 * SECOND)
    return len(bench.line(script(51, 10)))


def _for_another(bench: Bench) -> object:
    return len(bench.line(script(52, 10, recipient=OTHER_METER)))


def _forged(bench: Bench) -> object:
    return len(bench.line(script(52, 10, signer=OPERATOR)))


def _mac_of_another(bench: Bench) -> object:
    return len(bench.line(script(52, 10, broker=SUPPLIER)))


def _altered(bench: Bench) -> object:
    octets = bytearray(script(52, 10))
    octets[octets.rindex(b"\x12\x00\x34") + 2] = 51
    bench.line(bytes(octets))
    return len(bench.kinds("executed"))


def _by_operator(bench: Bench) -> object:
    return len(bench.line(script(52, 10, originator=OPERATOR)))


def _armed(bench: Bench) -> object:
    bench.line(script(52, 10))
    bench.advance(SECOND)
    bench.line(script(54, 11))
    return bench.pins["contactor_set"], bench.supply()


def _button(bench: Bench) -> object:
    bench.line(script(52, 10))
    bench.line(script(54, 11))
    bench.give(ButtonPressed("B", 3 * SECOND))
    return bench.supply()


def _long_outage(bench: Bench) -> object:
    bench.cut(200 * SECOND)
    return [entry[1] for entry in bench.state()["logs"]["power"] if entry[1] != 0x8F57]  # but for the interruption


def _off_over_outage(bench: Bench) -> object:
    bench.line(script(52, 10))
    bench.cut(60 * SECOND)
    return bench.supply(), bench.pins.get("contactor_set", False)


def _counter(bench: Bench) -> object:
    return bench.line(command("ECS45", 700))[0].counter


def _on_again(bench: Bench) -> object:
    bench.line(script(52, 10))
    bench.advance(SECOND)
    bench.line(script(51, 11))
    return bench.pins["contactor_set"], bench.supply()


def _pulses(bench: Bench) -> object:
    bench.advance(3 * SECOND)  # past what it drives when it starts
    before = len(bench.kinds("contactor.drive"))
    bench.line(script(52, 10))
    bench.advance(3 * SECOND)
    return len(bench.kinds("contactor.drive")) - before


def _answers_to_arming(bench: Bench) -> object:
    return len(bench.line(script(54, 10)))


def _true_after_forged(bench: Bench) -> object:
    octets = bytearray(script(51, 10))
    octets[octets.rindex(b"\x12\x00\x33") + 2] = 52
    bench.line(bytes(octets))
    bench.line(script(51, 10))
    return len(bench.kinds("executed"))


CASES: dict[str, tuple[Callable[[Bench], object], object, object]] = {
    "accepts-replays": (_twice, 0, 1),
    "reports-off-when-on": (_reported, 1, 0),
    "forgets-counters-over-power-cut": (_after_cut, 0, 1),
    "answers-for-another": (_for_another, 0, 1),
    "skips-signature-check": (_forged, 0, 1),
    "skips-mac-check": (_mac_of_another, 0, 1),
    "ignores-role": (_by_operator, 0, 1),
    "closes-when-armed": (_armed, (False, "armed"), (True, "armed")),
    "stays-armed-after-button": (_button, "enabled", "armed"),
    "wrong-outage-code": (_long_outage, [0x8F36], [0x8F35]),
    "loses-supply-state-over-outage": (_off_over_outage, ("disabled", False), ("enabled", True)),
    "responds-with-stale-counter": (_counter, 700, 699),
    "moves-nothing": (_on_again, (True, "enabled"), (False, "enabled")),
    "drives-twice": (_pulses, 1, 2),
    "arms-without-a-word": (_answers_to_arming, 1, 0),
    "accepts-tampered": (_altered, 0, 1),
    "counts-forgeries": (_true_after_forged, 1, 0),
}


def _faulty(name: str) -> Bench:
    return Bench(meter=cast(Esme, faults.make_faulty("ESME", name, keys=KEYS, cells=cells(), identity=METER)))


@pytest.mark.parametrize("name", CASES)
def test_the_good_meter_and_the_faulty_one_differ(name: str) -> None:
    conversation, good, faulty = CASES[name]
    assert conversation(Bench()) == good
    assert conversation(_faulty(name)) == faulty


def test_every_fault_of_a_meter_is_shown() -> None:
    assert set(CASES) == {name for name in faults.names("ESME") if not faults.fault("ESME", name).endpoints_off}


@pytest.mark.parametrize("name", CASES)
def test_a_faulty_meter_still_does_its_work(name: str) -> None:
    bench = _faulty(name)
    assert len(bench.line(script(52, 10))) == 1
    assert bench.supply() == "disabled"


def test_the_faults_of_a_hub_are_those_that_it_knows() -> None:
    assert set(faults.names("CHF")) == set(comms_hub.FAULTS)


def test_a_faulty_hub_is_the_hub_with_a_name_in_its_settings() -> None:
    hub_cells: CredentialCells = cells_from_publics("CHF", PARTIES, {})
    for name in faults.names("CHF"):
        hub = faults.make_faulty("CHF", name, keys=KEYS, cells=hub_cells, identity=HUB)
        assert isinstance(hub, CommsHub)
        assert hub.settings.faults == {name}


def test_the_faults_of_a_terminal_are_those_that_it_knows() -> None:
    assert set(faults.names("HHT")) == hht.FAULTS
    for name in faults.names("HHT"):
        terminal = faults.make_faulty("HHT", name, keys=KEYS, cells=cells(), identity=METER)
        assert isinstance(terminal, hht.HandHeldTerminal)
        assert terminal.settings.faults == {name}
    with pytest.raises(ValueError, match="choose among"):
        hht.HhtSettings(METER, faults=frozenset({"none-such"}))


def test_every_fault_says_what_it_does_and_what_it_breaks() -> None:
    for entry in faults.FAULTS.values():
        assert entry.doc
        assert entry.requirement.partition("-")[2].isdigit()


def test_wrong_names_and_settings_are_refused_with_the_right_ones() -> None:
    with pytest.raises(ValueError, match="choose among: accepts-replays"):
        faults.make_faulty("ESME", "firewall-open", keys=KEYS, cells=cells(), identity=METER)
    with pytest.raises(ValueError, match="none for this kind"):
        faults.fault("PPMID", "accepts-replays")
    with pytest.raises(ValueError, match="needs EsmeSettings"):
        faults.make_faulty(
            "ESME", "accepts-replays", keys=KEYS, cells=cells(), identity=METER, settings=HubSettings(eui=HUB)
        )
    with pytest.raises(ValueError, match="needs GsmeSettings"):
        faults.make_faulty("GSME", "opens-unarmed", keys=KEYS, cells=cells(), identity=METER, settings=EsmeSettings())
    with pytest.raises(ValueError, match="needs HubSettings"):
        faults.make_faulty("CHF", "firewall-open", keys=KEYS, cells=cells(), identity=HUB, settings=EsmeSettings())


def test_the_alert_of_the_outage_names_the_wrong_code_too() -> None:
    bench = _faulty("wrong-outage-code")
    bench.give(LinkChanged("line", True))
    bench.cut(200 * SECOND)
    bench.give(LinkChanged("line", True))
    assert notification_of(gbcs.decode(bench.sent[-1]))[0] == 0x8F35


DELIVERED = [
    ("ESME", EsmeSettings(button="B"), lambda made: made.settings.button),
    ("GSME", GsmeSettings(button="B"), lambda made: made.settings.button),
    ("CHF", HubSettings(eui=METER, wan_queue=7), lambda made: made.settings.wan_queue),
    ("HHT", hht.HhtSettings(eui=METER, capacity=7), lambda made: made.settings.capacity),
]


@pytest.mark.parametrize(("device", "settings", "read"), DELIVERED, ids=[row[0] for row in DELIVERED])
def test_a_faulty_device_has_the_settings_of_the_good_one(
    device: str, settings: Any, read: Callable[[Any], object]
) -> None:
    """But for its fault; the identity is the one given, whatever the settings say."""
    for name in faults.names(device):
        made: Any = faults.make_faulty(device, name, HUB, KEYS, cells(), settings)
        assert read(made) == read(type("Good", (), {"settings": settings}))
        assert HUB in (getattr(made, "identity", None), getattr(made.settings, "eui", None))
        assert faults.make_faulty(device, name, HUB, KEYS, cells()) is not None


def test_several_faults_of_a_hub_add_up() -> None:
    settings = HubSettings(eui=HUB, faults=frozenset({"firewall-open"}))
    made: Any = faults.make_faulty("CHF", "claims-tunnels", HUB, KEYS, cells(), settings)
    assert made.settings.faults == {"firewall-open", "claims-tunnels"}
    terminal = hht.HhtSettings(eui=HUB, faults=frozenset({"lists-its-orders"}))
    made = faults.make_faulty("HHT", "answered-when-sent", HUB, KEYS, cells(), terminal)
    assert made.settings.faults == {"lists-its-orders", "answered-when-sent"}


def gas(name: str) -> Any:
    made: Any = faults.make_faulty("GSME", name, METER, KEYS, cells())
    return made.settings.valve


def test_a_faulty_gas_meter_differs_in_its_valve_alone() -> None:
    good = ValveSettings()
    afar = {(ValveState.OFF, ValveEvent.ARM): ValveState.ON}
    unarmed = {(ValveState.OFF, ValveEvent.LOCAL_ENABLE): ValveState.ON}
    assert gas("opens-from-afar") == replace(good, transitions={**good.transitions, **afar})
    assert gas("opens-unarmed") == replace(good, transitions={**good.transitions, **unarmed})
    assert gas("skips-flow-check") == replace(good, flow_check=False)
    assert gas("tells-no-flow") == replace(good, flow_told=0)
    assert good.transitions.get((ValveState.OFF, ValveEvent.ARM)) is not ValveState.ON


REQUIREMENTS = {
    "ESME": (
        "accepts-replays HHT-2, reports-off-when-on CV-1, forgets-counters-over-power-cut OU-2, "
        "answers-for-another HHT-17, skips-signature-check SA-9, skips-mac-check SA-9, ignores-role SA-10, "
        "closes-when-armed CV-1, stays-armed-after-button CV-1, wrong-outage-code OU-1, "
        "loses-supply-state-over-outage OU-2, responds-with-stale-counter HHT-10, arms-without-a-word CV-1, "
        "moves-nothing CV-1, drives-twice CV-1, answers-on-another-endpoint IM-7, accepts-tampered SA-9, "
        "counts-forgeries SA-9"
    ),
    "GSME": "opens-from-afar CV-2, opens-unarmed CV-2, skips-flow-check CV-2, tells-no-flow CV-2",
    "CHF": (
        "window-never-closes HHT-6, window-not-kept-alive HHT-6, firewall-open HHT-1, leaks-dropped-frames HHT-1, "
        "forwards-for-unknown HHT-1, claims-tunnels IM-7"
    ),
    "HHT": "lists-its-orders HHT-17, answered-when-sent HHT-10",
}


@pytest.mark.parametrize("device", REQUIREMENTS)
def test_each_fault_breaks_its_requirement(device: str) -> None:
    """Bench files and the tests of detection know them by these names."""
    found = [f"{name} {faults.fault(device, name).requirement}" for name in faults.names(device)]
    assert ", ".join(found) == REQUIREMENTS[device]


def test_what_judges_a_fault_is_a_clause_unless_said_otherwise() -> None:
    others = {entry.name: entry.judged_by for entry in faults.FAULTS.values() if entry.judged_by != "clause"}
    assert others == {"loses-supply-state-over-outage": "declaration"}
    moved = {entry.name: entry.endpoints_off for entry in faults.FAULTS.values() if entry.endpoints_off}
    assert moved == {"answers-on-another-endpoint": 1}
    good = EsmeSettings(), EsmePolicy()
    change = faults.fault("ESME", "answers-on-another-endpoint").change
    assert change is not None
    assert change(*good) == good


def test_a_fault_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="no fault 'x' of a HHT; choose among: lists-its-orders, answered-when-sent"):
        faults.fault("HHT", "x")

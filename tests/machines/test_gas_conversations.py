"""A gas meter in a furnished house: it joins, sleeps, fetches its commands from the hub and answers over the WAN."""

from __future__ import annotations

import random
from typing import Any

from devices.machines.core import Send
from devices.machines.gpf import Gpf, GpfSettings
from devices.machines.gsme import Gsme, GsmeSettings
from devices.machines.parts.asn1_settings import Asn1Settings
from devices.machines.parts.commands import CommandSettings
from devices.machines.parts.gas_mirror import CatchUpSettings
from devices.machines.parts.gbz_steps import number, records
from devices.machines.parts.joining import JoinSettings, PeerType
from devices.model import gas_records
from devices.model.zcl_objects import Entry
from devices.trust.keystore import MemoryKeyStore, generate, public_of
from devices.wire import tunnelling, zcl
from devices.wire.tunnelling import TransferData
from tests.machines.lab import HUB, INSTALL_CODE, METER, MINUTE, SECOND, SUPPLIER, House, Station

PROXY = bytes.fromhex("00db1234567890a1")


def house(**hub: Any) -> House:
    """A house whose meter is a gas meter, on the hub's network."""
    built = House(**hub)
    joined = CommandSettings(asn1=Asn1Settings(joining=JoinSettings(partners={PROXY: PeerType.GPF})))
    settings = GsmeSettings(install_code=INSTALL_CODE, epid=HUB, hub=HUB, wake_ns=10 * MINUTE, commands=joined)
    built.lab.add("meter", Gsme(METER, built.keys(METER), built.cells("GSME"), settings), METER)
    built.lab.run(2 * SECOND)
    entry = {"device": METER.hex(), "install_code": INSTALL_CODE.hex(), "device_type": "GSME", "join_time": 90}
    asked: dict[str, Any] = {"use_case": "CCS01", "device": HUB.hex(), "on_behalf": SUPPLIER.hex(), "counter": 7}
    built.lab.ask("broker", "command", **asked, args=entry)
    built.lab.run(SECOND)
    built.lab.power_on("meter")
    built.lab.run(5 * SECOND)
    return built


def headers(built: House) -> list[tuple[str, int]]:
    """Who sent which gas header through the tunnel: 1 GET, 2 GET-RESPONSE, 3 PUT."""
    found = []
    for _, name, send in built.lab.sent:
        if send.cluster != tunnelling.CLUSTER:
            continue
        frame = zcl.decode(send.octets)
        if not frame.cluster_specific:
            continue  # a Default Response
        command = tunnelling.decode(frame)
        if isinstance(command, TransferData):
            found.append((name, command.octets[0]))
    return found


def test_a_gas_meter_fetches_its_command_when_it_wakes() -> None:
    built = house()
    assert built.lab.ask("meter", "state")["network"] is True
    assert {name for name, _ in headers(built)} == {"meter"}  # the hub says nothing unasked
    sent = built.lab.ask("supplier", "command", use_case="GCS33", device=METER.hex())
    built.lab.run(MINUTE)
    assert not [f for f in built.lab.stations["supplier"].kinds("party.received") if f["message_code"] == 0x82]
    built.lab.run(10 * MINUTE)
    (answer,) = [f for f in built.lab.stations["supplier"].kinds("party.received") if f["message_code"] == 0x82]
    assert (answer["counter"], answer["verified"], answer["matched"]) == (sent["counter"], True, True)
    assert headers(built)[-3:] == [("meter", 1), ("hub", 2), ("meter", 3)]


def furnished(missed: CatchUpSettings | None = None) -> tuple[House, Gpf]:
    """The same with a gas proxy in the hub."""
    built = house(proxy=PROXY)
    return built, _proxy_in(built, missed or CatchUpSettings())


def _proxy_in(built: House, missed: CatchUpSettings) -> Gpf:
    privates = {f"{PROXY.hex()}-{use}": generate(random.Random(use)) for use in ("ds", "ka")}
    built.publics |= {name: public_of(private) for name, private in privates.items()}
    proxy = Gpf(PROXY, MemoryKeyStore(privates, built.publics), built.cells("GPF"), GpfSettings(missed=missed))
    built.lab.add("proxy", proxy, PROXY)
    built.lab.power_on("proxy")
    built.lab.hub_of[PROXY] = "hub"
    return proxy


CALORIFIC = {
    "PublishConversionFactor": {"Issuer Event ID": 1, "Conversion Factor": 111},
    "PublishCalorificValue": {"Issuer Event ID": 1, "Calorific Value": 222},
}


def test_the_proxy_in_the_hub_keeps_its_mirror_of_the_meter() -> None:
    """A command of the meter takes effect in the proxy once the meter has answered, and reports are mirrored."""
    built, proxy = furnished()
    built.lab.ask("supplier", "command", use_case="GCS23", device=METER.hex(), args=CALORIFIC)
    built.lab.run(MINUTE)
    assert built.lab.stations["proxy"].kinds("tapped") == []  # the meter sleeps
    built.lab.run(10 * MINUTE)
    (told,) = built.lab.stations["proxy"].kinds("tapped")
    assert told["message_code"] == "0x007C"
    assert (proxy.clusters.get((0x0700, 0x0302)), proxy.clusters.get((0x0700, 0x0304))) == (111, 222)
    meter = built.lab.stations["meter"].machine
    assert isinstance(meter, Gsme)
    meter.clusters.set((0x0702, 0x0000), 4711)  # gas that was used
    built.lab.run(10 * MINUTE)
    assert proxy.clusters.get((0x0702, 0x0000)) == 4711


def _burn(built: House, half_hours: int) -> Gsme:
    """Let gas flow, another amount each half hour; the meter."""
    meter = built.lab.stations["meter"].machine
    assert isinstance(meter, Gsme)
    for _ in range(half_hours):
        built.lab.run(30 * MINUTE)
        built.lab.ask("meter", "consume", amount=1 + built.lab.now // MINUTE % 97)
    return meter


def _values(device: Gsme | Gpf, identifier: int) -> dict[int, object]:
    """The samples of a device by when each began."""
    (ring,) = (e.fields for e in device.clusters.entries("samples") if e.fields["SampleID"] == identifier)
    seconds = 1800 if identifier == 0 else 86_400
    samples = records(ring["Samples"])
    return {number(ring["SampleStartTime"]) + n * seconds: dict(one)["Sample"] for n, one in enumerate(samples)}


def _within(device: Gsme | Gpf, since: int, until: int) -> list[object]:
    """The half hours from ``since`` to ``until``, bench time: the rows beside a gap are differences between the totals
    that the proxy happened to have (facts/gbcs.md 10.6.1)."""
    first, last = (device.clock.at(0).zcl + at // SECOND for at in (since, until))
    return [value for at, value in _values(device, 0).items() if first <= at <= last - 1800]


def _logs(device: Gsme | Gpf) -> dict[str, list[str]]:
    """What a device has of snapshots, top ups and debt payments."""
    kept = {
        store: [dict(e.command.fields) for e in device.clusters.entries(store)]
        for store in ("snapshots", "prepayment_snapshots", "top_ups", "debt_payments")
    }
    return {
        store: sorted(str({k: v for k, v in one.items() if k != "Total Snapshots Found"}) for one in found)
        for store, found in kept.items()
    }


GAP = (120 * MINUTE, 2220 * MINUTE)


def _missing_a_day(**missed: Any) -> tuple[House, Gpf, Gsme]:
    """A prepayment meter that nobody hears for more than a day, and then is heard again."""
    built, proxy = furnished(CatchUpSettings(**missed))
    station = built.lab.stations["meter"].machine
    assert isinstance(station, Gsme)
    station.clusters.set((0x0705, 0), 2)
    _burn(built, 4)
    built.lab.passes = lambda one, _send: one.name != "meter"
    _burn(built, 40)
    meter = built.lab.stations["meter"].machine
    assert isinstance(meter, Gsme)
    at = meter.clock.at(built.lab.now).zcl
    meter.clusters.keep("top_ups", Entry(gas_records.top_up(b"73943333457189043313", 1000, at)))
    for paid in (500, 600):
        meter.clusters.keep("debt_payments", Entry(gas_records.debt_payment(at + paid, paid, 500_000 - paid)))
    _burn(built, 30)
    built.lab.passes = lambda _one, _send: True
    return built, proxy, _burn(built, 2)


def test_after_a_gap_the_proxy_asks_the_meter_for_what_it_missed() -> None:
    """facts/gbcs.md 10.6.1: snapshots from the last it has, top ups, debt payments, half hours, days; 8.3: by flag."""
    _, proxy, meter = _missing_a_day()
    mine, theirs = (_within(device, *GAP) for device in (proxy, meter))
    assert len(mine) == 70
    assert mine == theirs
    assert _values(proxy, 1) == _values(meter, 1)
    assert all(_logs(meter).values())
    assert _logs(proxy) == _logs(meter)


def test_what_is_not_answered_is_asked_for_again_and_over_a_power_cut_of_the_proxy() -> None:
    built, proxy, meter = _missing_a_day(asks=True, samples=7)
    assert _within(proxy, *GAP) == _within(meter, *GAP)
    since = built.lab.now
    built.lab.passes = lambda one, _send: one.name != "meter"
    _burn(built, 20)
    until = built.lab.now
    lost = {"answers": True}

    def passes(one: Station, send: Send) -> bool:
        """All but answers to questions: no cluster command to the client but the meter's call."""
        frame = zcl.decode(send.octets) if send.cluster == 0x0702 and one.name == "meter" else None
        return not (lost["answers"] and frame is not None and frame.cluster_specific and frame.command != 0x0B)

    built.lab.passes = passes
    _burn(built, 2)
    assert 0xFFFFFF in _within(proxy, since, until)
    built.lab.power_off("proxy")
    built.lab.power_on("proxy")
    lost["answers"] = False
    _burn(built, 2)
    assert _within(proxy, since, until) == _within(meter, since, until)


def test_a_proxy_that_is_set_so_asks_for_nothing() -> None:
    built, proxy, meter = _missing_a_day(asks=False)
    assert 0xFFFFFF in _within(proxy, *GAP)
    assert _values(proxy, 1) != _values(meter, 1)
    assert _logs(proxy)["top_ups"] == []
    sent = [zcl.decode(send.octets) for _, name, send in built.lab.sent if (name, send.port) == ("proxy", "tap")]
    assert {(one.command, one.payload) for one in sent} == {(0x09, b"\x02" + bytes(20))}


def test_a_proxy_that_is_set_so_asks_for_all_when_it_first_hears_the_meter() -> None:
    """What it is to do then no fact says; as delivered it asks for nothing."""
    for at_first in (False, True):
        built = house(proxy=PROXY)
        meter = _burn(built, 10)
        proxy = _proxy_in(built, CatchUpSettings(at_first=at_first))
        _burn(built, 2)
        assert (len(_values(proxy, 0)) > 10) is at_first
        if at_first:
            assert _within(proxy, 0, 300 * MINUTE) == _within(meter, 0, 300 * MINUTE)


def test_the_proxy_is_commanded_and_answers_through_its_hub() -> None:
    built, _ = furnished()
    sent = built.lab.ask("supplier", "command", use_case="GCS33", device=PROXY.hex())
    built.lab.run(MINUTE)
    (answer,) = [f for f in built.lab.stations["supplier"].kinds("party.received") if f["counter"] == sent["counter"]]
    assert (answer["from"], answer["verified"], answer["matched"]) == (PROXY.hex(), True, True)


def test_a_hub_without_a_proxy_has_no_copies_and_knows_no_such_device() -> None:
    built = house()
    built.lab.ask("supplier", "command", use_case="GCS33", device=PROXY.hex())
    built.lab.run(11 * MINUTE)
    assert not [send for _, _, send in built.lab.sent if send.port in ("proxy", "tap")]

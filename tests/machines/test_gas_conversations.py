"""A gas meter in a furnished house: it joins, sleeps, fetches its commands from the hub and answers over the WAN."""

from __future__ import annotations

import random
from typing import Any

from devices.machines.gpf import Gpf
from devices.machines.gsme import Gsme, GsmeSettings
from devices.machines.parts.asn1_settings import Asn1Settings
from devices.machines.parts.commands import CommandSettings
from devices.machines.parts.joining import JoinSettings, PeerType
from devices.trust.keystore import MemoryKeyStore, generate, public_of
from devices.wire import tunnelling, zcl
from devices.wire.tunnelling import TransferData
from tests.machines.lab import HUB, INSTALL_CODE, METER, MINUTE, SECOND, SUPPLIER, House

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


def furnished() -> tuple[House, Gpf]:
    """The same with a gas proxy in the hub."""
    built = house(proxy=PROXY)
    privates = {f"{PROXY.hex()}-{use}": generate(random.Random(use)) for use in ("ds", "ka")}
    built.publics |= {name: public_of(private) for name, private in privates.items()}
    proxy = Gpf(PROXY, MemoryKeyStore(privates, built.publics), built.cells("GPF"))
    built.lab.add("proxy", proxy, PROXY)
    built.lab.power_on("proxy")
    built.lab.hub_of[PROXY] = "hub"
    return built, proxy


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

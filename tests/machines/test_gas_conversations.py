"""A gas meter in a furnished house: it joins, sleeps, fetches its commands from the hub and answers over the WAN."""

from __future__ import annotations

from typing import Any

from devices.machines.gsme import Gsme, GsmeSettings
from devices.wire import tunnelling, zcl
from devices.wire.tunnelling import TransferData
from tests.machines.lab import HUB, INSTALL_CODE, METER, MINUTE, SECOND, SUPPLIER, House


def house() -> House:
    """A house whose meter is a gas meter, on the hub's network."""
    built = House()
    settings = GsmeSettings(install_code=INSTALL_CODE, epid=HUB, hub=HUB, wake_ns=10 * MINUTE)
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
        command = tunnelling.decode(zcl.decode(send.octets))
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

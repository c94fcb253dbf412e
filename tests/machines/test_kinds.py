"""The kinds of device that take commands: each is built of exactly what it was delivered with."""

from __future__ import annotations

from typing import Any

import pytest

from devices.machines.comms_hub import CommsHub
from devices.machines.core import Beacon, Received, Send, Started, eui_text
from devices.machines.esme import Esme
from devices.machines.esme_settings import EsmePolicy, EsmeSettings
from devices.machines.gas_device import GasDeviceSettings
from devices.machines.gpf import Gpf, GpfSettings
from devices.machines.gsme import Gsme, GsmeSettings
from devices.machines.hcalcs import Hcalcs
from devices.machines.kinds import MACHINES, PROCESSORS, Delivery
from devices.machines.parts.asn1_settings import Asn1Settings
from devices.machines.parts.civil_clock import ClockSettings
from devices.machines.parts.commands import CommandSettings
from devices.machines.parts.contactor import TRANSITIONS, Supply
from devices.machines.parts.gas_conduct import GasSettings
from devices.machines.parts.user_interface import LocalActs
from devices.machines.ppmid import Ppmid
from devices.machines.sapc import Sapc
from devices.machines.transform_settings import Step, TransformSettings
from tests.machines.gas_bench import KEYS, METER, SECOND, cells

KINDS: dict[str, type] = {
    "CHF": CommsHub,
    "ESME": Esme,
    "GPF": Gpf,
    "GSME": Gsme,
    "HCALCS": Hcalcs,
    "PPMID": Ppmid,
    "SAPC": Sapc,
}
HOUR = 3600 * SECOND


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_is_what_was_delivered(kind: str) -> None:
    commands, clock = CommandSettings(asn1=Asn1Settings(firmware=b"abcd")), ClockSettings(start_ns=7)
    device = MACHINES[kind](Delivery(METER, KEYS, cells(kind), commands, clock))
    assert (type(device),) == (KINDS[kind],)
    made: Any = device
    assert (made.settings.commands, made.settings.clock) == (commands, clock)
    identity = made.settings.eui if kind == "CHF" else made.identity
    assert identity == METER
    processor: Any = PROCESSORS[kind](METER, KEYS, cells(kind), commands)
    assert processor.settings == commands


def test_the_table_has_every_kind_and_no_other() -> None:
    assert set(MACHINES) == set(PROCESSORS) == set(KINDS)


@pytest.mark.parametrize("elements", [1, 2])
def test_a_meter_has_the_elements_that_it_was_delivered_with(elements: int) -> None:
    made: Any = MACHINES["ESME"](Delivery(METER, KEYS, cells("ESME"), elements=elements))
    assert made.settings.elements == elements
    assert Delivery(METER, KEYS, cells("ESME")).elements == 1


def test_settings_as_delivered() -> None:
    """What no source settles, each with the default that stands beside it."""
    meter = EsmeSettings()
    assert (meter.elements, meter.records_profiles, meter.supply) == (1, True, Supply.ENABLED)
    assert (meter.arming_opens, meter.button, meter.button_hold_ns) == (True, None, 2 * SECOND)
    assert (meter.local_acts, meter.armed_alert) == (LocalActs(), False)
    good = EsmePolicy()
    assert (good.transitions, good.outage_code) == (TRANSITIONS, None)
    assert [good.reported(one) for one in Supply] == list(Supply)
    assert [one for one in Supply if good.contact(one)] == [Supply.ENABLED]
    assert good.recalled({"a": 1}) == {"a": 1}
    gas = GsmeSettings()
    assert (gas.wake_ns, gas.button, gas.button_hold_ns) == (1800 * SECOND, None, 2 * SECOND)
    assert (gas.local_acts.top_up, gas.local_acts.emergency_credit) == (0x009B, 0x0090)
    assert (gas.low_battery_days, gas.reports, gas.billing_alert) == (180, True, False)
    assert GasDeviceSettings().gas == GasSettings()
    proxy = GpfSettings()
    assert (proxy.gas, proxy.meter, proxy.log_field) == (GasSettings(event_log=6, security_log=7), None, 64)
    assert (proxy.billing_alert, proxy.early_s, proxy.keeps_future_dated, proxy.tapped_limit) == (True, 60, False, 32)
    service = TransformSettings()
    assert (service.series, service.only_transformed, service.trailing_zero) == ("commands", True, True)
    assert (service.signature_ns, service.answer_ns, service.remembered) == (24 * HOUR, 24 * HOUR, 20_000)
    assert Step() == Step([], [], set())


def test_events_and_effects_say_nothing_that_nobody_asked_for() -> None:
    assert Received("line", METER, b"") == Received("line", METER, b"", 0)
    assert Send("line", METER, b"") == Send("line", METER, b"", 0, 0)
    assert Started() == Started({})
    assert Beacon(METER, 1, 11, joinable=True, rssi=-40).rssi == -40
    assert eui_text(METER) == "00-DB-12-34-56-78-90-01"

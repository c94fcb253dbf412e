"""Firmware: activation at once, later and not at all, versions, and the alerts of others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from devices.machines.parts.firmware import ActivationCode, TransferCode, activated_alert, transfer_alert
from devices.model.roles import Role
from devices.trust import protection
from devices.trust.keystore import signing_key
from devices.wire import gbcs
from devices.wire.asn1_typed import (
    ActivateFirmware,
    ActivationResult,
    FirmwareActivated,
    FirmwareActivationAlert,
    FirmwareTransferAlert,
    FirmwareVersion,
    FirmwareVersionRequest,
    WillActivate,
)
from tests.machines.asn1_bench import BROKER, DEVICE, KEYS, NOW, STRANGER, SUPPLIER, Bench, civil

IMAGE, OTHER = bytes(range(32)), bytes(32)
OLD, NEW = bytes.fromhex("00010000"), bytes.fromhex("00020000")
LATER = NOW + timedelta(days=3)
NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def _bench(*, holds: bool = True) -> Bench:
    bench = Bench()
    if holds:
        bench.grant((bench.device.asn1.firmware.hold(IMAGE, NEW),))
    return bench


def test_an_image_is_activated_once() -> None:
    bench = _bench()
    outcome = bench.command(0x0012, ActivateFirmware(IMAGE, 1001))
    assert bench.answer(outcome) == ActivationResult(0, NEW)
    assert outcome.events == (0x8F72, 0x8F43)
    assert outcome.response is not None
    assert gbcs.decode(outcome.response).date_time
    bench.boot()
    assert bench.device.asn1.firmware.version == NEW
    assert bench.answer(bench.command(0x0012, ActivateFirmware(IMAGE, 1002))) == ActivationResult(1, NEW)


@pytest.mark.parametrize(
    ("holds", "image", "starts", "code"),
    [
        (False, IMAGE, True, ActivationCode.NO_IMAGE_HELD),
        (True, OTHER, True, ActivationCode.HASH_MISMATCH),
        (True, IMAGE, False, ActivationCode.ACTIVATION_FAILURE),
    ],
)
def test_activations_that_fail(holds: bool, image: bytes, starts: bool, code: ActivationCode) -> None:
    bench = _bench(holds=holds)
    bench.device.asn1.firmware.start = lambda _: starts
    outcome = bench.command(0x0012, ActivateFirmware(image, 1001))
    assert bench.answer(outcome) == ActivationResult(int(code), OLD)
    assert (outcome.results, outcome.events) == ((int(code),), ())


@pytest.mark.parametrize(("holds", "alert"), [(True, 0x8F66), (False, 0x8F67)])
def test_a_dated_activation_waits_over_a_power_cut_and_is_told(holds: bool, alert: int) -> None:
    bench = _bench(holds=holds)
    assert bench.answer(bench.command(0x0012, ActivateFirmware(IMAGE, 1001, LATER))) == WillActivate()
    bench.boot()
    assert bench.due() == civil(LATER).ns
    assert bench.device.reach(civil(LATER - timedelta(seconds=1))).alerts == ()
    due = bench.device.reach(civil(LATER))
    bench.grant(due.effects)
    (message,) = (gbcs.decode(octets) for octets in due.alerts)
    assert (message.message_code, message.recipient) == (0x00CA, SUPPLIER)
    assert protection.signature_valid(message, KEYS.public(signing_key(DEVICE)))
    result = ActivationResult(0, NEW) if holds else ActivationResult(1, OLD)
    assert bench.view(message) == FirmwareActivationAlert(alert, LATER, 1001, result)
    bench.boot()
    assert bench.due() is None
    assert bench.device.asn1.firmware.version == result.version


def test_a_time_that_never_comes_takes_it_back() -> None:
    bench = _bench()
    bench.command(0x0012, ActivateFirmware(IMAGE, 1001, LATER))
    assert bench.answer(bench.command(0x0012, ActivateFirmware(IMAGE, 1002, NEVER))) == WillActivate()
    assert bench.due() is None


@pytest.mark.parametrize("kind", ["PPMID", "HCALCS"])
def test_the_version_is_read(kind: str) -> None:
    bench = Bench(kind)
    outcome = bench.command(0x0129, FirmwareVersionRequest(), BROKER)
    assert bench.answer(outcome) == FirmwareVersion(OLD, 0)


@pytest.mark.parametrize(
    ("code", "alert"), [(TransferCode.SUCCESS, 0x8F8A), (TransferCode.DISCARDED, 0x8F89), (TransferCode(3), 0x8F89)]
)
def test_a_hub_tells_of_a_transfer(code: TransferCode, alert: int) -> None:
    bench = Bench("CHF")
    view = transfer_alert(STRANGER, NEW, code, bench.now)
    due = bench.device.asn1.alert(view, 0x0128, Role.ACCESS_CONTROL_BROKER)
    (message,) = (gbcs.decode(octets) for octets in due.alerts)
    assert (message.message_code, message.recipient, bool(message.signature)) == (0x0128, BROKER, True)
    assert bench.view(message) == FirmwareTransferAlert(alert, NOW, STRANGER, NEW, int(code))


def test_an_in_home_device_tells_of_its_activation() -> None:
    bench = Bench("PPMID")
    view = activated_alert(NEW, ActivationCode.SUCCESS, bench.now)
    due = bench.device.asn1.alert(view, 0x012B, Role.ACCESS_CONTROL_BROKER)
    (message,) = (gbcs.decode(octets) for octets in due.alerts)
    assert bench.view(message) == FirmwareActivated(0x8F8B, NOW, NEW, 0)
    assert message.signature

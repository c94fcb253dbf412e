"""Firmware: activation at once, later and not at all, versions, and the alerts of others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from devices.machines.core import (
    Asked,
    MachineError,
    Received,
    Refuse,
    Send,
)
from devices.machines.parts.firmware import ActivationCode, TransferCode
from devices.model import use_cases
from devices.trust import protection
from devices.trust.keystore import signing_key
from devices.wire import asn1_typed, gbcs, gbz
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
from devices.wire.gbcs import CRA, Message
from tests.machines.asn1_bench import (
    BROKER,
    DEVICE,
    KEYS,
    NOW,
    STRANGER,
    SUPPLIER,
    Bench,
    civil,
    command,
)
from tests.machines.every_kind import Running
from tests.machines.meter_bench import notification_of

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


# ------------------------------------------------------------------------- images that come, through whole machines

GOOD = {"sha256": IMAGE.hex(), "version": NEW.hex()}
BAD = {**GOOD, "good": False}


def content(message: Message) -> object:
    """What an alert says after code and time, whatever its family."""
    assert message.cra == CRA.ALERT
    if message.message_code in (0x0128, 0x012B):
        return asn1_typed.read(message.message_code, message.cra, message.payload).view
    if message.payload[:1] == b"\x0f":
        code, (told,) = notification_of(message)
        return code, told.value
    alert = gbz.decode(message.payload)
    assert isinstance(alert, gbz.Alert)
    return alert.code, alert.body


TOLD = [
    ("ESME", "image", GOOD, 0x00CE, (0x8F72, IMAGE)),
    ("ESME", "image", BAD, 0x00CE, (0x8F1C, IMAGE)),
    ("GSME", "image", GOOD, 0x00CF, (0x8F72, gbz.FirmwareVerified(0x0020, IMAGE))),
    ("GSME", "image", BAD, 0x00CF, (0x8F1C, gbz.FirmwareVerified(0x0020, IMAGE))),
    ("PPMID", "image", GOOD, 0x012B, FirmwareActivated(0x8F8B, NOW, NEW, 0)),
    ("ESME", "integrity", {"issue": 5}, 0x00F0, (0x81A0, b"\0\x05")),
    ("GSME", "integrity", {"issue": 5}, 0x00F2, (0x81A0, gbz.IntegrityWarning(5))),
    *(
        (
            "CHF",
            "image_transfer",
            {"device": STRANGER.hex(), "version": NEW.hex(), "outcome": code.name.lower()},
            0x0128,
            FirmwareTransferAlert(0x8F89 if code else 0x8F8A, NOW, STRANGER, NEW, int(code)),
        )
        for code in TransferCode
    ),
]


@pytest.mark.parametrize(("kind", "verb", "args", "code", "says"), TOLD)
def test_what_is_told(kind: str, verb: str, args: Mapping[str, Any], code: int, says: object) -> None:
    running = Running(kind)
    (message,) = running.ask(verb, args)
    assert (message.message_code, content(message)) == (code, says)
    carrier = use_cases.by_code(code)
    assert carrier is not None
    assert carrier.protection["alert"] == ("sig" if message.signature else "MAC")
    assert kind in carrier.devices


@pytest.mark.parametrize(("kind", "args"), [("GPF", GOOD), ("HCALCS", GOOD), ("HCALCS", BAD), ("PPMID", BAD)])
def test_what_no_alert_of_this_kind_carries_is_logged_alone(kind: str, args: Mapping[str, Any]) -> None:
    running = Running(kind)
    before = json.dumps(running.saved, sort_keys=True)
    assert running.ask("image", args) == []
    assert json.dumps(running.saved, sort_keys=True) != before


def test_an_image_that_came_is_activated_by_command() -> None:
    running = Running("ESME")
    running.ask("image", GOOD)
    assert running.saved["firmware"]["images"] == {IMAGE.hex(): NEW.hex()}
    octets = command(0x0012, ActivateFirmware(IMAGE, 1), 1)
    sent = [one for one in running.give(Received("line", SUPPLIER, octets)) if isinstance(one, Send)]
    response = gbcs.decode(sent[0].octets)
    assert asn1_typed.read(0x0012, CRA.RESPONSE, response.payload).view == ActivationResult(0, NEW)


def test_there_is_room_for_one_image() -> None:
    running = Running("ESME")
    running.ask("image", GOOD)
    running.ask("image", {**GOOD, "sha256": OTHER.hex()})
    assert running.saved["firmware"]["images"] == {OTHER.hex(): NEW.hex()}


def test_a_bad_image_is_not_kept() -> None:
    running = Running("ESME")
    running.ask("image", BAD)
    assert "firmware" not in running.saved


TRANSFERRED = {"device": STRANGER.hex(), "version": NEW.hex(), "outcome": "success"}


@pytest.mark.parametrize(
    ("kind", "verb", "args"),
    [
        ("ESME", "image", {}),
        ("ESME", "image", {**GOOD, "sha256": "00"}),
        ("ESME", "image", {**GOOD, "version": 7}),
        ("ESME", "image", {**GOOD, "good": "yes"}),
        ("ESME", "image", {**GOOD, "colour": "red"}),
        ("ESME", "integrity", {"issue": 1 << 16}),
        ("GSME", "integrity", {"issue": True}),
        ("CHF", "image_transfer", {}),
        ("CHF", "image_transfer", {"device": "x", "version": NEW.hex(), "outcome": "success"}),
        ("CHF", "image_transfer", {"device": STRANGER.hex(), "version": NEW.hex(), "outcome": "lost"}),
        ("CHF", "image_transfer", {"device": STRANGER.hex(), "version": "00", "outcome": "success"}),
        ("CHF", "image_transfer", {**TRANSFERRED, "colour": "red"}),
    ],
)
def test_what_makes_no_sense_changes_nothing(kind: str, verb: str, args: Mapping[str, Any]) -> None:
    running = Running(kind)
    before = json.dumps(running.saved, sort_keys=True)
    try:
        (answer,) = running.give(Asked(verb, args))
        reason = answer.reason if isinstance(answer, Refuse) else ""
    except MachineError as problem:
        reason = str(problem)
    assert f"{verb} takes" in reason
    assert json.dumps(running.saved, sort_keys=True) == before

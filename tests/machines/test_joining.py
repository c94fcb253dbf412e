"""The device log of meters, proxies and in-home devices: who may join whom, unjoining, reading, restoring."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.machines.parts.asn1_settings import Asn1Settings
from devices.machines.parts.joining import JoinCode, JoinLog, JoinSettings, Method, PeerType
from devices.model.credentials import Usage as CellUsage
from devices.model.roles import Role
from devices.trust import protection
from devices.trust.certificates import Usage
from devices.trust.keystore import agreement_key
from devices.wire import gbcs
from devices.wire.asn1_typed import (
    Device,
    DeviceLog,
    DeviceLogBackup,
    DeviceLogRequest,
    DeviceOutcome,
    Join,
    ResponseCode,
    RestoreDeviceLog,
    RestoreResult,
    Unjoin,
)
from tests.machines.asn1_bench import BROKER, DEVICE, KEYS, STRANGER, SUPPLIER, Bench, authority, organisation

PEER = bytes.fromhex("00db0000000000aa")
CODES = {Method.A_INITIATOR: 0x000D, Method.A_RESPONDER: 0x00AB, Method.B: 0x000E, Method.C: 0x00AF}


def _certificate(eui: bytes = PEER, usage: Usage = Usage.KEY_AGREEMENT) -> bytes:
    return authority().device(eui, usage, KEYS.public(agreement_key(STRANGER)))


def _join(
    bench: Bench,
    method: Method,
    kind: int,
    peer: bytes = PEER,
    certificate: bytes | None = None,
    code: int | None = None,
) -> JoinCode:
    view = bench.answer(bench.command(code or CODES[method], Join(int(method), peer, kind, certificate)))
    assert isinstance(view, ResponseCode)
    return JoinCode(view.code)


def _unjoin(bench: Bench, code: int, peer: bytes = PEER) -> int:
    view = bench.answer(bench.command(code, Unjoin(peer)))
    assert isinstance(view, ResponseCode)
    return view.code


@pytest.mark.parametrize(
    ("kind", "method", "peer"),
    [
        ("ESME", Method.A_INITIATOR, PeerType.PPMID),
        ("ESME", Method.A_INITIATOR, PeerType.HCALCS),
        ("HCALCS", Method.A_RESPONDER, PeerType.ESME),
        ("PPMID", Method.A_RESPONDER, PeerType.ESME),
        ("GSME", Method.B, PeerType.GPF),
        ("GSME", Method.C, PeerType.PPMID),
        ("PPMID", Method.C, PeerType.GSME),
    ],
)
def test_joins_that_succeed_are_logged_and_kept(kind: str, method: Method, peer: PeerType) -> None:
    bench = Bench(kind)
    certificate = _certificate() if method is Method.C else None
    assert _join(bench, method, peer, certificate=certificate) is JoinCode.SUCCESS
    bench.boot()
    assert list(bench.device.asn1.log) == [Device(PEER, int(peer))]
    assert (bench.device.peers(PEER) is not None) == (method is Method.C)


def test_a_certificate_is_there_if_and_only_if_meter_and_ppmid_are_joined() -> None:
    """facts/gbcs.md 5.4 [page seen]: in a join by any other method it is a fault, as its absence is in this one."""
    assert _join(Bench("ESME"), Method.A_INITIATOR, 5, certificate=_certificate()) is (
        JoinCode.INVALID_OR_MISSING_CERTIFICATE
    )
    assert _join(Bench("GSME"), Method.C, 5) is JoinCode.INVALID_OR_MISSING_CERTIFICATE


def test_the_outcome_is_an_event() -> None:
    bench = Bench("GSME")
    assert bench.command(0x000E, Join(2, PEER, 3)).events == (0x8F49,)
    assert bench.command(0x000E, Join(2, PEER, 5)).events == (0x8F48,)
    assert bench.command(0x0010, Unjoin(PEER)).events == (0x8F4B,)
    assert bench.command(0x0010, Unjoin(PEER)).events == (0x8F4A,)


@pytest.mark.parametrize(
    ("kind", "method", "peer", "certificate", "code", "expected"),
    [
        ("GSME", Method.C, 5, True, 0x000E, JoinCode.WRONG_MESSAGE_CODE),
        ("ESME", Method.A_RESPONDER, 5, False, 0x000D, JoinCode.WRONG_MESSAGE_CODE),
        ("GSME", Method.B, 5, False, 0x000E, JoinCode.WRONG_METHOD_AND_ROLE),
        ("PPMID", Method.C, 5, True, 0x00AF, JoinCode.WRONG_METHOD_AND_ROLE),
        ("ESME", Method.A_INITIATOR, 9, False, 0x000D, JoinCode.WRONG_METHOD_AND_ROLE),
        ("GSME", Method.C, 5, False, 0x00AF, JoinCode.INVALID_OR_MISSING_CERTIFICATE),
    ],
)
def test_joins_that_are_refused(
    kind: str, method: Method, peer: int, certificate: bool, code: int, expected: JoinCode
) -> None:
    bench = Bench(kind)
    assert _join(bench, method, peer, certificate=_certificate() if certificate else None, code=code) is expected
    assert len(bench.device.asn1.log) == 0


def test_a_method_that_there_is_none_of() -> None:
    bench = Bench("GSME")
    assert bench.answer(bench.command(0x000E, Join(7, PEER, 3))) == ResponseCode(JoinCode.WRONG_MESSAGE_CODE)


def test_certificates_of_a_partner() -> None:
    signing = _certificate(usage=Usage.DIGITAL_SIGNATURE)
    party = organisation(SUPPLIER, Role.SUPPLIER, CellUsage.KEY_AGREEMENT)
    for bad in (signing, party):
        assert _join(Bench("GSME"), Method.C, 5, certificate=bad) is JoinCode.INVALID_OR_MISSING_CERTIFICATE
    another = _certificate(STRANGER)
    assert _join(Bench("GSME"), Method.C, 5, certificate=another) is JoinCode.SUCCESS  # as published
    strict = Asn1Settings(joining=JoinSettings(certificate_names_device=True))
    for certificate, expected in (
        (another, JoinCode.INVALID_OR_MISSING_CERTIFICATE),
        (_certificate(), JoinCode.SUCCESS),
    ):
        assert _join(Bench("GSME", strict), Method.C, 5, certificate=certificate) is expected


def test_a_key_agreement_that_fails_leaves_no_entry() -> None:
    bench = Bench()
    bench.device.asn1.log.agree = lambda _: JoinCode.BAD_KEY_CONFIRM
    assert _join(bench, Method.A_INITIATOR, 5) is JoinCode.BAD_KEY_CONFIRM
    assert len(bench.device.asn1.log) == 0


def test_an_entry_of_another_kind_and_a_full_log() -> None:
    bench = Bench(settings=Asn1Settings(joining=JoinSettings(capacity=1)))
    assert _join(bench, Method.A_INITIATOR, 5) is JoinCode.SUCCESS
    assert _join(bench, Method.A_INITIATOR, 5) is JoinCode.SUCCESS
    assert _join(bench, Method.A_INITIATOR, 4) is JoinCode.INCOMPATIBLE_WITH_EXISTING_ENTRY
    assert _join(bench, Method.A_INITIATOR, 4, STRANGER) is JoinCode.LOG_FULL


def test_unjoining() -> None:
    bench = Bench("GSME")
    assert _unjoin(bench, 0x000F) == 1
    _join(bench, Method.B, 3)
    assert _unjoin(bench, 0x0010) == 0
    bench.boot()
    assert len(bench.device.asn1.log) == 0


def test_the_log_is_read_in_the_order_of_joining() -> None:
    bench = Bench("GSME")
    assert bench.answer(bench.command(0x0013, DeviceLogRequest())) == DeviceLog(0, ())
    _join(bench, Method.B, 3)
    _join(bench, Method.C, 5, STRANGER, _certificate(STRANGER))
    expected = DeviceLog(0, (Device(PEER, 3), Device(STRANGER, 5)))
    assert bench.answer(bench.command(0x0013, DeviceLogRequest())) == expected


# ------------------------------------------------------------------------------------------------------------------ GPF


def test_a_proxy_is_restored_and_tells_the_broker_of_it() -> None:
    bench = Bench("GPF", Asn1Settings(joining=JoinSettings(capacity=2)))
    wanted = (Device(PEER, 5), Device(STRANGER, 6), Device(DEVICE, 6))
    outcome = bench.command(0x008C, RestoreDeviceLog(wanted), BROKER)
    codes = (JoinCode.SUCCESS, JoinCode.SUCCESS, JoinCode.LOG_FULL)
    rows = tuple(DeviceOutcome(device, int(code)) for device, code in zip(wanted, codes, strict=True))
    assert bench.answer(outcome) == RestoreResult(rows)
    (alert,) = (gbcs.decode(octets) for octets in outcome.alerts)
    assert (alert.message_code, alert.recipient, outcome.events) == (0x00B2, BROKER, (0x8071,))
    z = KEYS.agree(agreement_key(BROKER), KEYS.public(agreement_key(DEVICE)))
    assert protection.mac_valid(alert, z)
    backup = bench.view(alert)
    assert isinstance(backup, DeviceLogBackup)
    assert (backup.alert_code, backup.devices) == (0x8071, wanted[:2])
    again = bench.command(0x008C, RestoreDeviceLog(wanted[:2]), BROKER)
    assert (again.alerts, again.results) == ((), (0, 0))


def test_a_backup_with_a_kind_that_there_is_none_of() -> None:
    bench = Bench("GPF")
    wanted = (Device(PEER, 5), Device(STRANGER, 99))
    outcome = bench.command(0x008C, RestoreDeviceLog(wanted), BROKER)
    assert outcome.results == (0, int(JoinCode.WRONG_METHOD_AND_ROLE))
    assert list(bench.device.asn1.log) == [wanted[0]]


def test_a_meter_tells_nobody_of_its_log() -> None:
    bench = Bench("GSME")
    assert bench.command(0x000E, Join(2, PEER, 3)).alerts == ()


_STEPS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), max_size=12)


@given(_STEPS)
def test_the_log_never_outgrows_itself_and_is_what_was_saved(steps: list[tuple[int, int]]) -> None:
    log = JoinLog("GPF", JoinSettings(capacity=3))
    for number, kind in steps:
        code = log.enter(bytes((0, 0, 0, 0, 0, 0, 0, number)), kind)
        assert code in (JoinCode.SUCCESS, JoinCode.INCOMPATIBLE_WITH_EXISTING_ENTRY, JoinCode.LOG_FULL)
        assert len(log) <= 3
    other = JoinLog("GPF")
    other.restore(log.persist().value)
    assert list(other) == list(log)


def test_the_log_by_itself() -> None:
    """What is entered stays where it is; what of it is new is told by ``changed``."""
    first, second = PEER, STRANGER
    log = JoinLog("GPF", JoinSettings(partners={first: PeerType.GSME}))
    assert (list(log), len(log), log.changed) == ([Device(first, 0)], 1, False)
    assert (first in log, second in log) == (True, False)
    assert log.enter(first, PeerType.GSME) is JoinCode.SUCCESS
    assert [log.changed] == [False], "it was there"
    assert log.enter(first, PeerType.GSME, b"key") is JoinCode.SUCCESS
    assert [log.changed] == [True]
    assert log.enter(first, PeerType.GSME) is JoinCode.SUCCESS
    assert [log.changed] == [True], "until it was told"
    log.changed = False
    assert (log.public(first), log.public(second)) == (b"key", None)
    assert log.enter(second, PeerType.TYPE_2) is JoinCode.SUCCESS
    assert [log.changed] == [True]
    kinds = (PeerType.GSME, PeerType.TYPE_2, PeerType.PPMID)
    assert [log.knows(kind) for kind in kinds] == [True, True, False]
    kept = {first.hex(): [0, b"key".hex()], second.hex(): [6, None]}
    assert log.persist().key == "join_log"
    assert log.persist().value == kept
    again = JoinLog("GPF", JoinSettings(partners={first: PeerType.GSME}))
    again.restore(kept)
    assert (list(again), again.public(first), again.public(second)) == (list(log), b"key", None)
    again.restore(None)
    assert (list(again), again.public(first)) == ([Device(first, 0)], None)
    again.restore({})
    assert list(again) == []


def test_a_log_takes_as_many_as_set() -> None:
    log = JoinLog("GPF")
    codes = [log.enter(bytes((number,)), PeerType.TYPE_2) for number in range(17)]
    assert codes == [JoinCode.SUCCESS] * 16 + [JoinCode.LOG_FULL]
    assert log.enter(b"\0", PeerType.TYPE_2) is JoinCode.SUCCESS, "a full log keeps what it has"


def test_codes_of_the_outcomes_and_kinds() -> None:
    """facts/gbcs.md 3.4."""
    assert [code.value for code in JoinCode] == list(range(14))
    assert JoinCode.NO_CBKE_RESPONSE.value == 13
    assert [kind.name for kind in PeerType] == ["GSME", "ESME", "CHF", "GPF", "HCALCS", "PPMID", "TYPE_2"]
    assert [kind.value for kind in PeerType] == list(range(7))


ALLOWED = {
    ("ESME", Method.A_INITIATOR): (4, 5, 6),
    ("ESME", Method.B): (6,),
    ("PPMID", Method.A_RESPONDER): (1,),
    ("HCALCS", Method.A_RESPONDER): (1,),
    ("GSME", Method.B): (3,),
    ("GPF", Method.B): (0, 5, 6),
    ("GSME", Method.C): (5,),
    ("PPMID", Method.C): (0,),
}


def test_which_kinds_join_by_which_method() -> None:
    certificate = _certificate()
    for kind in ("ESME", "GSME", "GPF", "PPMID", "HCALCS", "IHD"):
        log = JoinLog(kind)
        for method, code in CODES.items():
            certified = certificate if method is Method.C else None
            judged = [log._judge(Join(int(method), PEER, peer, certified), code)[0] for peer in range(8)]
            good = tuple(peer for peer, one in enumerate(judged) if one is JoinCode.SUCCESS)
            assert good == ALLOWED.get((kind, method), ()), (kind, method)
            assert {one for one in judged if one is not JoinCode.SUCCESS} == {JoinCode.WRONG_METHOD_AND_ROLE}


def test_a_refill_is_kept_where_it_changed_something() -> None:
    log = JoinLog("GPF")
    for wanted, kept in (((Device(PEER, 0),), True), ((Device(PEER, 0),), False), ((Device(PEER, 5),), False)):
        context: Any = SimpleNamespace(effects=[], results=())
        log.changed = False
        log.refill(RestoreDeviceLog(wanted), context)
        assert context.effects == [log.persist()] * kept

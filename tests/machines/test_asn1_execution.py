"""The published ASN.1 commands against devices in the state that they presuppose; the clock; the table itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.machines.core import LinkChanged
from devices.machines.esme import Esme, EsmeSettings
from devices.machines.parts.asn1_execution import HANDLERS
from devices.machines.parts.civil_clock import ClockSettings, ClockStatus
from devices.machines.parts.commands import Outcome
from devices.machines.parts.presupposed import Presupposed, device_for, kinds_of
from devices.model import use_cases
from devices.model.credentials import Usage
from devices.model.roles import Role
from devices.trust.directory import Directory
from devices.trust.keystore import MemoryKeyStore, load_corpus_keys
from devices.wire import asn1_typed, gbcs
from devices.wire.asn1_typed import (
    AuthorisingControl,
    ClockResult,
    ClockWindow,
    CredentialsAlert,
    CredentialsReport,
    KeyUsage,
    Replacement,
    TrustAnchorCell,
    UpdateCredentials,
    UpdateResponse,
    View,
)
from devices.wire.gbcs import CRA
from tests.machines.asn1_bench import (
    BROKER,
    DEVICE,
    NEW_SUPPLIER,
    NOW,
    SECOND,
    SUPPLIER,
    Bench,
    authority,
    certified_cells,
    civil,
    command,
    fresh_keys,
    organisation,
)
from tests.machines.meter_bench import Bench as MeterBench
from tests.machines.published import messages

GCS28 = 0x007F


def test_every_asn1_command_of_the_table_has_a_handler() -> None:
    commanded = {row.code for row in use_cases.all_use_cases() if row.payload == "asn1" and "command" in row.asn1}
    assert commanded == set(HANDLERS)


# ------------------------------------------------------------------------------------------------------------ the clock


@dataclass
class _Seat:
    hub: int
    put: list[tuple[int, ClockStatus]] = field(default_factory=list)

    def hub_time(self, now: int) -> int:
        return self.hub + now

    def set_clock(self, ns: int, _now: int, status: ClockStatus) -> None:
        self.put.append((ns, status))


@pytest.mark.parametrize(
    ("ahead", "told", "status"),
    [
        (timedelta(minutes=9), NOW + timedelta(minutes=9), ClockStatus.RELIABLE),
        (timedelta(minutes=10), NOW + timedelta(minutes=10), ClockStatus.RELIABLE),
        (timedelta(minutes=11), NOW, ClockStatus.UNRELIABLE),
        (timedelta(minutes=-11), NOW, ClockStatus.UNRELIABLE),
    ],
)
def test_a_gas_meter_takes_the_time_of_the_hub_inside_the_window(
    ahead: timedelta, told: Any, status: ClockStatus
) -> None:
    bench = Bench("GSME")
    seat = bench.device.asn1.clock = _Seat(civil(NOW + ahead).ns)
    window = ClockWindow(NOW - timedelta(minutes=10), NOW + timedelta(minutes=10))
    outcome = bench.command(GCS28, window)
    code = {ClockStatus.RELIABLE: 0, ClockStatus.UNRELIABLE: 2}[status]
    assert bench.answer(outcome) == ClockResult(told, code)
    assert seat.put == [(civil(told).ns, status)]


def test_a_refused_clock_command_leaves_the_clock() -> None:
    bench = Bench("GSME")
    seat = bench.device.asn1.clock = _Seat(civil().ns)
    before = bench.state()
    window = ClockWindow(NOW - timedelta(minutes=10), NOW + timedelta(minutes=10))
    outcome = bench.command(GCS28, window, signer=bytes.fromhex("90b3000000990000"))
    assert outcome.refused is not None
    assert outcome.refused.check == "signature"
    assert (seat.put, bench.state()) == ([], before)


# --------------------------------------------------------------------------------------------------------- bad payloads

_CERTIFICATE = organisation(NEW_SUPPLIER, Role.SUPPLIER, Usage.DIGITAL_SIGNATURE)
_CELL = TrustAnchorCell(2, KeyUsage.DIGITAL_SIGNATURE)
_FLOORS = (asn1_typed.SpecialistFloor(0, 5),)
_CONTROL = AuthorisingControl(2, None, 1, _CELL, None, 9, _FLOORS, (asn1_typed.SeqNumberChange(3, 4, _FLOORS),))
_DEVICES = (asn1_typed.Device(bytes(8), 5), asn1_typed.Device(bytes(range(8)), 6))
_PAYLOADS: dict[tuple[int, str], View] = {
    (0x0008, "ESME"): asn1_typed.CredentialsRequest(TrustAnchorCell(4, KeyUsage.KEY_AGREEMENT), (2, 3)),
    (0x000A, "ESME"): asn1_typed.KeyPairRequest(KeyUsage.KEY_AGREEMENT),
    (0x000B, "ESME"): asn1_typed.Certificate(_CERTIFICATE),
    (0x000C, "ESME"): asn1_typed.KeyPairRequest(KeyUsage.KEY_AGREEMENT),
    (0x000D, "ESME"): asn1_typed.Join(0, bytes(8), 5),
    (0x00AF, "GSME"): asn1_typed.Join(3, bytes(8), 5, _CERTIFICATE),
    (0x000F, "GSME"): asn1_typed.Unjoin(bytes(8)),
    (0x0012, "ESME"): asn1_typed.ActivateFirmware(bytes(32), 7, NOW),
    (0x0013, "GSME"): asn1_typed.DeviceLogRequest(),
    (GCS28, "GSME"): ClockWindow(NOW, NOW),
    (0x008C, "GPF"): asn1_typed.RestoreDeviceLog(_DEVICES),
    (0x0102, "ESME"): UpdateCredentials(_CONTROL, (Replacement(_CERTIFICATE, _CELL),), (_CERTIFICATE,), NOW),
    (0x0129, "PPMID"): asn1_typed.FirmwareVersionRequest(),
}


@given(st.sampled_from(sorted(_PAYLOADS)), st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 255)), max_size=3))
def test_whatever_an_authentic_command_carries_is_answered_or_refused_and_changes_nothing(
    which: tuple[int, str], flips: list[tuple[int, int]]
) -> None:
    code, kind = which
    octets = bytearray(asn1_typed.write(_PAYLOADS[which]))
    for place, mask in flips:
        octets[place % len(octets)] ^= mask
    bench = Bench(kind)
    before = bench.state()
    sender = BROKER if code in (0x0008, 0x008C) else SUPPLIER
    outcome = bench.give(command(code, bytes(octets), 1000, sender))
    if outcome.refused is not None:
        assert (outcome.refused.check, outcome.response) == ("content", None)
        assert bench.state() == before
        return
    assert outcome.response is not None
    bench.view(gbcs.decode(outcome.response))
    for due in (bench.now, civil(NOW + timedelta(days=365 * 200))):
        bench.grant(bench.device.reach(due).effects)
    state = bench.state()
    bench.boot()
    assert bench.state() == state


# ----------------------------------------------------------------------------------------------- the published commands


@dataclass(frozen=True)
class _Published:
    store: MemoryKeyStore
    directory: Directory
    kinds: dict[bytes, tuple[str, ...]]
    entries: dict[str, dict[str, Any]]

    def carry_out(self, name: str) -> Outcome:
        octets = bytes.fromhex(self.entries[name]["hex"])
        return self.device(name).receive(octets)

    def device(self, name: str) -> Presupposed:
        """The device in the state that a command presupposes."""
        message = gbcs.decode(bytes.fromhex(self.entries[name]["hex"]))
        return device_for(message, self.store, self.directory, self.kinds[message.recipient][0])

    def view(self, octets: bytes) -> View:
        message = gbcs.decode(octets)
        return asn1_typed.read(message.message_code, message.cra, message.payload).view

    def reference(self, name: str) -> View:
        return self.view(bytes.fromhex(self.entries[name]["hex"]))


@pytest.fixture(scope="module")
def published(corpus_dir: Path) -> _Published:
    document = json.loads((corpus_dir / "keys.json").read_text("utf-8"))
    store = load_corpus_keys(document)
    certificates = {n: bytes.fromhex(e["certificate"]) for n, e in document.items() if e["certificate"]}
    entries = messages(corpus_dir)
    kinds = kinds_of([gbcs.decode(bytes.fromhex(entry["hex"])) for entry in entries.values()])
    directory = Directory({name: store.public(name) for name in store.names}, certificates)
    return _Published(store, directory, kinds, entries)


def _commands(published: _Published, *starts: str) -> list[str]:
    return [
        name
        for name, entry in published.entries.items()
        if name.startswith(starts) and entry["kind"] == "command" and entry["payload_format"] == "asn1"
    ]


@pytest.mark.corpus
def test_every_published_success_is_carried_out(published: _Published) -> None:
    names = [name for name in _commands(published, "") if published.entries[name]["outcome"] == "SUCCESS"]
    assert len(names) > 25
    for name in names:
        outcome = published.carry_out(name)
        assert outcome.refused is None, (name, outcome.refused)
        assert not any(outcome.results), name
        assert outcome.response is not None, name
        response = published.view(outcome.response)
        reference = published.reference(name.replace("COMMAND", "RESPONSE"))
        assert type(response) is type(reference), name


@pytest.mark.corpus
def test_updates_have_the_published_outcome_to_the_last_value(published: _Published) -> None:
    """Successes and the designed failures alike: cells, statuses, parties, key identifiers, floors."""
    names = _commands(published, "CS02b", "CS02g")
    for name in names:
        outcome = published.carry_out(name)
        assert outcome.response is not None, (name, outcome.refused)
        view = published.view(outcome.response)
        assert isinstance(view, UpdateResponse)
        assert view == published.reference(name.replace("COMMAND", "RESPONSE")), name
    assert len(names) > 12


@pytest.mark.corpus
def test_dated_updates_are_told_as_published(published: _Published) -> None:
    """Every published alert of a future-dated update comes from the command that has its sequence number."""
    told = 0
    for name, entry in published.entries.items():
        if entry["kind"] != "alert" or entry["message_code"].lower() not in ("00cb", "0124", "0x00cb", "0x0124"):
            continue
        wanted = published.reference(name)
        assert isinstance(wanted, CredentialsAlert)
        command = next(
            n
            for n in _commands(published, "CS02b", "CS02g")
            if published.entries[n]["originator_counter"] == wanted.outcome.authorising_seq_number
            and published.entries[n]["message_code"][-2:] == f"{_code(wanted.outcome.mode):04X}"[-2:]
        )
        device = published.device(command)
        device.receive(bytes.fromhex(published.entries[command]["hex"]))
        assert device.processor.next_due == round(wanted.time.timestamp()) * SECOND
        (alert,) = device.processor.reach(civil(wanted.time)).alerts
        assert published.view(alert) == wanted, name
        reference = gbcs.decode(bytes.fromhex(entry["hex"]))
        ours = gbcs.decode(alert)
        assert (ours.message_code, ours.recipient) == (reference.message_code, reference.recipient)
        told += 1
    assert told > 2


def _code(mode: int) -> int:
    return {10: 0x0125, 11: 0x0126}.get(mode, 0x0100 + mode)


@pytest.mark.corpus
def test_reports_name_the_published_cells(published: _Published) -> None:
    for name in _commands(published, "CS02a", "CS02f"):
        if published.entries[name]["outcome"] != "SUCCESS":
            continue
        outcome = published.carry_out(name)
        assert outcome.response is not None
        view = published.view(outcome.response)
        wanted = published.reference(name.replace("COMMAND", "RESPONSE"))
        assert isinstance(view, CredentialsReport)
        assert isinstance(wanted, CredentialsReport)
        held = [(role.role, role.status, role.credentials) for role in view.roles]
        assert held == [(role.role, role.status, role.credentials) for role in wanted.roles], name


@pytest.mark.corpus
@pytest.mark.parametrize(
    "name", ["CS02d_6.15.2_ERROR", "CS03B_8.7.2_ERROR", "CS03CNonCritical_8.7.2_ERROR", "GCS59_8.12.2_SUCCESS"]
)
def test_codes_that_the_command_alone_determines(published: _Published, name: str) -> None:
    outcome = published.carry_out(f"{name}_COMMAND")
    assert outcome.response is not None
    assert published.view(outcome.response) == published.reference(f"{name}_RESPONSE")


def test_a_command_between_lives_is_answered_for_its_sender() -> None:
    bench = Bench("GSME")
    outcome = bench.command(0x0013, asn1_typed.DeviceLogRequest())
    assert outcome.response is not None
    response = gbcs.decode(outcome.response)
    assert (response.cra, response.recipient, response.counter) == (CRA.RESPONSE, SUPPLIER, bench.counter)


# ------------------------------------------------------------------------------------------------------ a whole machine


def _meter() -> MeterBench:
    settings = EsmeSettings(clock=ClockSettings(start_ns=civil().ns), records_profiles=False)
    bench = MeterBench(meter=Esme(DEVICE, fresh_keys(), certified_cells("ESME"), settings))
    bench.give(LinkChanged("line", up=True))
    return bench


def _dated(time: datetime) -> bytes:
    cell = TrustAnchorCell(2, KeyUsage.DIGITAL_SIGNATURE)
    control = AuthorisingControl(2, authorising_cell=cell, authorising_seq_number=1000)
    certificate = organisation(NEW_SUPPLIER, Role.SUPPLIER, Usage.DIGITAL_SIGNATURE)
    path = (authority().organisation_issuer.octets,)
    return command(0x0102, UpdateCredentials(control, (Replacement(certificate, cell),), path, time), 1000)


@pytest.mark.parametrize("outage", [0, 600 * SECOND, 7200 * SECOND], ids=["in use", "cut before", "cut across"])
def test_a_meter_fires_a_dated_update_on_its_own_clock(outage: int) -> None:
    bench = _meter()
    (response,) = bench.line(_dated(NOW + timedelta(hours=1)))
    assert response.message_code == 0x0102
    before = len(bench.sent)
    if outage:
        bench.cut(outage)
        bench.give(LinkChanged("line", up=True))
    bench.advance(max(0, 3595 * SECOND - bench.now))
    early = [gbcs.decode(octets).message_code for octets in bench.sent[before:]]
    assert (0x00CB in early) == (outage > 3600 * SECOND)
    bench.advance(10 * SECOND)
    alerts = [gbcs.decode(octets) for octets in bench.sent[before:]]
    (told,) = [alert for alert in alerts if alert.message_code == 0x00CB]
    assert told.recipient == SUPPLIER
    held = bench.meter.cells.get(Role.SUPPLIER, Usage.DIGITAL_SIGNATURE)
    assert held is not None
    assert held.party == NEW_SUPPLIER
    saved = bench.saved["cells"]["supplier/ds"][0]
    assert saved == NEW_SUPPLIER.hex()

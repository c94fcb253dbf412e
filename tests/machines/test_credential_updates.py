"""Organisations' certificates on a device: reports, replacements cell by cell, waiting, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from devices.machines.core import Persist
from devices.machines.parts.asn1_settings import Asn1Settings
from devices.machines.parts.building import demands
from devices.machines.parts.credential_judgement import MODES, Judge, Status, cell_of
from devices.machines.parts.credential_updates import UpdateSettings
from devices.machines.parts.replay import Series
from devices.model import use_cases
from devices.model.credentials import Cell, Usage
from devices.model.roles import Role
from devices.trust import certificates, protection
from devices.trust.certificates import CertificateChecks
from devices.trust.keystore import signing_key
from devices.wire import asn1_typed, gbcs
from devices.wire.asn1_typed import (
    AuthorisingControl,
    CredentialsAlert,
    CredentialsReport,
    CredentialsRequest,
    KeyUsage,
    Replacement,
    SeqNumberChange,
    SpecialistFloor,
    TrustAnchorCell,
    UpdateCredentials,
    UpdateOutcome,
    UpdateResponse,
)
from tests.machines.asn1_bench import (
    BROKER,
    CONTROLLER,
    COS,
    DEVICE,
    KEYS,
    MADE,
    NEW_SUPPLIER,
    NOW,
    OPERATOR,
    PARTIES,
    RECOVERY,
    STRANGER,
    SUPPLIER,
    WAN,
    Bench,
    authority,
    civil,
    command,
    organisation,
)

DS, KA, SIGN = KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_AGREEMENT, KeyUsage.KEY_CERT_SIGN
LATER = NOW + timedelta(days=30)
NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
USAGES = {DS: Usage.DIGITAL_SIGNATURE, KA: Usage.KEY_AGREEMENT}
SUPPLIER_CELLS = (TrustAnchorCell(2, DS), TrustAnchorCell(2, KA), TrustAnchorCell(2, KA, 1))


def _update(
    mode: int,
    counter: int,
    cells: tuple[TrustAnchorCell, ...],
    party: bytes,
    *,
    time: datetime | None = None,
    role: Role | None = None,
    **control: Any,
) -> UpdateCredentials:
    """A command that puts new certificates of ``party`` into ``cells``."""
    authority_role = MODES[mode].authority
    usage = SIGN if authority_role is Role.ROOT else DS
    control.setdefault("authorising_cell", TrustAnchorCell(int(authority_role), usage))
    control.setdefault("authorising_seq_number", counter)
    replacements = tuple(
        Replacement(organisation(party, role or Role(cell.role), USAGES[cell.key_usage]), cell) for cell in cells
    )
    path = (authority().organisation_issuer.octets,)
    return UpdateCredentials(AuthorisingControl(mode, **control), replacements, path, time)


def _outcome(bench: Bench, outcome: Any) -> UpdateOutcome:
    view = bench.answer(outcome)
    assert isinstance(view, UpdateResponse)
    assert view.outcome is not None
    return view.outcome


def _supplier_by_supplier(bench: Bench, code: int = 0x0102, **changes: Any) -> Any:
    view = _update(2, bench.counter + 1, SUPPLIER_CELLS, NEW_SUPPLIER, **changes)
    return bench.command(code, view)


# --------------------------------------------------------------------------------------------------------------- report


def test_a_report_says_what_is_held() -> None:
    bench = Bench()
    request = CredentialsRequest(TrustAnchorCell(4, KA), (2, 6, 4))
    view = bench.answer(bench.command(0x0008, request, BROKER))
    assert isinstance(view, CredentialsReport)
    suppliers, wan, broker = view.roles
    assert [(c.key_usage, c.cell_usage, c.subject_id) for c in suppliers.credentials or ()] == [
        (DS, None, SUPPLIER),
        (KA, None, SUPPLIER),
        (KA, 1, SUPPLIER),
    ]
    held = bench.cells.get(Role.SUPPLIER, Usage.DIGITAL_SIGNATURE)
    assert held is not None
    assert suppliers.credentials is not None
    assert suppliers.credentials[0].key_id == certificates.subject_key_identifier(held.public)
    assert (wan.status, wan.credentials) == (Status.TRUST_ANCHOR_NOT_FOUND, None)
    assert broker.seq_number == 0  # reports are not counted


@pytest.mark.parametrize("signed", [True, False])
def test_a_report_is_protected_as_its_request_was(signed: bool) -> None:
    bench = Bench()
    role, usage, party = (2, DS, SUPPLIER) if signed else (4, KA, BROKER)
    request = CredentialsRequest(TrustAnchorCell(role, usage), (2,))
    outcome = bench.command(0x011B, request, party, signed=signed)
    assert outcome.response is not None
    message = gbcs.decode(outcome.response)
    assert (bool(message.signature), message.mac is None) == (signed, signed)


def test_a_report_is_for_whoever_holds_the_authorising_cell() -> None:
    bench = Bench()
    outcome = bench.command(0x0008, CredentialsRequest(TrustAnchorCell(4, KA), (2,)), SUPPLIER, signed=True)
    assert outcome.refused is not None
    assert outcome.refused.check == "content"


def test_the_report_counts_what_was_accepted() -> None:
    bench = Bench()
    bench.answer(_supplier_by_supplier(bench, floor=77))
    view = bench.answer(bench.command(0x0008, CredentialsRequest(TrustAnchorCell(4, KA), (2,)), BROKER))
    assert isinstance(view, CredentialsReport)
    assert view.roles[0].seq_number == 77


# -------------------------------------------------------------------------------------------------------------- replace

WHO = {
    2: (0x0102, "ESME", SUPPLIER, SUPPLIER_CELLS, NEW_SUPPLIER),
    3: (0x0103, "ESME", OPERATOR, (TrustAnchorCell(3, DS), TrustAnchorCell(3, KA)), STRANGER),
    4: (0x0104, "ESME", BROKER, (TrustAnchorCell(4, KA),), STRANGER),
    5: (0x0105, "CHF", WAN, (TrustAnchorCell(6, DS),), STRANGER),
    6: (0x0106, "ESME", COS, (TrustAnchorCell(5, DS),), STRANGER),
    7: (0x0107, "ESME", COS, SUPPLIER_CELLS, NEW_SUPPLIER),
    8: (0x0108, "ESME", RECOVERY, (TrustAnchorCell(1, DS), *SUPPLIER_CELLS), NEW_SUPPLIER),
    10: (0x0125, "SAPC", CONTROLLER, (TrustAnchorCell(8, DS), TrustAnchorCell(8, KA)), STRANGER),
    11: (0x0126, "ESME", SUPPLIER, (TrustAnchorCell(8, DS), TrustAnchorCell(8, KA)), STRANGER),
}


@pytest.mark.parametrize("mode", WHO)
def test_who_may_replace_whom(mode: int) -> None:
    code, kind, sender, cells, party = WHO[mode]
    bench = Bench(kind)
    outcome = bench.command(code, _update(mode, bench.counter + 1, cells, party), sender)
    found = _outcome(bench, outcome)
    assert (found.mode, found.authorising_seq_number) == (mode, bench.counter)
    assert [(one.status, one.replacing_subject_id) for one in found.outcomes] == [(0, party)] * len(cells)
    assert {one.existing_subject_id for one in found.outcomes} <= set(PARTIES.values())
    assert outcome.response is not None
    response = gbcs.decode(outcome.response)
    assert protection.signature_valid(response, KEYS.public(signing_key(DEVICE)))
    assert response.date_time


def test_at_a_hub_the_broker_signs_the_replacement_of_its_own_credentials() -> None:
    """facts/gbcs.md 2.1 [page seen]: anywhere but on a hub its MAC alone will do."""
    cells = (TrustAnchorCell(4, KA), TrustAnchorCell(4, DS))
    bench = Bench("CHF")
    refused = bench.command(0x0104, _update(4, bench.counter + 1, cells, STRANGER), BROKER, kind="ESME").refused
    assert refused is not None
    assert refused.check == "form"
    found = _outcome(bench, bench.command(0x0104, _update(4, bench.counter + 1, cells, STRANGER), BROKER))
    assert [one.status for one in found.outcomes] == [0, 0]


@pytest.mark.parametrize(("cell", "both"), [(TrustAnchorCell(4, DS), True), (None, False)])
def test_the_broker_signs_what_names_the_cell_that_authorises_it(cell: TrustAnchorCell | None, both: bool) -> None:
    """facts/gbcs.md 9.5: the cell is left out by the broker by itself, but for a hub."""
    view = _update(4, 7, (TrustAnchorCell(4, KA),), STRANGER)
    payload = asn1_typed.write(replace(view, control=replace(view.control, authorising_cell=cell)))
    use_case = use_cases.by_code(0x0104)
    assert use_case is not None
    assert demands(use_case, payload, by_broker=True) == (both, True)
    assert demands(use_case, b"\x30", by_broker=True) == (False, True)


@pytest.mark.parametrize("mode", WHO)
@pytest.mark.parametrize("sender", [SUPPLIER, OPERATOR, BROKER, COS, RECOVERY, WAN, CONTROLLER, STRANGER])
def test_nobody_else_may(mode: int, sender: bytes) -> None:
    code, kind, who, cells, party = WHO[mode]
    if sender == who:
        return
    bench = Bench(kind)
    before = bench.state()
    outcome = bench.command(code, _update(mode, bench.counter + 1, cells, party), sender)
    assert outcome.refused is not None
    assert outcome.refused.check == "role"
    assert bench.state() == before


BAD: dict[str, dict[str, Any]] = {
    "another mode": {"mode": 3},
    "another counter": {"authorising_seq_number": 5},
    "another authority": {"authorising_cell": TrustAnchorCell(3, DS)},
    "a negative floor": {"floor": -1},
    "a floor too large": {"floor": 1 << 63},
    "a negative floor for top-ups": {"specialist_floors": (SpecialistFloor(0, -1),)},
    "a floor too large for another": {"other_changes": (SeqNumberChange(3, 1 << 63),)},
}


@pytest.mark.parametrize("what", BAD)
def test_a_command_that_is_none_of_its_message_code(what: str) -> None:
    bench = Bench()
    before = bench.state()
    view = _update(2, bench.counter + 1, SUPPLIER_CELLS, NEW_SUPPLIER)
    outcome = bench.command(0x0102, replace(view, control=replace(view.control, **BAD[what])))
    assert outcome.refused is not None
    assert (outcome.refused.check, outcome.response) == ("content", None)
    assert bench.state() == before


@pytest.mark.parametrize(
    "cells",
    [(), (TrustAnchorCell(3, DS),), (TrustAnchorCell(2, DS), TrustAnchorCell(2, DS))],
    ids=["none", "of another role", "one twice"],
)
def test_cells_that_a_mode_does_not_replace(cells: tuple[TrustAnchorCell, ...]) -> None:
    bench = Bench()
    before = bench.state()
    outcome = bench.command(0x0102, _update(2, bench.counter + 1, cells, NEW_SUPPLIER))
    assert outcome.refused is not None
    assert outcome.refused.check == "content"
    assert bench.state() == before


def test_an_unreadable_payload_changes_nothing() -> None:
    bench = Bench()
    before = bench.state()
    outcome = bench.give(command(0x0102, b"\x30\x03\x02\x01\x02", 2000))
    assert outcome.refused is not None
    assert (outcome.refused.check, outcome.refused.alert) == ("content", 0x8F1E)
    assert bench.state() == before


def test_after_a_change_of_supplier_the_new_one_commands() -> None:
    bench = Bench()
    bench.answer(bench.command(0x0107, _update(7, bench.counter + 1, SUPPLIER_CELLS, NEW_SUPPLIER), COS))
    request = CredentialsRequest(TrustAnchorCell(2, DS), (2,))
    assert bench.command(0x0008, request, SUPPLIER, signed=True).refused is not None
    assert bench.command(0x0008, request, NEW_SUPPLIER, signed=True).response is not None


@pytest.mark.parametrize("kind", ["GSME", "GPF", "PPMID", "HCALCS", "SAPC"])
def test_every_kind_with_a_suppliers_cell_changes_its_supplier(kind: str) -> None:
    bench = Bench(kind)
    found = _outcome(bench, bench.command(0x0102, _update(2, bench.counter + 1, SUPPLIER_CELLS[:2], NEW_SUPPLIER)))
    assert [one.status for one in found.outcomes] == [Status.SUCCESS] * 2
    assert bench.cells.roles_of(NEW_SUPPLIER) == {Role.SUPPLIER}


def test_a_kind_that_no_published_message_shows_may_be_left_out() -> None:
    for kind, check in (("GSME", "supported"), ("ESME", None)):
        bench = Bench(kind, kinds_seen_only=True)
        outcome = bench.command(0x0102, _update(2, bench.counter + 1, SUPPLIER_CELLS[:2], NEW_SUPPLIER))
        assert (outcome.refused and outcome.refused.check) == check


# ---------------------------------------------------------------------------------------------------- cell by cell


def _single(bench: Bench, certificate: bytes, cell: TrustAnchorCell, **control: Any) -> Status:
    view = _update(2, bench.counter + 1, (TrustAnchorCell(2, DS),), NEW_SUPPLIER, **control)
    both = (*view.replacements, Replacement(certificate, cell))
    outcome = _outcome(bench, bench.command(0x0102, replace(view, replacements=both)))
    assert outcome.outcomes[0].status == Status.SUCCESS
    second = outcome.outcomes[1]
    if second.status:
        assert second.existing_key_id == second.replacing_key_id
    return Status(second.status)


KA_CELL = TrustAnchorCell(2, KA)


def test_a_certificate_of_another_authority_keeps_the_cell() -> None:
    bench = Bench()
    before = bench.cells.get(Role.SUPPLIER, Usage.KEY_AGREEMENT)
    foreign = organisation(NEW_SUPPLIER, Role.SUPPLIER, Usage.KEY_AGREEMENT, issuer=authority(8))
    assert _single(bench, foreign, KA_CELL) is Status.NO_TRUST_ANCHOR
    assert bench.cells.get(Role.SUPPLIER, Usage.KEY_AGREEMENT) == before
    replaced = bench.cells.get(Role.SUPPLIER, Usage.DIGITAL_SIGNATURE)
    assert replaced is not None
    assert replaced.party == NEW_SUPPLIER


def test_an_authority_that_the_root_did_not_sign() -> None:
    foreign = organisation(NEW_SUPPLIER, Role.SUPPLIER, Usage.DIGITAL_SIGNATURE, issuer=authority(8))
    for rooted, status in ((True, Status.NO_TRUST_ANCHOR), (False, Status.SUCCESS)):
        bench = Bench(rooted=rooted)
        cell = TrustAnchorCell(2, DS)
        view = _update(2, bench.counter + 1, (cell,), NEW_SUPPLIER)
        view = replace(
            view, replacements=(Replacement(foreign, cell),), path=(authority(8).organisation_issuer.octets,)
        )
        found = _outcome(bench, bench.command(0x0102, view))
        assert [one.status for one in found.outcomes] == [status]


def test_nothing_accepted_changes_nothing_but_the_counter() -> None:
    bench = Bench()
    before = bench.state()
    foreign = organisation(NEW_SUPPLIER, Role.SUPPLIER, Usage.DIGITAL_SIGNATURE, issuer=authority(8))
    view = _update(2, bench.counter + 1, (), NEW_SUPPLIER, floor=5000)
    view = replace(view, replacements=(Replacement(foreign, TrustAnchorCell(2, DS)),))
    found = _outcome(bench, bench.command(0x0102, view))
    assert found.seq_number_changes == ()
    after = bench.state()
    assert after["cells"] == before["cells"]
    assert after["floors"] == {f"{SUPPLIER.hex()}/supplier": bench.counter}


def test_bad_certificates() -> None:
    wrong_use = organisation(NEW_SUPPLIER, Role.SUPPLIER, Usage.DIGITAL_SIGNATURE)
    device = authority().device(DEVICE, certificates.Usage.KEY_AGREEMENT, KEYS.public(signing_key(DEVICE)))
    authority_key = authority().organisation_issuer.octets
    for octets in (wrong_use, device, authority_key):
        assert _single(Bench(), octets, KA_CELL) is Status.BAD_CERTIFICATE


def test_validity_is_looked_at_unless_the_command_or_the_settings_say_not() -> None:
    good = organisation(NEW_SUPPLIER, Role.SUPPLIER, Usage.KEY_AGREEMENT)
    unchecked = Asn1Settings(updates=UpdateSettings(CertificateChecks(validity=False)))
    for settings, disapply, expected in (
        (None, None, Status.BAD_CERTIFICATE),
        (None, 0, Status.BAD_CERTIFICATE),
        (None, 1, Status.SUCCESS),
        (unchecked, None, Status.SUCCESS),
    ):
        bench = Bench(settings=settings)
        bench.now = civil(MADE + timedelta(days=5000))
        view = _update(2, bench.counter + 1, (), NEW_SUPPLIER, time_checks=disapply)
        view = replace(view, replacements=(Replacement(good, KA_CELL),))
        assert _outcome(bench, bench.command(0x0102, view)).outcomes[0].status == expected


def test_a_cell_that_the_device_does_not_have() -> None:
    bench = Bench("GPF")
    cell = TrustAnchorCell(2, SIGN)
    octets = organisation(NEW_SUPPLIER, Role.SUPPLIER, Usage.KEY_AGREEMENT)
    assert _single(bench, octets, cell) is Status.TRUST_ANCHOR_NOT_FOUND


def test_cells_change_in_one_write_after_the_floors() -> None:
    bench = Bench()
    outcome = _supplier_by_supplier(bench, floor=10)
    keys = [effect.key for effect in outcome.effects if isinstance(effect, Persist)]
    assert keys == ["floors", "floors", "cells"]
    assert list(outcome.events) == [0x8F70]
    after = bench.cells.as_json()
    bench.boot()
    assert bench.cells.as_json() == after
    assert bench.cells.roles_of(NEW_SUPPLIER) == {Role.SUPPLIER}


@pytest.mark.parametrize(
    ("rooted", "octets", "status"),
    [
        (True, authority(8).root.octets, Status.NO_TRUST_ANCHOR),  # an abnormal root is contingency's alone to place
        (True, authority().root.octets, Status.SUCCESS),
        (True, authority().organisation_issuer.octets, Status.BAD_CERTIFICATE),
        (False, authority(8).root.octets, Status.SUCCESS),
    ],
    ids=["of others", "the same", "no root", "the first"],
)
def test_a_root_by_recovery(rooted: bool, octets: bytes, status: Status) -> None:
    bench = Bench(rooted=rooted)
    view = _update(8, bench.counter + 1, (), NEW_SUPPLIER)
    root = Replacement(octets, TrustAnchorCell(0, SIGN))
    found = _outcome(bench, bench.command(0x0108, replace(view, replacements=(root,)), RECOVERY))
    assert found.outcomes[0].status == status
    assert found.outcomes[0].replacing_subject_id == bytes(8)


@pytest.mark.parametrize(("mode", "role"), [(0, 0), (1, 0), (0, 2), (1, 6)])
def test_the_root_alone_is_replaced_by_supplier_and_wan_provider(mode: int, role: int) -> None:
    bench = Bench("CHF" if mode else "ESME")
    view = _update(mode, 5, (), STRANGER)
    root = Replacement(authority().root.octets, TrustAnchorCell(role, SIGN))
    fault = bench.device.asn1.updates.fault(replace(view, replacements=(root,)), 0x0100 + mode, 5)
    assert (fault is None) == (role == 0)


def test_contingency_by_its_key() -> None:
    key = "contingency-ds"
    store = KEYS.merged(type(KEYS)({key: 4711}, {}))
    foreign = organisation(NEW_SUPPLIER, Role.SUPPLIER, Usage.DIGITAL_SIGNATURE, issuer=authority(8))
    for known in (True, False):
        bench = Bench(settings=Asn1Settings(contingency_key=store.public(key) if known else None))
        view = _update(9, bench.counter + 1, (), STRANGER, plaintext_symmetric_key=bytes(16), floor=0)
        view = replace(
            view,
            replacements=(
                Replacement(foreign, TrustAnchorCell(2, DS)),
                Replacement(authority(8).root.octets, TrustAnchorCell(0, SIGN)),
            ),
            path=(authority(8).organisation_issuer.octets,),
        )
        octets = command(0x0109, view, bench.counter + 1, STRANGER)
        message = replace(gbcs.decode(octets), signature=b"")
        outcome = bench.give(gbcs.encode(protection.sign(message, store, key)))
        if not known:
            assert outcome.refused is not None
            assert outcome.refused.check == "role"
            continue
        found = _outcome(bench, outcome)
        assert [one.status for one in found.outcomes] == [0, 0]
        assert [change.role for change in found.seq_number_changes] == [0]


@pytest.mark.parametrize(
    ("target", "cell"),
    [
        (TrustAnchorCell(2, DS), Cell(Role.SUPPLIER, Usage.DIGITAL_SIGNATURE)),
        (TrustAnchorCell(2, DS, 0), Cell(Role.SUPPLIER, Usage.DIGITAL_SIGNATURE)),
        (TrustAnchorCell(2, KA, 1), Cell(Role.SUPPLIER, Usage.KEY_AGREEMENT, prepayment=True)),
        (TrustAnchorCell(0, SIGN), Cell(Role.ROOT, Usage.CERTIFICATE_SIGNING)),
        (TrustAnchorCell(2, KA, 2), None),
        (TrustAnchorCell(99, DS), None),
        (TrustAnchorCell(2, DS | KA), None),
    ],
)
def test_the_cell_that_a_command_names(target: TrustAnchorCell, cell: Cell | None) -> None:
    assert cell_of(target) == cell


@pytest.mark.parametrize(("seconds", "valid"), [(-1, (False, True)), (0, (True, True)), (1, (True, False))])
def test_a_certificate_is_valid_from_its_first_second_to_its_last(seconds: int, valid: tuple[bool, bool]) -> None:
    found = certificates.parse(authority().root.octets)
    for moment, expected in zip((found.not_before, found.not_after), valid, strict=True):
        judge = Judge(Bench().device.cells, (), MODES[2], moment + timedelta(seconds=seconds), path_checked=True)
        assert judge._valid(found) is expected
    assert Judge(Bench().device.cells, (), MODES[2], None, path_checked=True)._valid(found)


# --------------------------------------------------------------------------------------------------------------- floors


def test_floors_of_the_new_party() -> None:
    bench = Bench()
    specialist = (SpecialistFloor(0, 900),)
    others = (SeqNumberChange(3, 700),)
    found = _outcome(bench, _supplier_by_supplier(bench, floor=800, specialist_floors=specialist, other_changes=others))
    assert found.seq_number_changes == (SeqNumberChange(2, 800, specialist), *others)
    floors = bench.device.floors
    assert floors.floor(Series(NEW_SUPPLIER, Role.SUPPLIER)) == 800
    assert floors.floor(Series(NEW_SUPPLIER, Role.SUPPLIER, prepayment=True)) == 900
    assert floors.floor(Series(OPERATOR, Role.NETWORK_OPERATOR)) == 700


def test_the_same_party_does_not_fall_back() -> None:
    bench = Bench()
    view = _update(2, bench.counter + 1, SUPPLIER_CELLS, SUPPLIER, floor=0)
    octets = command(0x0102, view, bench.counter + 1)
    assert bench.give(octets).response is not None
    again = bench.give(octets)
    assert again.refused is not None
    assert again.refused.check == "replay"


# -------------------------------------------------------------------------------------------------------- future-dated


def _dated(bench: Bench, time: datetime, **changes: Any) -> UpdateResponse:
    view = bench.answer(_supplier_by_supplier(bench, time=time, **changes))
    assert isinstance(view, UpdateResponse)
    return view


def _reach(bench: Bench, moment: datetime) -> list[CredentialsAlert]:
    due = bench.device.reach(civil(moment))
    bench.grant(due.effects)
    alerts = [gbcs.decode(octets) for octets in due.alerts]
    assert all(protection.signature_valid(alert, KEYS.public(signing_key(DEVICE))) for alert in alerts)
    assert all((alert.message_code, alert.recipient) == (0x00CB, SUPPLIER) for alert in alerts)
    views = [bench.view(alert) for alert in alerts]
    return [view for view in views if isinstance(view, CredentialsAlert)]


def test_a_dated_command_waits_over_a_power_cut_and_is_told_to_its_sender() -> None:
    bench = Bench()
    before = bench.cells.as_json()
    assert _dated(bench, LATER).outcome is None
    assert bench.cells.as_json() == before
    bench.boot()
    assert bench.due() == civil(LATER).ns
    assert _reach(bench, LATER - timedelta(seconds=1)) == []
    (alert,) = _reach(bench, LATER + timedelta(seconds=5))
    assert (alert.alert_code, alert.time) == (0x8F66, LATER)
    assert [one.status for one in alert.outcome.outcomes] == [0, 0, 0]
    assert bench.cells.party_of(Role.SUPPLIER) == NEW_SUPPLIER
    assert bench.due() is None
    bench.boot()
    assert bench.due() is None
    assert bench.cells.party_of(Role.SUPPLIER) == NEW_SUPPLIER


def test_a_dated_command_that_fails_says_so() -> None:
    bench = Bench()
    foreign = organisation(NEW_SUPPLIER, Role.SUPPLIER, Usage.KEY_AGREEMENT, issuer=authority(8))
    view = _update(2, bench.counter + 1, (TrustAnchorCell(2, DS),), NEW_SUPPLIER, time=LATER)
    view = replace(view, replacements=(*view.replacements, Replacement(foreign, KA_CELL)))
    bench.answer(bench.command(0x0102, view))
    (alert,) = _reach(bench, LATER)
    assert alert.alert_code == 0x8F67
    assert [one.status for one in alert.outcome.outcomes] == [0, Status.NO_TRUST_ANCHOR]


def test_a_time_that_never_comes_takes_it_back() -> None:
    bench = Bench()
    _dated(bench, LATER)
    assert _dated(bench, NEVER).outcome is None
    bench.boot()
    assert bench.due() is None
    assert _reach(bench, LATER) == []


def test_a_time_that_has_passed_means_at_once() -> None:
    bench = Bench()
    assert _dated(bench, NOW - timedelta(seconds=1)).outcome is not None
    assert bench.due() is None


def test_the_alert_of_the_load_controller_has_its_own_message_code() -> None:
    bench = Bench("SAPC")
    cells = (TrustAnchorCell(8, DS), TrustAnchorCell(8, KA))
    bench.answer(bench.command(0x0125, _update(10, bench.counter + 1, cells, STRANGER, time=LATER), CONTROLLER))
    due = bench.device.reach(civil(LATER))
    (alert,) = (gbcs.decode(octets) for octets in due.alerts)
    assert (alert.message_code, alert.recipient) == (0x0124, CONTROLLER)
    assert due.events == (0x8F66,)


def test_a_cell_keeps_its_place_in_saved_state() -> None:
    bench = Bench()
    bench.answer(_supplier_by_supplier(bench))
    labels = {Cell.labelled(label) for label in bench.saved["cells"]}
    assert labels == {cell for cell, _ in bench.cells}


# ----------------------------------------------------------------------------------------- a loss of power at any write


def _after(bench: Bench, saved: dict[str, Any], writes: list[Persist]) -> Bench:
    """The device as it comes up when power was lost after these writes."""
    other = Bench(bench.kind)
    other.saved = saved | {write.key: write.value for write in writes}
    other.counter = bench.counter
    other.boot()
    return other


def test_a_loss_of_power_at_any_write_leaves_old_cells_or_new_ones() -> None:
    bench = Bench()
    saved, old = dict(bench.saved), bench.cells.as_json()
    outcome = _supplier_by_supplier(bench, floor=7)
    new = bench.cells.as_json()
    writes = [effect for effect in outcome.effects if isinstance(effect, Persist)]
    seen = []
    for number in range(len(writes) + 1):
        other = _after(bench, saved, writes[:number])
        assert other.cells.as_json() in (old, new)
        seen.append(other.cells.as_json() == new)
        if seen[-1]:
            assert other.device.floors.floor(Series(NEW_SUPPLIER, Role.SUPPLIER)) == 7
        elif number:
            assert other.device.floors.floor(Series(SUPPLIER, Role.SUPPLIER)) == bench.counter
    assert seen == [False, False, False, True]


def test_a_dated_command_is_carried_out_whenever_power_was_lost() -> None:
    bench = Bench()
    _dated(bench, LATER, floor=7)
    saved = dict(bench.saved)
    writes = [effect for effect in bench.device.reach(civil(LATER)).effects if isinstance(effect, Persist)]
    assert [write.key for write in writes] == ["floors", "cells", "updates", "counter"]
    for number in range(len(writes) + 1):
        other = _after(bench, saved, writes[:number])
        other.grant(other.device.reach(civil(LATER)).effects)
        assert other.cells.as_json() == bench.cells.as_json()
        assert other.device.floors.floor(Series(NEW_SUPPLIER, Role.SUPPLIER)) == 7
        assert other.due() is None

"""Settings as a device is delivered with them, and the codes that its answers give: each one written out."""

from __future__ import annotations

from dataclasses import fields
from enum import IntEnum
from typing import Any

import pytest

from devices.machines.parts.anomaly_detection import VolumeLimit
from devices.machines.parts.asn1_settings import Asn1Settings
from devices.machines.parts.audit_trail import AuditSettings
from devices.machines.parts.checks import CHECKS, UNSKIPPABLE, CommandSettings
from devices.machines.parts.contactor import ContactorSettings, Supply
from devices.machines.parts.credential_judgement import MODES, Mode, Status
from devices.machines.parts.credential_updates import UpdateSettings
from devices.machines.parts.device_keys import InstallCode, OwnKeysSettings, ReadCode, RequestCode
from devices.machines.parts.duty_cycle import DutyCycleSettings
from devices.machines.parts.event_log import CAPACITY
from devices.machines.parts.firewall import FirewallSettings
from devices.machines.parts.firmware import ActivationCode, TransferCode
from devices.machines.parts.gbz_execution import GbzSettings
from devices.model.roles import Role
from devices.trust import csr

MS, DAY = 1_000_000, 86_400_000_000_000


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        (AuditSettings(), {"period_ns": 400 * DAY}),
        (VolumeLimit("a"), {"most": 0, "window_ns": 3600 * 1000 * MS, "each_user": True, "latches": True}),
        (
            ContactorSettings(),
            {
                "pulse_ns": 80 * MS,
                "settle_ns": 60 * MS,
                "set_pin": "contactor_set",
                "reset_pin": "contactor_reset",
                "aux_pin": "aux_no",
                "again_ns": 0,
                "feedback": False,
            },
        ),
        (
            DutyCycleSettings(),
            {
                "rate_bps": 100_000,
                "overhead": 32,
                "unit": 0.0001,
                "normal_limited": 130,
                "limited_critical": 220,
                "regulated": 280,
            },
        ),
        (FirewallSettings(), {"clusters": {0x0704}, "kinds": {1}}),
        (
            GbzSettings(),
            {
                "cancels": {0xFFFFFFFE, 0xFFFFFFFF},
                "disable_default_response": True,
                "held_types": {"ENUM8"},
            },
        ),
        (OwnKeysSettings(), {"seed": "", "hardware_type": csr.HARDWARE_TYPE}),
        (UpdateSettings(), {"same_party_keeps_floor": True}),
        (Asn1Settings(), {"own_certificates": (), "firmware": b"\0\1\0\0", "contingency_key": None}),
        (
            CommandSettings(),
            {
                "first_counter": 1,
                "malformed_alert": 0x8F1E,
                "unauthorised_alert": 0x8F30,
                "protection_alert": 0x8F3D,
                "replay_alert": 0x8F60,
                "unsupported_alert": 0x8F85,
                "traced_as": 0x8F53,
                "addressee_alert": None,
                "roles_where_unknown": set(Role) - {Role.ROOT, Role.ISSUING_AUTHORITY, Role.OTHER},
                "kinds_seen_only": False,
                "skipped_checks": set(),
                "counts_refused": False,
                "unanswered": set(),
                "before_protection": None,
            },
        ),
    ],
    ids=lambda one: type(one).__name__,
)
def test_settings(settings: Any, values: dict[str, Any]) -> None:
    assert {one.name: getattr(settings, one.name) for one in fields(settings) if one.name in values} == values


@pytest.mark.parametrize(
    ("codes", "names"),
    [
        (RequestCode, {1: "INVALID_KEY_USAGE", 2: "KEY_PAIR_GENERATION_FAILED", 3: "REQUEST_PRODUCTION_FAILED"}),
        (
            InstallCode,
            dict(
                enumerate(
                    (
                        "SUCCESS",
                        "INVALID_CERTIFICATE",
                        "WRONG_DEVICE_IDENTITY",
                        "INVALID_KEY_USAGE",
                        "NO_CORRESPONDING_KEY_PAIR",
                        "WRONG_PUBLIC_KEY",
                        "CERTIFICATE_STORAGE_FAILED",
                        "PRIVATE_KEY_CHANGE_FAILED",
                    )
                )
            ),
        ),
        (ReadCode, {1: "INVALID_KEY_USAGE", 2: "NO_CERTIFICATE_HELD", 3: "RETRIEVAL_FAILED"}),
        (ActivationCode, {0: "SUCCESS", 1: "NO_IMAGE_HELD", 2: "HASH_MISMATCH", 3: "ACTIVATION_FAILURE"}),
        (TransferCode, {0: "SUCCESS", 1: "DISCARDED", 2: "HARDWARE_MISMATCH", 3: "TRANSFER_FAILED"}),
        (
            Status,
            {
                0: "SUCCESS",
                5: "BAD_CERTIFICATE",
                10: "NO_TRUST_ANCHOR",
                17: "INSUFFICIENT_MEMORY",
                25: "TRUST_ANCHOR_NOT_FOUND",
                30: "RESOURCES_BUSY",
                127: "OTHER",
            },
        ),
    ],
)
def test_codes(codes: type[IntEnum], names: dict[int, str]) -> None:
    """facts/gbcs.md 3.4."""
    assert {one.value: one.name for one in codes} == names


def test_who_may_replace_whose_credentials() -> None:
    """facts/gbcs.md 9.4, by credentialsReplacementMode."""
    everybody = set(Role) - {Role.ISSUING_AUTHORITY, Role.OTHER}
    own = {
        2: Role.SUPPLIER,
        3: Role.NETWORK_OPERATOR,
        4: Role.ACCESS_CONTROL_BROKER,
        5: Role.WAN_PROVIDER,
        6: Role.TRANSITIONAL_COS,
        10: Role.LOAD_CONTROLLER,
    }
    rows = {number: (role, {role}, False) for number, role in own.items()} | {
        0: (Role.SUPPLIER, {Role.ROOT}, False),
        1: (Role.WAN_PROVIDER, {Role.ROOT}, False),
        7: (Role.TRANSITIONAL_COS, {Role.SUPPLIER}, False),
        8: (Role.RECOVERY, everybody, False),
        9: (Role.ROOT, everybody, True),
        11: (Role.SUPPLIER, {Role.LOAD_CONTROLLER}, False),
    }
    assert {number: Mode(who, frozenset(whose), new) for number, (who, whose, new) in rows.items()} == MODES


def test_what_else_is_written_down() -> None:
    assert CAPACITY == 100
    assert [(one.name, one.value) for one in Supply] == [("DISABLED", 0), ("ENABLED", 1), ("ARMED", 2)]
    assert list(CHECKS) == [
        "addressee",
        "command",
        "supported",
        "role",
        "form",
        "signature",
        "mac",
        "content",
        "replay",
    ]
    assert {"supported", "content"} == UNSKIPPABLE
    for changes in ({"rate_bps": 0}, {"rate_bps": -1}, {"unit": 0.0}, {"unit": -0.1}):
        with pytest.raises(ValueError, match="more than 0"):
            DutyCycleSettings(**changes)
    assert DutyCycleSettings(rate_bps=1, unit=1e-9).rate_bps == 1

"""What each kind of device is asked while it is killed: the device, its ports, its commands.

The commands of a kind touch everything that such a device keeps: credentials and its own keys above all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from devices.machines.core import Machine
from devices.machines.esme import Esme, EsmeSettings
from devices.machines.han_device import CommissionedOn
from devices.machines.parts.building import command_payload, use_case_named
from devices.model.credentials import Usage
from devices.model.roles import Role
from devices.wire import asn1_typed
from devices.wire.asn1_typed import AuthorisingControl, KeyUsage, Replacement, TrustAnchorCell, UpdateCredentials
from tests.machines.asn1_bench import (
    BROKER,
    CONTROLLER,
    DEVICE,
    KEYS,
    NEW_SUPPLIER,
    STRANGER,
    SUPPLIER,
    WAN,
    authority,
    certified_cells,
    command,
    organisation,
)
from tests.machines.every_kind import CLOCK, MACHINES, port_of

__all__ = ["SCRIPTS", "Script"]

FIRST = 1001
_USAGES = {KeyUsage.DIGITAL_SIGNATURE: Usage.DIGITAL_SIGNATURE, KeyUsage.KEY_AGREEMENT: Usage.KEY_AGREEMENT}


@dataclass(frozen=True)
class Script:
    """One kind of device: how it is made, what is asked of it, at which port, and what it must keep.

    ``keeps`` are the keys of its store that the commands fill; ``settled`` those of them that hold no times, so that a
    device that lived twice ends with what an undisturbed one has there.  ``supply`` names its supply state, ``drives``
    the pin that a device which comes up in that state drives.
    """

    make: Callable[[], Machine]
    commands: Sequence[bytes]
    keeps: frozenset[str]
    settled: frozenset[str]
    port: str = "line"
    supply: str = ""
    drives: Mapping[str, str] = field(default_factory=dict)


class _Conversation:
    """Commands one after the other, each with the next counter."""

    def __init__(self) -> None:
        self.octets: list[bytes] = []

    @property
    def _counter(self) -> int:
        return FIRST + len(self.octets)

    def ask(self, name: str, args: Mapping[str, Any] | None = None, party: bytes = SUPPLIER) -> _Conversation:
        use_case = use_case_named(name)
        payload = command_payload(use_case, args or {}, self._counter, party, DEVICE)
        self.octets.append(command(use_case.code, payload, self._counter, party, signed=True))
        return self

    def replace(self, code: int, role: Role, old: bytes, new: bytes, *usages: KeyUsage) -> _Conversation:
        """New certificates for cells of a role, asked for by who plays it until then."""
        cells = [TrustAnchorCell(int(role), usage) for usage in usages]
        certificates = tuple(Replacement(organisation(new, role, _USAGES[cell.key_usage]), cell) for cell in cells)
        authorising = TrustAnchorCell(int(role), KeyUsage.DIGITAL_SIGNATURE)
        mode = 10 if role is Role.LOAD_CONTROLLER else code & 0xFF
        control = AuthorisingControl(mode, authorising_cell=authorising, authorising_seq_number=self._counter)
        update = UpdateCredentials(control, certificates, (authority().organisation_issuer.octets,))
        self.octets.append(command(code, asn1_typed.write(update), self._counter, old))
        return self

    def new_supplier(self) -> _Conversation:
        return self.replace(0x0102, Role.SUPPLIER, SUPPLIER, NEW_SUPPLIER, *_USAGES)


_NEW_KEY, _NEW_AGREEMENT = {"key_usage": ["digital_signature"]}, {"key_usage": ["key_agreement"]}
_WINDOW = {"start": "2026-01-31T00:00:00Z", "end": "2026-03-01T00:00:00Z"}
_ISSUED = {"Issuer Event ID": 473385600}
_SUPPLY = {"Change Supply": _ISSUED}
_METER, _EPID = bytes.fromhex("00db0000000000a1"), bytes.fromhex("00db000000000140")
_TOGETHER = {"method": 2, "device": "00db0000000000a2", "device_type": 3}
_MASKS = {f"page{page}Mask": f"{page - 28 + 0b11100:06b}" + "0" * 26 for page in (28, 29, 30, 31)}
_SUB_GHZ = {
    **_MASKS,
    "normalLimitedDutyCycleThreshold": 130,
    "limitedCriticalDutyCycleThreshold": 220,
    "channelChangesPerWeek": 5,
    "gsmeCurfew": 7,
    "quieterDecibelsLimit": 7,
    "noisierDecibelsLimit": 12,
    "nonGsmePoorCommsPercentage": 6000,
    "nonGsmeMeasurementPeriods": 130,
    "localChNoiseMeasurementPeriod": 100,
    "localChFailurePercentage": 4000,
    "localChRetryPercentage": 3000,
}


def _esme() -> Script:
    asked = _Conversation().ask("ECS43").ask("ECS81", {"locked": True}).ask("ECS44").ask("ECS42").ask("ECS14")
    asked.ask("ECS70", _WINDOW).ask("CS02c", _NEW_KEY).new_supplier()
    asked.ask("ECS43", party=NEW_SUPPLIER).ask("ECS35b", {"from": 0, "to": 0xFFFFFFFF}, NEW_SUPPLIER)
    settings = EsmeSettings(clock=CLOCK, commissioned_on=CommissionedOn.FIRST_SET_CLOCK)  # nothing joins here
    return Script(
        lambda: Esme(DEVICE, KEYS, certified_cells("ESME"), settings),
        asked.octets,
        frozenset({"floors", "cells", "supply", "objects", "log.event", "log.security", "once", "clock", "own_keys"}),
        frozenset({"floors", "cells", "supply", "objects", "once", "own_keys"}),
        supply="supply",
        drives={"enabled": "contactor_set", "armed": "contactor_reset", "disabled": "contactor_reset"},
    )


def _gsme() -> Script:
    asked = _Conversation().ask("GCS32", _SUPPLY).ask("GCS39", _SUPPLY).ask("GCS28", _WINDOW)
    asked.ask("GCS11", {"Request New Password Response": _ISSUED})
    asked.ask("GCS40c", {"Credit Adjustment": {**_ISSUED, "Credit Adjustment Value": 5_000_000}})
    asked.ask("GCS41", {"Update SiteID": {**_ISSUED, "SiteID": b"1234567890".hex()}})
    asked.ask("CS03B", _TOGETHER).ask("CS02c", _NEW_KEY).new_supplier().ask("GCS32", _SUPPLY, NEW_SUPPLIER)
    return Script(
        MACHINES["GSME"],
        asked.octets,
        frozenset({"floors", "cells", "clusters", "gas", "clock", "join_log", "own_keys", "to_push"}),
        frozenset({"floors", "cells", "join_log", "own_keys"}),
        supply="valve",
        drives={"on": "", "armed": "valve_close", "off": "valve_close"},
    )


def _gpf() -> Script:
    asked = _Conversation().ask("GCS59", {"devices": [{"device": _METER.hex(), "device_type": 1}]})
    asked.ask("CS02c", _NEW_KEY).new_supplier().ask("CS02c", _NEW_AGREEMENT, NEW_SUPPLIER)
    return Script(
        MACHINES["GPF"],
        asked.octets,
        frozenset({"floors", "cells", "clusters", "join_log", "own_keys", "clock"}),
        frozenset({"floors", "cells", "join_log", "own_keys"}),
    )


def _hub() -> Script:
    added = {"device": _METER.hex(), "install_code": bytes(range(16)).hex(), "device_type": "GSME"}
    restored = {"epid": _EPID.hex(), "devices": [{"device": _METER.hex(), "key_hash": bytes(range(16)).hex()}]}
    asked = _Conversation().ask("CCS01", added, BROKER).ask("CCS02", {"device": _METER.hex()}, BROKER)
    asked.ask("CCS03", restored, BROKER).ask("DBCH04", {"SubGHzConfigurationSettings / value": _SUB_GHZ}, BROKER)
    asked.ask("CS02c", _NEW_KEY, BROKER).replace(0x0105, Role.WAN_PROVIDER, WAN, STRANGER, KeyUsage.DIGITAL_SIGNATURE)
    asked.ask("DBCH05", party=BROKER)
    return Script(
        MACHINES["CHF"],
        asked.octets,
        frozenset({"floors", "cells", "objects", "device_log", "log.event", "counter", "own_keys"}),
        frozenset({"floors", "cells", "objects", "device_log", "own_keys"}),
        port=port_of("CHF"),
    )


def _ppmid() -> Script:
    joined = {"method": 1, "device": _METER.hex(), "device_type": 1}
    asked = _Conversation().ask("CS03A2", joined, BROKER).ask("CS02c", _NEW_KEY, BROKER)
    asked.ask("CS04AC", {"device": _METER.hex()}, BROKER).new_supplier().ask("CS02c", _NEW_AGREEMENT, NEW_SUPPLIER)
    return Script(
        MACHINES["PPMID"],
        asked.octets,
        frozenset({"floors", "cells", "clusters", "join_log", "own_keys"}),
        frozenset({"floors", "cells", "join_log", "own_keys"}),
    )


def _hcalcs() -> Script:
    joined = {"method": 1, "device": _METER.hex(), "device_type": 1}
    asked = _Conversation().ask("CS03A2", joined, BROKER).ask("CS02c", _NEW_KEY, BROKER).new_supplier()
    return Script(
        MACHINES["HCALCS"],
        asked.octets,
        frozenset({"floors", "cells", "join_log", "log.event", "own_keys"}),
        frozenset({"floors", "cells", "join_log", "own_keys"}),
    )


def _sapc() -> Script:
    asked = _Conversation().ask("CS02c", _NEW_KEY).new_supplier()
    asked.replace(0x0125, Role.LOAD_CONTROLLER, CONTROLLER, STRANGER, *_USAGES)
    asked.ask("CS02c", _NEW_AGREEMENT, NEW_SUPPLIER)
    return Script(
        MACHINES["SAPC"],
        asked.octets,
        frozenset({"floors", "cells", "log.event", "own_keys"}),
        frozenset({"floors", "cells", "own_keys"}),
    )


SCRIPTS: Mapping[str, Callable[[], Script]] = {
    "ESME": _esme,
    "GSME": _gsme,
    "GPF": _gpf,
    "CHF": _hub,
    "PPMID": _ppmid,
    "HCALCS": _hcalcs,
    "SAPC": _sapc,
}
"""Kind of device to what is asked of it."""

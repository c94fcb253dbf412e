"""The ASN.1 payloads about other devices, clocks and firmware: CS03 to CS09, CCS08, GCS28, GCS59, GCS62.

What a device does with them does not live here; certificates stay DER octets.

Shapes: facts/gbcs.md 3.4 and 5.3 to 5.6, use-cases.json (``asn1``).  No message of the open corpus is a CS06 or CS08.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from devices.wire.asn1_schema import Record, Records, SequenceOf, Single
from devices.wire.asn1_types import (
    CERTIFICATE,
    INTEGER,
    OCTETS_4,
    OCTETS_8,
    OCTETS_32,
    TIME,
)

__all__ = [
    "ActivateFirmware",
    "ActivationResult",
    "ClockResult",
    "ClockWindow",
    "Device",
    "DeviceLog",
    "DeviceLogBackup",
    "DeviceLogRequest",
    "DeviceOutcome",
    "FirmwareActivated",
    "FirmwareActivationAlert",
    "FirmwareTransferAlert",
    "FirmwareVersion",
    "FirmwareVersionRequest",
    "Join",
    "ResponseCode",
    "RestoreDeviceLog",
    "RestoreResult",
    "Unjoin",
    "WillActivate",
]


@dataclass(frozen=True, slots=True)
class ResponseCode(Single):
    """The response of CS02c (failure), CS02d, CS02e (failure), CS03x and CS04x: 0 is success; the other codes are each
    use case's own."""

    code: Annotated[int, INTEGER]


# -------------------------------------------------------------------------------------------------------------- clock


@dataclass(frozen=True, slots=True)
class ClockWindow(Record):
    """GCS28 command: the meter takes the hub's time if that lies between ``start`` and ``end``."""

    start: Annotated[datetime, TIME]
    end: Annotated[datetime, TIME]


@dataclass(frozen=True, slots=True)
class ClockResult(Record):
    """GCS28 response: the meter's time and its status, 0 reliable, 1 invalid, 2 unreliable."""

    device_time: Annotated[datetime, TIME]
    status: Annotated[int, INTEGER]


# ------------------------------------------------------------------------------------------------------- device logs


@dataclass(frozen=True, slots=True)
class Join(Record):
    """CS03x command: add ``device`` (EUI-64) of ``device_type`` by ``method`` (0 A initiator, 1 A responder, 2 B, 3 C).

    ``certificate`` is the key agreement certificate of the other device, DER, with method C.
    """

    method: Annotated[int, INTEGER]
    device: Annotated[bytes, OCTETS_8]
    device_type: Annotated[int, INTEGER]
    certificate: Annotated[bytes | None, CERTIFICATE] = None


@dataclass(frozen=True, slots=True)
class Unjoin(Single):
    """CS04x command: remove ``device`` (EUI-64) from the device log."""

    device: Annotated[bytes, OCTETS_8]


@dataclass(frozen=True, slots=True)
class DeviceLogRequest(Single):
    """CS07 command: read the device log."""


@dataclass(frozen=True, slots=True)
class Device(Record):
    """An entry of a device log.  Types: 0 GSME, 1 ESME, 2 CHF, 3 GPF, 4 HCALCS, 5 PPMID, 6 type 2 device."""

    device: Annotated[bytes, OCTETS_8]
    device_type: Annotated[int, INTEGER]


_DEVICES = SequenceOf(Records(Device))


@dataclass(frozen=True, slots=True)
class DeviceLog(Record):
    """CS07 response: 0 success or 1 read failure, and the entries (None where the list is absent)."""

    code: Annotated[int, INTEGER]
    devices: Annotated[tuple[Device, ...] | None, _DEVICES] = None


@dataclass(frozen=True, slots=True)
class RestoreDeviceLog(Record):
    """GCS59 command: put these entries into the GPF's device log."""

    devices: Annotated[tuple[Device, ...], _DEVICES]


@dataclass(frozen=True, slots=True)
class DeviceOutcome(Record):
    """What became of an entry of GCS59: 0 is success, as in CS03x."""

    device: Annotated[Device, Records(Device)]
    outcome: Annotated[int, INTEGER]


@dataclass(frozen=True, slots=True)
class RestoreResult(Record):
    """GCS59 response: the entries in the order of the command."""

    outcomes: Annotated[tuple[DeviceOutcome, ...], SequenceOf(Records(DeviceOutcome))]


@dataclass(frozen=True, slots=True)
class DeviceLogBackup(Record):
    """GCS62 alert: the GPF's device log after a change."""

    alert_code: Annotated[int, INTEGER]
    time: Annotated[datetime, TIME]
    devices: Annotated[tuple[Device, ...], _DEVICES]


# ----------------------------------------------------------------------------------------------------------- firmware


@dataclass(frozen=True, slots=True)
class ActivateFirmware(Record):
    """CS06 command: run the image with this SHA-256 hash, at once or at ``execution_time``."""

    image_hash: Annotated[bytes, OCTETS_32]
    counter: Annotated[int, INTEGER]
    execution_time: Annotated[datetime | None, TIME] = None


@dataclass(frozen=True, slots=True)
class WillActivate(Single):
    """CS06 response to a future-dated command: NULL."""


@dataclass(frozen=True, slots=True)
class ActivationResult(Record):
    """CS06 response: how it went (0 success, 1 no image, 2 hash mismatch, 3 failure) and the version that runs now."""

    code: Annotated[int, INTEGER]
    version: Annotated[bytes, OCTETS_4]


@dataclass(frozen=True, slots=True)
class FirmwareActivationAlert(Record):
    """Message 00CA: the outcome of a future-dated CS06, by the originator counter of its command."""

    alert_code: Annotated[int, INTEGER]
    time: Annotated[datetime, TIME]
    counter: Annotated[int, INTEGER]
    result: Annotated[ActivationResult, Records(ActivationResult)]


@dataclass(frozen=True, slots=True)
class FirmwareVersionRequest(Single):
    """CS08 command: read the firmware version."""


@dataclass(frozen=True, slots=True)
class FirmwareVersion(Record):
    """CS08 response: the version that runs, and a code of which no source tells more."""

    version: Annotated[bytes, OCTETS_4]
    code: Annotated[int, INTEGER]


@dataclass(frozen=True, slots=True)
class FirmwareTransferAlert(Record):
    """CCS08 alert: an image for ``device`` arrived (0), was discarded (1), is for other hardware (2), got lost (3)."""

    alert_code: Annotated[int, INTEGER]
    time: Annotated[datetime, TIME]
    device: Annotated[bytes, OCTETS_8]
    version: Annotated[bytes, OCTETS_4]
    result: Annotated[int, INTEGER]


@dataclass(frozen=True, slots=True)
class FirmwareActivated(Record):
    """CS09 alert: a PPMID runs another image, or failed to; the results are those of CS06."""

    alert_code: Annotated[int, INTEGER]
    time: Annotated[datetime, TIME]
    version: Annotated[bytes, OCTETS_4]
    result: Annotated[int, INTEGER]

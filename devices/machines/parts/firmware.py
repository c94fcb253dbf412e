"""The firmware of a device: images that it holds, the one that runs, activation now or later (CS06, CS08, CS09, CCS08).

An image is known by its SHA-256 hash; how it came to the device is not this room's business.

Must not live here: over-the-air transfer, what a new firmware changes.

Source: facts/gbcs.md 3.4 (codes), use-cases.json; no CS06 or CS08 is among the messages at hand, so what their codes
lead to is [our choice].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from devices.events.keys import ActivationTried
from devices.machines.core import Effect, MachineError, Persist, Record
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.credential_updates import datetime_of, ns_of
from devices.machines.parts.execution import CommandContext
from devices.model.roles import Role
from devices.wire import eui64
from devices.wire.asn1_typed import (
    ActivateFirmware,
    ActivationResult,
    FirmwareActivated,
    FirmwareActivationAlert,
    FirmwareTransferAlert,
    FirmwareVersion,
    FirmwareVersionRequest,
    View,
    WillActivate,
)

__all__ = [
    "NOT_VERIFIED",
    "VERIFIED",
    "Activation",
    "ActivationCode",
    "Firmware",
    "Image",
    "TransferCode",
    "activated_alert",
    "transfer_of",
]

KEY: Final = "firmware"
CHANGED, VERIFIED, NOT_VERIFIED = 0x8F43, 0x8F72, 0x8F1C
TRANSFER_FAILED, TRANSFERRED, ACTIVATED = 0x8F89, 0x8F8A, 0x8F8B
_NEVER: Final = 9999
"""The year of an execution time that cancels."""


class ActivationCode(IntEnum):
    """The outcome of CS06."""

    SUCCESS = 0
    NO_IMAGE_HELD = 1
    HASH_MISMATCH = 2
    ACTIVATION_FAILURE = 3


class TransferCode(IntEnum):
    """What became of an image on its way through the hub (CCS08)."""

    SUCCESS = 0
    DISCARDED = 1
    HARDWARE_MISMATCH = 2
    TRANSFER_FAILED = 3


@dataclass(frozen=True, slots=True)
class _Waiting:
    due: int
    image_hash: bytes
    counter: int
    originator: bytes
    role: Role

    def as_json(self) -> list[Any]:
        return [self.due, self.image_hash.hex(), self.counter, self.originator.hex(), self.role.label]


@dataclass(frozen=True, slots=True)
class Image:
    """An image as it comes over the air: SHA-256 hash, version (4 octets), whether it is what it says it is."""

    sha256: bytes
    version: bytes
    is_good: bool = True

    @classmethod
    def of_args(cls, args: Mapping[str, Any]) -> Image:
        """From the arguments ``sha256``, ``version`` (hexadecimal) and ``good``; raises :class:`MachineError`."""
        try:
            image = cls(bytes.fromhex(args["sha256"]), bytes.fromhex(args["version"]), args.get("good", True))
        except (KeyError, TypeError, ValueError):
            image = cls(b"", b"")
        known = args.keys() <= {"sha256", "version", "good"}
        if (len(image.sha256), len(image.version)) != (32, 4) or not isinstance(image.is_good, bool) or not known:
            wants = "sha256 (32 octets), version (4 octets), both in hexadecimal, and where wanted good: true or false"
            raise MachineError(f"image takes {wants}; got {dict(args)}")
        return image


@dataclass(frozen=True, slots=True)
class Activation:
    """What came of an activation whose time has come, and to whom it is told."""

    party: bytes
    role: Role
    time: int
    counter: int
    result: ActivationResult

    def alert(self, code: int) -> FirmwareActivationAlert:
        """The content of the alert with ``code``."""
        return FirmwareActivationAlert(code, datetime_of(self.time), self.counter, self.result)


class Firmware:
    """The firmware of one device; ``version`` (4 octets) runs as delivered.

    ``start`` runs an image and says whether it does; as delivered, every one does.
    """

    def __init__(self, version: bytes) -> None:
        self._delivered = self.version = version
        self.start: Callable[[bytes], bool] = lambda _: True
        self._images: dict[bytes, bytes] = {}
        self._waiting: _Waiting | None = None

    def hold(self, image_hash: bytes, version: bytes) -> Persist:
        """An image has arrived, and takes the place of one that was not run: there is room for one [our choice].  The
        effect that keeps it."""
        self._images = {image_hash: version}
        return self.persist()

    def restore(self, saved: Mapping[str, Any] | None) -> None:
        """Take over what was saved."""
        kept = saved or {}
        self.version = bytes.fromhex(kept["version"]) if "version" in kept else self._delivered
        self._images = {bytes.fromhex(key): bytes.fromhex(version) for key, version in kept.get("images", {}).items()}
        self._waiting = None
        if kept.get("waiting"):
            due, image_hash, counter, originator, role = kept["waiting"]
            self._waiting = _Waiting(
                due, bytes.fromhex(image_hash), counter, bytes.fromhex(originator), Role.named(role)
            )

    def persist(self) -> Persist:
        """The effect that keeps images, version and what waits over a power loss."""
        images = {key.hex(): version.hex() for key, version in self._images.items()}
        waiting = None if self._waiting is None else self._waiting.as_json()
        return Persist(KEY, {"version": self.version.hex(), "images": images, "waiting": waiting})

    # --------------------------------------------------------------------------------------------------------- commands

    def activate(self, view: ActivateFirmware, context: CommandContext) -> View:
        """CS06: at once, later, or (with a time that never comes) not at all."""
        time, message = view.execution_time, context.message
        if time is not None and (time.year == _NEVER or ns_of(time) > context.civil.ns):
            self._waiting = None
            if time.year != _NEVER:
                self._waiting = _Waiting(ns_of(time), view.image_hash, view.counter, message.originator, context.role)
            context.effects.append(self.persist())
            context.results = (0,)
            return WillActivate()
        result, effects, events = self.run(view.image_hash)
        context.effects += effects
        context.events += events
        context.results = (result.code,)
        return result

    def read(self, _: FirmwareVersionRequest, context: CommandContext) -> FirmwareVersion:
        """CS08: the version that runs."""
        context.results = (0,)
        return FirmwareVersion(self.version, 0)

    # -------------------------------------------------------------------------------------------------- future-dated

    @property
    def next_due(self) -> int | None:
        """When an activation is due, ns since 1970; None while none waits."""
        return None if self._waiting is None else self._waiting.due

    def reach(self, civil: CivilTime) -> tuple[Activation | None, list[Effect], list[int]]:
        """Carry out the activation that is due at ``civil``: what came of it, effects, events."""
        waiting = self._waiting
        if waiting is None or waiting.due > civil.ns:
            return None, [], []
        self._waiting = None
        result, effects, events = self.run(waiting.image_hash)
        done = Activation(waiting.originator, waiting.role, waiting.due, waiting.counter, result)
        return done, [*effects, self.persist()], events

    def run(self, image_hash: bytes) -> tuple[ActivationResult, list[Effect], list[int]]:
        """Run an image that is held: what came of it, effects, events."""
        code, effects, events = ActivationCode.SUCCESS, list[Effect](), list[int]()
        if not self._images:
            code = ActivationCode.NO_IMAGE_HELD
        elif image_hash not in self._images:
            code = ActivationCode.HASH_MISMATCH
        elif not self.start(image_hash):
            code = ActivationCode.ACTIVATION_FAILURE
        else:
            self.version = self._images.pop(image_hash)
            effects.append(self.persist())
            events += [VERIFIED, CHANGED]
        told = ActivationTried(hash=image_hash, outcome=code.name.lower(), version=self.version)
        effects.append(Record(told))
        return ActivationResult(int(code), self.version), effects, events


def transfer_of(args: Mapping[str, Any], civil: CivilTime) -> FirmwareTransferAlert:
    """CCS08: what became of an image on its way through a hub, from the arguments ``device`` (EUI-64), ``version`` (4
    octets in hexadecimal) and ``outcome`` (the name of a :class:`TransferCode`).  Raises :class:`MachineError`."""
    try:
        device, version = eui64.parse(str(args["device"])), bytes.fromhex(args["version"])
        code = TransferCode[str(args["outcome"]).upper()]
    except (KeyError, TypeError, ValueError):
        device, version, code = b"", b"", TransferCode.SUCCESS
    if len(version) != 4 or len(args) != 3:
        outcomes = ", ".join(one.name.lower() for one in TransferCode)
        raise MachineError(
            f"image_transfer takes device, version (4 octets in hexadecimal) and outcome ({outcomes}); got {dict(args)}"
        )
    alert = TRANSFERRED if code is TransferCode.SUCCESS else TRANSFER_FAILED
    return FirmwareTransferAlert(alert, datetime_of(civil.ns), device, version, int(code))


def activated_alert(version: bytes, code: ActivationCode, civil: CivilTime) -> FirmwareActivated:
    """CS09: a PPMID runs another image, or failed to."""
    return FirmwareActivated(ACTIVATED, datetime_of(civil.ns), version, int(code))

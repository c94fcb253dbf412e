"""What ASN.1 commands presuppose of the device that carries them out; the rules of every family are in ``presupposed``.

    authorising cell     it holds a certificate of whoever sent the command, whatever role that party has elsewhere
                         (a handover is commanded by the party that held the cells until then)
    taken away           the device log holds what a command removes from it
    brought along        a certificate for the device itself finds the key pair that it was made for waiting
    asked for            the device holds its own published certificates, the image that is to be run, and one device in
                         a log that is read

Must not live here: what a device does with a command, expected answers.

Source: facts/gbcs.md 9.4, 9.6; published handovers (CS02b).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from devices.machines.parts.commands import CommandProcessor
from devices.machines.parts.joining import PeerType
from devices.model.credentials import Credential, CredentialCells, Usage
from devices.trust import certificates
from devices.trust.errors import TrustError
from devices.trust.keystore import agreement_key, signing_key
from devices.wire import asn1_typed
from devices.wire.asn1_typed import (
    ActivateFirmware,
    Certificate,
    CredentialsRequest,
    DeviceLogRequest,
    TrustAnchorCell,
    Unjoin,
    UpdateCredentials,
    View,
)
from devices.wire.errors import WireError
from devices.wire.gbcs import Message

__all__ = ["JOINED", "fill_authorising_cells", "prepare"]

_NAMES: Final = {Usage.DIGITAL_SIGNATURE: signing_key, Usage.KEY_AGREEMENT: agreement_key}
JOINED: Final = bytes.fromhex("00db00000000ff01")
"""A device that is in a log which is read [our choice]."""
_NEW_VERSION: Final = bytes.fromhex("00010001")


def fill_authorising_cells(
    cells: CredentialCells, message: Message, publics: Mapping[str, bytes], known: Mapping[str, bytes]
) -> None:
    """Let the sender hold the cells of the role that its command names as authorising.

    ``publics`` and ``known`` are public points and certificates (DER) by key name.
    """
    cell = _authorising(message)
    if cell is None or cell.role in cells.roles_of(message.originator):
        return
    for place in cells.places:
        name = _NAMES[place.usage](message.originator) if place.usage in _NAMES else ""
        if place.role == cell.role and name in publics:
            cells.place(place, Credential(message.originator, publics[name], known.get(name)))


def prepare(processor: CommandProcessor, message: Message, known: Mapping[str, bytes]) -> None:
    """Put there what ``message`` asks for or takes away; ``known`` are certificates (DER) by key name."""
    device = processor.asn1
    for name in (signing_key(processor.identity), agreement_key(processor.identity)):
        if name in known:
            device.own.hold(known[name])
    match _view(message):
        case Unjoin(peer):
            device.log.enter(peer, int(PeerType.TYPE_2))
        case Certificate(octets):
            with suppress(TrustError):  # a certificate that is none; the device will say so itself
                found = certificates.parse(octets)
                if found.usage in (certificates.Usage.DIGITAL_SIGNATURE, certificates.Usage.KEY_AGREEMENT):
                    device.own.expect(found.usage, found.public)
        case DeviceLogRequest():
            device.log.enter(JOINED, int(PeerType.TYPE_2))
        case ActivateFirmware(image_hash):
            device.firmware.hold(image_hash, _NEW_VERSION)
        case _:
            return


def _authorising(message: Message) -> TrustAnchorCell | None:
    match _view(message):
        case CredentialsRequest(cell, _):
            return cell
        case UpdateCredentials(control, _, _, _):
            return control.authorising_cell
        case _:
            return None


def _view(message: Message) -> View | None:
    if (message.message_code, message.cra) not in asn1_typed.VIEWS:
        return None
    with suppress(WireError):
        return asn1_typed.read(message.message_code, message.cra, message.payload).view
    return None

"""Whether a command can be built again from its own named arguments.

The arguments are read off the command, pass through JSON, and the command is built and protected from them with the
keys at hand.  It equals the published one octet for octet, but for the ECDSA signature, which has a random part: ours
must verify, and with the published signature in its place the MAC over it must be the published MAC.

Must not live here: how a command is built (``devices.machines``), the counting (``check``).
"""

from __future__ import annotations

import json

from devices.machines.core import MachineError
from devices.machines.parts.building import arguments_of, command_message, envelope_of, protect_command
from devices.model import use_cases
from devices.model.use_cases import UseCase
from devices.trust.errors import TrustError
from devices.trust.keystore import agreement_key, signing_key
from devices.trust.protection import add_mac, mac_parties, signature_valid
from devices.wire import gbcs
from devices.wire.errors import WireError
from devices.wire.gbcs import Message
from rig.gbcs.reading import Keys, unpublished

__all__ = ["difference"]


def difference(message: Message, octets: bytes, keys: Keys) -> tuple[str, str]:
    """Why the command built from the arguments of ``message`` is not ``octets``, or nothing; and the name of the
    private key without which only its contents could be compared, or nothing."""
    use_case = use_cases.by_code(message.message_code)
    if use_case is None:
        return f"message code 0x{message.message_code:04X} is not in the use-case table", ""
    try:
        return _difference(message, octets, keys, use_case), ""
    except (MachineError, TrustError, WireError) as fault:
        return str(fault), unpublished(fault)


def _difference(message: Message, octets: bytes, keys: Keys, use_case: UseCase) -> str:
    arguments = json.loads(json.dumps(arguments_of(message)))
    built = command_message(use_case, arguments, envelope_of(message))
    if built.payload != message.payload:
        return f"the payload differs from octet {_first(built.payload, message.payload)} on"
    built = protect_command(built, use_case, keys.store, keys.broker)
    if bool(built.signature) != bool(message.signature) or (built.mac is None) != (message.mac is None):
        return "it is protected in another form"
    if built.signature:
        if not signature_valid(built, keys.store.public(signing_key(built.originator))):
            return "its signature does not verify"
        built = built._replace(signature=message.signature)
        if message.mac is not None:
            one, other = (agreement_key(party) for party in mac_parties(built, keys.broker))
            built = add_mac(built, keys.store.agree(one, keys.store.public(other)))
    whole = gbcs.encode(built)
    return "" if whole == octets else f"it differs from octet {_first(whole, octets)} on"


def _first(one: bytes, other: bytes) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))

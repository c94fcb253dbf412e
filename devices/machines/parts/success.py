"""Whether a response says that its command succeeded: what success looks like is each use case's own.

A use case of the DLMS family succeeds with an access result of 0 for each access of its command; one of the GBZ family
with a response in which no component refuses, be it a status or data; one of the ASN.1 family as its type says: by a
code, by a status for each entry, or by the very thing that was asked for (a certification request, a certificate).

Must not live here: whether a response is genuine (the parties), what it says in words (``reading``).

Source: facts/gbcs.md 3.1 to 3.4, 9.5; use-cases.json (``dlms``, ``gbz``, ``asn1``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from devices.model import use_cases
from devices.model.use_cases import UseCase
from devices.trust.errors import TrustError
from devices.wire import asn1_typed, cosem, gbz, gbz_typed, payload
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA, Message
from devices.wire.gbz_typed import Command, DefaultResponse, ReadAttributesResponse, WriteAttributesResponse

__all__ = ["Unseal", "succeeded"]

Unseal = Callable[[bytes], bytes]
"""The plaintext of an encrypted part."""


def succeeded(message: Message, command: Message | None = None, unseal: Unseal | None = None) -> bool | None:
    """True or False for a response whose use case says what success is; None for what is no response, for a message
    code that nobody knows, and for a payload that nobody can read.

    With the ``command`` a response with fewer results than it had accesses is no success.  ``unseal`` opens encrypted
    parts, raising :class:`TrustError`; what stays sealed counts as data.
    """
    if message.cra != CRA.RESPONSE:
        return None
    use_case = use_cases.by_code(message.message_code)
    if use_case is None:
        return None
    try:
        match payload.decode(message):
            case cosem.AccessResponse() as pdu:
                expected = max(1, 0 if command is None else _accesses(command))
                return len(pdu.results) >= expected and all(int(result.code) == 0 for result in pdu.results)
            case gbz.Payload() as pdu:
                return bool(pdu.components) and all(_accepted(one, use_case, unseal) for one in pdu.components)
        return _asn1(asn1_typed.read(message.message_code, message.cra, message.payload).view)
    except WireError:
        return None


def _accesses(command: Message) -> int:
    pdu = payload.decode(command)
    return len(pdu.specs) if isinstance(pdu, cosem.AccessRequest) else 0


def _opened(component: gbz.Component, unseal: Unseal | None) -> gbz_typed.Body:
    body = gbz_typed.read(component)
    if not isinstance(body, gbz_typed.Sealed) or unseal is None:
        return body
    try:
        return gbz_typed.read_plaintext(component, unseal(body.blob))
    except TrustError:
        return body


def _accepted(component: gbz.Component, use_case: UseCase, unseal: Unseal | None) -> bool:
    """Whether a component refuses nothing."""
    match _opened(component, unseal):
        case DefaultResponse(status=status):
            return status == 0 or status in _alternatives(component, use_case)
        case ReadAttributesResponse(records=records):
            return all(record.status == 0 for record in records)
        case WriteAttributesResponse(records=records):
            return all(record.status == 0 for record in records)
        case Command(cluster=cluster, command=command, fields=values):
            name, good = _TOLD.get((cluster, command), ("", _anything))
            return all(good(value) for field, value in values if field == name)
    return True


def _alternatives(component: gbz.Component, use_case: UseCase) -> frozenset[int]:
    """The statuses of a Default Response that the use case counts as an answer: 'not found' where there is nothing."""
    return frozenset(
        int(str(field["value"]), 16)
        for row in use_case.gbz
        if row.message == "alternate response" and row.cluster == component.cluster
        for field in row.fields
        if field.get("name") == "Status" and "value" in field
    )


def _anything(_value: object) -> bool:
    return True


# Responses that tell in a field of their own whether it went well (the published ERROR responses show how).
_TOLD: Final[Mapping[tuple[int, int], tuple[str, Callable[[Any], bool]]]] = {
    (0x0705, 0x03): ("Result Type", lambda value: value == 0),  # Consumer Top Up Response: accepted
    (0x0709, 0x02): ("ClearedEventsLogs", lambda value: value != 0),  # Clear Event Log Response: some log was cleared
    (0x0702, 0x0D): ("Sample ID", lambda value: value != 0xFFFF),  # StartSamplingResponse: a sample was begun
}


def _asn1(view: asn1_typed.View) -> bool | None:
    match view:
        case asn1_typed.ResponseCode(code) | asn1_typed.DeviceLog(code):
            return code == 0
        case asn1_typed.ActivationResult(code=code) | asn1_typed.FirmwareVersion(code=code):
            return code == 0
        case asn1_typed.CertificationRequest() | asn1_typed.Certificate() | asn1_typed.WillActivate():
            return True
        case asn1_typed.CredentialsReport(roles):
            return bool(roles) and all(role.status == 0 for role in roles)
        case asn1_typed.UpdateResponse(outcome=outcome):
            return outcome is None or all(one.status == 0 for one in outcome.outcomes)
        case asn1_typed.ClockResult(status=status):
            return status == 0
        case asn1_typed.RestoreResult(outcomes):
            return all(one.outcome == 0 for one in outcomes)
    return None

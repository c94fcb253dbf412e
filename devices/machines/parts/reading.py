"""Responses and alerts in few words: result codes, data, alert code, and one line for a display.

Reading is best effort: what cannot be read is left out, never an error, because whoever reads has the octets as well.

Must not live here: verification of signatures and MACs (the parties), what a device answers.

Source: facts/gbcs.md 3.1 to 3.4; which use cases are sensitive is [our choice], after the rule of the 2013 design group
that a terminal shows every message type except those with sensitive data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from devices.model import use_cases
from devices.model.use_cases import UseCase
from devices.wire import asn1, axdr, cosem, gbz, gbz_typed, payload
from devices.wire.axdr import Data
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA, Message

__all__ = ["outcome", "sensitive", "words"]

_SENSITIVE: Final = frozenset(
    # tokens, identification numbers, install codes and hashes of link keys
    {"CS01a", "CS01b", "ECS50", "GCS36", "CCS01", "CCS03", "CCS07", "CS14", "ECS14", "GCS11", "ECS12", "ECS10"}
)
_STATES: Final = {"ECS45": {0: "disabled", 1: "enabled", 2: "armed"}}
_KINDS: Final = {CRA.COMMAND: "command", CRA.RESPONSE: "response", CRA.ALERT: "alert"}
_DLMS: Final = {1: "hardware fault", 2: "temporary failure", 3: "read-write denied", 250: "other reason"}
_ZCL: Final = {0x01: "failure", 0x8B: "not found", 0xC0: "hardware failure"}


def sensitive(use_case: UseCase | None) -> bool:
    """Whether the content of these messages is not for a display: encrypted, or named above, or unknown."""
    return use_case is None or use_case.encrypted_reply or use_case.use_case in _SENSITIVE


@dataclass(frozen=True, slots=True)
class Outcome:
    """``results`` (codes of what was done), ``data`` (A-XDR of each datum) and ``alert`` (its code, or None).

    The codes are those of the payload's family: access results, ZCL statuses, or an ASN.1 integer.
    """

    results: tuple[int, ...]
    data: tuple[bytes, ...]
    alert: int | None


def outcome(message: Message) -> Outcome:
    """What the payload of a response or alert says was done."""
    results: list[int] = []
    data: list[bytes] = []
    alert: int | None = None
    match _read(message):
        case cosem.AccessResponse() as pdu:
            results = [int(result.code) for result in pdu.results]
            data = [axdr.encode(datum) for datum in pdu.data]
        case cosem.Notification(body=body):
            alert = _alert_code(body)
        case gbz.Alert(code=code):
            alert = code
        case gbz.Payload(components=components) if message.cra == CRA.RESPONSE:
            results = [status for component in components for status in _statuses(component)]
        case asn1.Node() as node if message.cra == CRA.RESPONSE:
            results = _integer(node)
    return Outcome(tuple(results), tuple(data), alert)


def _statuses(component: gbz.Component) -> list[int]:
    """The statuses that a component tells: of a default response, of each attribute that was read, success of a command
    that answers another; nothing where it cannot be read or is encrypted."""
    if component.additional is not None:
        return []
    try:
        body = gbz_typed.read(component)
    except WireError:
        return []
    match body:
        case gbz_typed.DefaultResponse(status=status):
            return [status]
        case gbz_typed.ReadAttributesResponse(records=records):
            return [record.status for record in records]
        case gbz_typed.Command():
            return [0]
    return []


def _integer(node: asn1.Node) -> list[int]:
    """The value of a response that is one integer, nothing for any other."""
    try:
        return [asn1.to_integer(node)]
    except WireError:
        return []  # a certificate, a list of credentials and the like: no code


def words(message: Message) -> str:
    """One line for a person.  Sensitive content is never part of it."""
    use_case = use_cases.by_code(message.message_code)
    name = (use_case.use_case or use_case.title) if use_case else f"unknown code 0x{message.message_code:04X}"
    title = f" ({use_case.title})" if use_case and use_case.use_case else ""
    kind = _KINDS.get(CRA(message.cra), "message") if message.cra in list(CRA) else "message"
    device = message.recipient if message.cra == CRA.COMMAND else message.originator
    return f"{name}{title} {kind} {_way(message.cra)} {device.hex('-').upper()}{_details(message, use_case)}"


def _way(cra: int) -> str:
    return "for" if cra == CRA.COMMAND else "from"


def _details(message: Message, use_case: UseCase | None) -> str:
    read = outcome(message)
    if read.alert is not None:
        return f": alert {read.alert:04X}"
    if message.cra != CRA.RESPONSE or not read.results:
        return ""
    failed = [code for code in read.results if code]
    text = f": {_code(message, failed[0])}" if failed else ": success"
    if failed or sensitive(use_case):
        return text
    values = [value for value in (_value(use_case, datum) for datum in _data(message)) if value]
    return text + (f", {', '.join(values)}" if values else "")


def _code(message: Message, code: int) -> str:
    names: Mapping[int, str] = {"dlms": _DLMS, "gbz": _ZCL}.get(payload.family(message.payload), {})
    return names.get(code, f"result {code}")


def _value(use_case: UseCase | None, datum: Data) -> str:
    """A simple value in words, empty for null and for what has parts."""
    value = datum.value
    if datum.tag == axdr.Tag.NULL or isinstance(value, tuple):
        return ""
    names = _STATES.get((use_case.use_case or "") if use_case else "", {})
    if isinstance(value, int):
        return names.get(value, str(value))
    return value.hex() if isinstance(value, bytes) and len(value) <= 16 else ""


def _data(message: Message) -> tuple[Data, ...]:
    pdu = _read(message)
    return pdu.data if isinstance(pdu, cosem.AccessResponse) else ()


def _read(message: Message) -> payload.Payload | None:
    try:
        return payload.decode(message)
    except WireError:
        return None  # unreadable: there is nothing to say beyond the envelope


def _alert_code(body: Data) -> int | None:
    parts = body.value if isinstance(body.value, tuple) else (body,)
    first = parts[0] if parts else None
    return first.value if isinstance(first, Data) and isinstance(first.value, int) else None

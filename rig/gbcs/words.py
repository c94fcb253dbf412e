"""GBCS messages in words: what was read, as one dictionary of JSON types that text and ``--json`` both come from.

Must not live here: how the text is laid out (``layout``), how single values read (``values``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from devices.model import alerts, use_cases
from devices.model.use_cases import DlmsRow, GbzRow, UseCase
from devices.wire import cosem, dlms_alerts, gbz, gbz_typed, zcl
from devices.wire.axdr import Data, Tag
from devices.wire.cosem import Op
from devices.wire.eui64 import text as eui_text
from devices.wire.gbcs import CRA, Message, is_precommand
from devices.wire.payload import Typed
from rig.gbcs.reading import Check, Opened, PartReading, Reading
from rig.gbcs.values import asn1_node, asn1_view, certificate, date_time, dlms_value, zcl_body, zigbee_time

__all__ = ["describe"]

Words = dict[str, Any]

CLUSTERS = {
    0x0000: "Basic", 0x000A: "Time", 0x0700: "Price", 0x0701: "Demand Response and Load Control", 0x0702: "Metering",
    0x0703: "Messaging", 0x0704: "Tunneling", 0x0705: "Prepayment", 0x0706: "Energy Management", 0x0707: "Calendar",
    0x0708: "Device Management", 0x0709: "Events", 0x070A: "MDU Pairing", 0x0800: "Key Establishment",
}  # fmt: skip
CLASSES = {
    1: "Data", 3: "Register", 4: "Extended Register", 5: "Demand Register", 6: "Register Activation",
    7: "Profile Generic", 8: "Clock", 9: "Script Table", 10: "Schedule", 11: "Special Days Table",
    18: "Image Transfer", 20: "Activity Calendar", 21: "Register Monitor", 22: "Single Action Schedule",
    30: "Data Protection", 64: "Security Setup", 68: "Arbitrator", 70: "Disconnect Control", 71: "Limiter",
    104: "Zigbee Network Control", 111: "Account", 112: "Credit", 113: "Charge", 115: "Token Gateway",
    9000: "Passive Copy (GB)",
}  # fmt: skip
# data-access-result and action-result of DLMS share their numbers as far as GBCS uses them.
RESULTS = {
    0: "success", 1: "hardware fault", 2: "temporary failure", 3: "read or write denied", 4: "object undefined",
    9: "object class inconsistent", 11: "object unavailable", 12: "type unmatched", 13: "scope of access violated",
    14: "data block unavailable", 250: "other reason",
}  # fmt: skip
OPERATIONS = {Op.GET: "get", Op.SET: "set", Op.ACTION: "action", Op.GET_SELECTION: "get-selective"}
PROFILE_WIDE = {
    0x00: "Read Attributes", 0x01: "Read Attributes Response", 0x02: "Write Attributes",
    0x03: "Write Attributes Undivided", 0x04: "Write Attributes Response", 0x05: "Write Attributes No Response",
    0x0A: "Report Attributes", 0x0B: "Default Response",
}  # fmt: skip
UNKNOWN = "unknown code"


def describe(reading: Reading | PartReading, octets: bytes, source: str | None = None) -> Words:
    """Everything about one message.  ``source`` says where in a file or capture it was found.

    Counters are text: they have 64 bits, of which readers of JSON in JavaScript keep 53.
    """
    message = reading.message
    use_case = use_cases.by_code(message.message_code)
    return {
        "source": source,
        "kind": "pre-command" if is_precommand(message) else CRA(message.cra).name.lower(),
        "message_code": f"0x{message.message_code:04X}",
        "use_case": use_case.use_case if use_case else None,
        "title": use_case.title if use_case else UNKNOWN,
        "category": use_case.category if use_case else None,
        "service_requests": list(use_case.service_requests) if use_case else [],
        "originator": eui_text(message.originator),
        "recipient": eui_text(message.recipient),
        "counter": str(message.counter),
        "date_time": date_time(message.date_time) if message.date_time else None,
        "supplementary": _supplementary(message),
        "payload": _payload(reading.payload, use_case) if isinstance(reading, Reading) else _partial(reading, use_case),
        "signature": _check(reading.signature),
        "mac": _check(reading.mac),
        "encrypted": [_opened(part, reading) for part in reading.sealed],
        "octets": len(octets),
        "hex": octets.hex(),
    }


def _supplementary(message: Message) -> Words | None:
    if message.supplementary_party is None:
        return None
    words: Words = {
        "party": eui_text(message.supplementary_party),
        "counter": _counter(message.supplementary_counter),
        "originator_counter": _counter(message.supplementary_originator_counter),
    }
    if message.certificate is not None:
        words["certificate"] = certificate(message.certificate) or "not readable"
    return words


def _counter(counter: int | None) -> str | None:
    return None if counter is None else str(counter)


def _check(check: Check) -> Words:
    return {"verdict": check.verdict.value, "keys": list(check.keys), "reason": check.reason}


def _opened(part: Opened, reading: Reading | PartReading) -> Words:
    words: Words = {"where": part.where, "octets": len(part.blob), **_check(part.check)}
    if part.plaintext is None:
        return words
    words["plaintext"] = part.plaintext.hex()
    if isinstance(part.content, Data):
        words["content"] = [dlms_value(part.content)]
    elif part.content is not None:
        words["content"] = zcl_body(part.content, _attributes_at(part.blob, reading))
    else:
        words["content"] = [{"name": "not readable", "value": None, "text": part.fault}]
    return words


def _attributes_at(blob: bytes, reading: Reading | PartReading) -> Mapping[int, str]:
    """The names of the attributes of the cluster in which an encrypted component is."""
    body = reading.payload if isinstance(reading, Reading) else reading.partial.content
    components = gbz_typed.components_of(body) if isinstance(body, gbz_typed.Payload | gbz_typed.Alert) else ()
    return next((_attribute_names(one.cluster) for one in components if one.body == gbz_typed.Sealed(blob)), {})


def _payload(body: Typed, use_case: UseCase | None) -> Words:
    if isinstance(body, cosem.AccessRequest):
        return _request(body, use_case)
    if isinstance(body, cosem.AccessResponse):
        return _response(body, use_case)
    if isinstance(body, cosem.Notification):
        return {"family": "dlms", "pdu": "data-notification", "elements": [dlms_value(body.body)]}
    if isinstance(body, dlms_alerts.Alert):
        return _dlms_alert(body)
    if isinstance(body, gbz_typed.Payload):
        components = [_component(component, use_case) for component in body.components]
        return {"family": "gbz", "pdu": "components", "components": components}
    if isinstance(body, gbz_typed.Alert):
        return _gbz_alert(body, use_case)
    return {"family": "asn1", "pdu": _spaced(type(body.view).__name__), "fields": asn1_view(body.view)}


def _partial(reading: PartReading, use_case: UseCase | None) -> Words:
    """A payload as far as it could be read, and under ``unread`` the octets that nothing explains, with the reason."""
    partial = reading.partial
    content = partial.content
    if content is None:
        words: Words = {"family": partial.family, "pdu": "unread" if partial.family else "none"}
    elif isinstance(content, tuple):
        words = {"family": "asn1", "pdu": "unknown", "fields": [asn1_node(node) for node in content]}
    else:
        words = _payload(content, use_case)
        if isinstance(content, cosem.AccessResponse):
            words["surplus"] = [dlms_value(data) for data in content.data[len(content.results) :]]
    if partial.reason or partial.rest or partial.family is None:
        words["unread"] = {
            "offset": partial.offset,
            "octets": len(partial.rest),
            "hex": partial.rest.hex(),
            "reason": partial.reason,
        }
    return words


def _spaced(name: str) -> str:
    """A class name as words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


# ------------------------------------------------------------------------------------------------------------ DLMS


def _request(body: cosem.AccessRequest, use_case: UseCase | None) -> Words:
    accesses = []
    for number, spec in enumerate(body.specs):
        row = _row(use_case, spec)
        words: Words = {
            "operation": OPERATIONS[Op(spec.op)],
            **_object(spec.class_id, spec.obis, spec.index, spec.op, row),
        }
        if spec.selection is not None:
            words["selector"], words["selection"] = spec.selector, dlms_value(spec.selection)
        if number < len(body.data) and body.data[number].tag != Tag.NULL:
            words["value"] = dlms_value(body.data[number], _field_names(row))
        accesses.append(words)
    surplus = [dlms_value(data) for data in body.data[len(body.specs) :]]
    return {"family": "dlms", "pdu": "access-request", "accesses": accesses} | ({"surplus": surplus} if surplus else {})


def _response(body: cosem.AccessResponse, use_case: UseCase | None) -> Words:
    """Results with their data; the objects are those of the use case, as a response doesn't repeat them."""
    rows = _answered_rows(use_case, body.results)
    results = []
    for number, result in enumerate(body.results):
        row = rows[number] if rows else None
        words: Words = {
            "operation": OPERATIONS.get(Op(result.op), str(result.op)) if result.op <= 4 else f"choice {result.op}",
            "result": RESULTS.get(result.code, f"result {result.code}"),
            "code": result.code,
        }
        if row is not None and row.class_id is not None and row.obis is not None and row.index is not None:
            words |= _object(row.class_id, row.obis, row.index, result.op, row)
        if number < len(body.data) and body.data[number].tag != Tag.NULL:
            words["value"] = dlms_value(body.data[number], _field_names(row))
        results.append(words)
    return {"family": "dlms", "pdu": "access-response", "results": results}


def _dlms_alert(alert: dlms_alerts.Alert) -> Words:
    words: Words = {"family": "dlms", "pdu": "data-notification", **_alert(alert.code, date_time(alert.time))}
    details = alert.details
    if isinstance(details, tuple):
        return words | {"elements": [dlms_value(element) for element in details]}
    where = {"class_id": details.class_id, "obis": ".".join(map(str, details.obis)), "index": details.index}
    return words | {"future_dated": _future_dated(details.message_code, details.counter) | where}


def _future_dated(message_code: int, counter: int) -> Words:
    dated = use_cases.by_code(message_code)
    return {
        "message_code": f"0x{message_code:04X}",
        "use_case": dated.use_case if dated else None,
        "counter": str(counter),
    }


def _alert(code: int, when: str) -> Words:
    return {"alert": {"code": f"0x{code:04X}", "name": alerts.alert_name(code), "time": when}}


def _object(class_id: int, obis: bytes, index: int, op: int, row: DlmsRow | None) -> Words:
    return {
        "class_id": class_id,
        "class": CLASSES.get(class_id, f"class {class_id}"),
        "obis": ".".join(str(part) for part in obis),
        "method" if op == Op.ACTION else "attribute": index,
        "name": row.name if row is not None else _names().get((class_id, obis, index, op == Op.ACTION)),
    }


def _row(use_case: UseCase | None, spec: cosem.Spec) -> DlmsRow | None:
    for row in use_case.dlms if use_case else ():
        same = (row.class_id, row.obis, row.index) == (spec.class_id, spec.obis, spec.index)
        if same and (row.op == "action") == (spec.op == Op.ACTION):
            return row
    return None


def _answered_rows(use_case: UseCase | None, results: Sequence[cosem.Result]) -> Sequence[DlmsRow]:
    """The rows that results answer, where the use case has as many of the same kinds; else none."""
    rows = use_case.dlms if use_case else ()
    kinds = [OPERATIONS.get(Op(result.op), "") if result.op <= 4 else "" for result in results]
    wanted = ["get" if row.op == "get-selective" else row.op for row in rows]
    return rows if wanted == ["get" if kind == "get-selective" else kind for kind in kinds] else ()


def _field_names(row: DlmsRow | None) -> list[str]:
    return [field.get("name", "").rsplit(".", 1)[-1] for field in row.fields] if row is not None else []


@cache
def _names() -> Mapping[tuple[int, bytes, int, bool], str]:
    """The name of every object that any use case touches."""
    return {
        (row.class_id, row.obis, row.index, row.op == "action"): row.name
        for use_case in use_cases.all_use_cases()
        for row in use_case.dlms
        if row.class_id is not None and row.obis is not None and row.index is not None
    }


# ------------------------------------------------------------------------------------------------------------ GBZ


def _component(component: gbz_typed.Component, use_case: UseCase | None) -> Words:
    words: Words = {
        "cluster": f"0x{component.cluster:04X}",
        "cluster_name": CLUSTERS.get(component.cluster, "unknown cluster"),
        "command": f"0x{component.command:02X}",
        "command_name": _command_name(component, use_case),
        "direction": "server to client" if component.frame_control & zcl.TO_CLIENT else "client to server",
    }
    if component.from_time is not None:
        words["from"] = zigbee_time(component.from_time)
    if isinstance(component.body, gbz_typed.Sealed):
        return words | {"encrypted": True}
    words["fields"] = zcl_body(component.body, _attribute_names(component.cluster))
    if isinstance(component.body, gbz_typed.Unread):
        rest = component.body.rest
        words["unread"] = {"octets": len(rest), "hex": rest.hex(), "reason": component.body.reason}
    return words


def _command_name(component: gbz_typed.Component, use_case: UseCase | None) -> str:
    if component.frame_control & 3 != zcl.CLUSTER_SPECIFIC:
        return PROFILE_WIDE.get(component.command, "profile-wide command")
    if isinstance(component.body, gbz_typed.Command):
        return component.body.name
    if isinstance(component.body, gbz_typed.Unread) and component.body.command is not None:
        return component.body.command.name
    row = _gbz_row(component, use_case)
    return row.name if row is not None else "unknown command"


def _gbz_row(component: gbz_typed.Component, use_case: UseCase | None) -> GbzRow | None:
    """The row of a component's command: of this use case, else of any other."""
    to_client = bool(component.frame_control & zcl.TO_CLIENT)
    key = (component.cluster, component.command, to_client, component.frame_control & 3 == zcl.CLUSTER_SPECIFIC)
    for row in use_case.gbz if use_case else ():
        if _gbz_key(row) == key:
            return row
    return _gbz_rows().get(key)


def _gbz_key(row: GbzRow) -> tuple[int, int, bool, bool]:
    return row.cluster, row.command, row.direction == "server-to-client", row.frame == "cluster"


@cache
def _gbz_rows() -> Mapping[tuple[int, int, bool, bool], GbzRow]:
    return {_gbz_key(row): row for use_case in use_cases.all_use_cases() for row in use_case.gbz}


@cache
def _attribute_names(cluster: int) -> Mapping[int, str]:
    return {
        int(str(field["attribute_id"]), 16): field["name"]
        for use_case in use_cases.all_use_cases()
        for row in use_case.gbz
        for field in row.fields
        if row.cluster == cluster and "attribute_id" in field and field.get("name")
    }


def _gbz_alert(alert: gbz_typed.Alert, use_case: UseCase | None) -> Words:
    words: Words = {"family": "gbz", "pdu": "alert", **_alert(alert.code, zigbee_time(alert.time))}
    body = alert.body
    if isinstance(body, gbz.FutureDated):
        where = {"cluster": f"0x{body.cluster:04X}", "command": f"0x{body.command:02X}"}
        words["future_dated"] = _future_dated(body.message_code, body.counter) | where
    elif isinstance(body, gbz.IntegrityWarning):
        words["issue"] = body.issue
    elif isinstance(body, gbz.FirmwareVerified):
        words["fields"] = [{"name": "image hash", "value": body.image_hash.hex()}]
    else:
        words["components"] = [_component(component, use_case) for component in body]
    return words

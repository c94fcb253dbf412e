"""Commands from named arguments: every use case of the table, and every argument of every published command."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from devices.machines.core import MachineError
from devices.machines.parts import building_dlms
from devices.machines.parts.building import (
    Envelope,
    arguments_of,
    command_message,
    command_payload,
    envelope_of,
    protect_command,
    use_case_named,
)
from devices.machines.parts.building_gbz import field_table
from devices.machines.parts.row_layouts import Layout, layout_of
from devices.model import use_cases
from devices.model.use_cases import UseCase
from devices.trust.keystore import MemoryKeyStore
from devices.trust.protection import mac_valid, signature_valid
from devices.wire import asn1_typed, gbcs, payload
from devices.wire.asn1_typed import KeyUsage
from devices.wire.axdr import Tag
from devices.wire.gbcs import CRA, Message
from devices.wire.zcl_types import WORDS, Number

SUPPLIER, BROKER, METER = (bytes.fromhex(text) for text in ("90b3000000010000", "90b3000000000002", "00db000000000001"))
ENVELOPE = Envelope(SUPPLIER, METER, 1000)
COMMANDS = [one for one in use_cases.all_use_cases() if one.protection["command"] and one.payload]


def built(use_case: UseCase, args: Mapping[str, Any], envelope: Envelope = ENVELOPE) -> Message:
    return command_message(use_case, args, envelope)


# ------------------------------------------------------------------------------------------ every use case of the table


def sample(layout: Layout, number: int = 1) -> Any:
    """Some value for a place of a DLMS datum, by the type that the table gives."""
    tag = Tag.NULL if layout.tag == -1 else Tag(layout.tag)
    if layout.tag == -1:
        return {"as": "unsigned", "value": number}
    if tag == Tag.STRUCTURE:
        if layout.elements is None:
            return [{"as": "enum", "value": number}]
        return [sample(element, number + at) for at, element in enumerate(layout.elements)]
    if tag == Tag.ARRAY:
        row = layout.elements[0] if layout.elements else Layout(-1)
        return [sample(row, number), sample(row, number + 1)]
    if tag == Tag.BOOLEAN:
        return True
    if tag == Tag.BIT_STRING:
        return "10110"
    if tag == Tag.NULL:
        return None
    if tag in (Tag.VISIBLE_STRING, Tag.UTF8_STRING):
        return f"text {number}"
    return f"{number:04x}" if tag in (Tag.OCTET_STRING, Tag.DATE_TIME) else number


def dlms_arguments(use_case: UseCase) -> dict[str, Any]:
    args: dict[str, Any] = {}
    for name, row in building_dlms.row_names(use_case):
        if row.op == "get-selective":
            args[name] = {"from_value": 100, "to_value": 200}
        elif row.op != "get" and not row.protects and not layout_of(row).is_fixed:
            args[name] = sample(layout_of(row))
    return args


def zcl_sample(kind: Any, number: int) -> Any:
    if isinstance(kind, Mapping):
        inner = kind.get("records") or kind.get("record")
        if inner is None:  # the type is another field's choice
            return zcl_sample(next(iter(kind["cases"].values())), number)
        record = zcl_record(inner, number)
        return record if "record" in kind else [record]
    word = WORDS[kind]
    if isinstance(word, Number):
        return number
    return "text" if "text" in word.name else "0a" * getattr(word, "size", 3)


def zcl_record(layout: Sequence[Sequence[Any]], number: int) -> dict[str, Any]:
    """Values for every field, counts of one, choices at their first case."""
    kinds = {name: kind for name, kind, *_ in layout}
    found = {name: zcl_sample(kind, number + at) for at, (name, kind) in enumerate(kinds.items())}
    for kind in kinds.values():
        if isinstance(kind, Mapping) and "count" in kind:
            found[kind["count"]] = 1
        if isinstance(kind, Mapping) and "by" in kind:
            found[kind["by"]] = int(next(iter(kind["cases"])).split()[0])
    return found


def gbz_arguments(use_case: UseCase) -> dict[str, Any]:
    """Arguments for every component."""
    args: dict[str, Any] = {}
    seen: dict[str, int] = {}
    rows = [row for row in use_case.gbz if row.message == "command"]
    for row in rows:
        seen[row.name] = seen.get(row.name, 0) + 1
        shared = sum(other.name == row.name for other in rows) > 1
        found: dict[str, Any] = {"From Date Time": 5} if row.dated else {}
        if row.frame == "cluster":
            _, layout = field_table()[row.cluster, row.direction == "server-to-client", row.command]
            found.update(zcl_record(layout, 1))
        args[f"{row.name} #{seen[row.name]}" if shared else row.name] = found
    return args


def asn1_arguments(kind: Any) -> dict[str, Any]:
    return {
        name: asn1_sample(hint)
        for name, hint in get_type_hints(kind).items()
        if name in {one.name for one in fields(kind)}
    }


def asn1_sample(hint: Any) -> Any:
    choices = [choice for choice in get_args(hint) if choice is not NoneType]
    if NoneType in get_args(hint):
        return None if choices[0] in (bytes, datetime) else asn1_sample(choices[0])
    if get_origin(hint) is tuple:
        return [asn1_sample(choices[0])]
    if is_dataclass(hint):
        return asn1_arguments(hint)
    return {int: 3, KeyUsage: ["key_agreement"], datetime: "2030-01-02T03:04:05Z"}.get(hint, "00db000000000001")


@pytest.mark.parametrize("use_case", COMMANDS, ids=lambda one: f"{one.code:04X}-{one.use_case}")
def test_every_command_is_built_and_read_back(use_case: UseCase) -> None:
    """Arguments in, the same command out of the arguments that are read off it."""
    if use_case.payload == "asn1":
        kind: Any = asn1_typed.VIEWS[use_case.code, CRA.COMMAND][0]
        if any("certificate" in one.name and one.default is MISSING for one in fields(kind)) or "replacements" in {
            one.name for one in fields(kind)
        }:
            return  # a certificate is no octets of a test; the published commands have them
        args = asn1_arguments(kind)
        args = {name: "ab" * 32 if name == "image_hash" else value for name, value in args.items()}
    elif use_case.payload == "gbz":
        args = gbz_arguments(use_case)
    else:
        args = dlms_arguments(use_case)
    message = built(use_case, args)
    named = json.loads(json.dumps(arguments_of(message)))
    assert built(use_case, named).payload == message.payload
    assert payload.encode(payload.typed(message)) == message.payload


@pytest.mark.parametrize("use_case", COMMANDS, ids=lambda one: f"{one.code:04X}-{one.use_case}")
def test_an_argument_that_no_row_has_is_refused(use_case: UseCase) -> None:
    with pytest.raises(MachineError, match="colour"):
        command_payload(use_case, {"colour": "red"}, 1)


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("name", "args", "reason"),
    [
        ("ECS04a", {}, "'MeterBalance / update_amount' is missing"),
        ("ECS04a", {"MeterBalance / update_amount": 1 << 31}, "expected a whole number from -2147483648 to 2147483647"),
        ("ECS04a", {"MeterBalance / update_amount": True}, "expected a whole number"),
        ("ECS04a", {"MeterBalance / update_amount": {"as": "longish", "value": 1}}, "no type is called 'longish'"),
        ("ECS46a", {}, "no access is left"),
        ("ECS46a", {"without": "AuxiliaryController[1] / value"}, "expected a list of"),
        ("ECS17a", {"without": ["nothing"]}, "expected a list of"),
        ("ECS35a", {}, "'EventLog(incGPF) / buffer' is missing"),
        ("ECS35a", {"from": 1}, "to_value is missing"),
        ("ECS12", {"restrictDataDateTime / value": "2015-11-07T12:00:00"}, "a time with its zone"),
        ("ECS12", {"restrictDataDateTime / value": "xx"}, "octets in hexadecimal"),
        ("CCS01", {"DeviceLog(CHF) / register_device": {"ieee_addres": "00"}}, "got ieee_addres"),
        ("CCS01", {"DeviceLog(CHF) / register_device": 5}, "expected names and values, or a list"),
        ("GCS32", {}, "'Change Supply.Issuer Event ID' is missing"),
        ("GCS32", {"Change Supply": {"Issuer Event ID": 1 << 32}}, "Issuer Event ID"),
        ("GCS32", {"Change Supply": {"Issuer Event ID": "1"}}, "expected a whole number"),
        ("GCS32", {"Change Supply": {"Issuer Event": 1}}, "got Issuer Event"),
        ("GCS41", {"Update SiteID": {"Issuer Event ID": 1, "SiteID": "xyz"}}, "octets in hexadecimal"),
        ("GCS20", {"SetEventConfiguration": 5}, "or a list of such"),
        ("GCS28", {"start": "2015-01-01T00:00:00Z"}, "GCS28.end is missing"),
        ("GCS28", {"start": "2015-01-01T00:00:00", "end": "never"}, "a time with its zone"),
        ("CS04AC", {"device": "00"}, "OCTET STRING of 1 octets, expected 8"),
        ("CS02c", {"key_usage": ["signing"]}, "expected a list of digital_signature"),
        ("CS03A1", {"method": "A", "device": "00db000000000001", "device_type": 0}, "expected a whole number"),
        ("CS14", {}, "no command has this message code"),
    ],
)
def test_wrong_arguments_are_refused(name: str, args: dict[str, Any], reason: str) -> None:
    with pytest.raises(MachineError) as refusal:
        command_payload(use_case_named(name), args, 1)
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_alert_has_no_arguments() -> None:
    with pytest.raises(MachineError, match="is no command of the use-case table"):
        arguments_of(Message(CRA.ALERT, 1, METER, SUPPLIER, 0x0018, b"\x0f"))


def test_an_access_of_another_use_case_has_no_name() -> None:
    message = built(use_case_named("ECS42"), {})._replace(message_code=use_case_named("ECS43").code)
    assert arguments_of(message) == {"SupplyState / execute": 0x33}, "the same object, another script"
    stranger = built(use_case_named("ECS45"), {})._replace(message_code=use_case_named("ECS42").code)
    with pytest.raises(MachineError, match="is not in its place in ECS42"):
        arguments_of(stranger)


# ------------------------------------------------------------------------------------------------- envelope, protection


def keys() -> MemoryKeyStore:
    owners = (SUPPLIER, BROKER, METER)
    return MemoryKeyStore(
        {f"{who.hex()}-{use}": 100 + 2 * at + (use == "ka") for at, who in enumerate(owners) for use in ("ds", "ka")},
        {},
    )


@pytest.mark.parametrize(
    ("name", "args", "originator", "signed", "maced"),
    [
        ("ECS42", {}, SUPPLIER, True, True),
        ("ECS45", {}, SUPPLIER, False, True),
        ("CS02a", {"authorising_cell": {"role": 4, "key_usage": ["key_agreement"]}, "roles": [2]}, BROKER, False, True),
        (
            "CS02a",
            {"authorising_cell": {"role": 2, "key_usage": ["key_agreement"]}, "roles": [2]},
            SUPPLIER,
            True,
            False,
        ),
    ],
)
def test_protection_is_that_of_the_use_case(
    name: str, args: dict[str, Any], originator: bytes, signed: bool, maced: bool
) -> None:
    use_case, store = use_case_named(name), keys()
    message = protect_command(built(use_case, args, Envelope(originator, METER, 7)), use_case, store, BROKER)
    assert bool(message.signature) == signed
    assert (message.mac is not None) == maced
    if signed:
        assert signature_valid(message, store.public(f"{originator.hex()}-ds"))
    if maced:
        assert mac_valid(message, store.agree(f"{METER.hex()}-ka", store.public(f"{BROKER.hex()}-ka")))


@pytest.mark.parametrize("certificate", [None, b"\x30\x09" + bytes(9)])
def test_the_broker_on_behalf_of_a_user(certificate: bytes | None) -> None:
    """The user's counter goes along, and a protected read is for the user, not for the broker."""
    envelope = Envelope(BROKER, METER, 1302, SUPPLIER, 1004, certificate)
    message = built(use_case_named("ECS21b"), {}, envelope)
    assert envelope_of(gbcs.decode(gbcs.encode(message))) == envelope
    assert SUPPLIER in message.payload
    assert BROKER not in message.payload
    assert arguments_of(message) == {}


def test_friendly_arguments_and_those_of_the_table_give_the_same_command() -> None:
    friendly = {"start": "2015-11-07T12:00:00Z", "end": "2015-11-08T12:00:00Z"}
    window = {f"validity_interval_{name}": time for name, time in friendly.items()}
    clock = use_case_named("ECS70")
    assert command_payload(clock, friendly, 5) == command_payload(clock, {"Time / preset_adjusting_time": window}, 5)
    log = use_case_named("ECS35a")
    named = {"EventLog(incGPF) / buffer": {"from_value": 1, "to_value": 2}}
    assert command_payload(log, {"from": 1, "to": 2}, 5) == command_payload(log, named, 5)


def test_one_mapping_stands_for_as_many_components_as_the_table_says() -> None:
    use_case = use_case_named("GCS16a")
    limits = {"Earliest Start Time": 1, "Latest End Time": 2}
    message = built(use_case, {"GetSnapshot": limits})
    body = payload.decode(message)
    assert len(body.components) == 31  # type: ignore[union-attr]
    assert arguments_of(message) == {"GetSnapshot": limits}
    apart = [{**limits, "Earliest Start Time": at} for at in range(31)]
    assert arguments_of(built(use_case, {"GetSnapshot": apart})) == {"GetSnapshot": apart}


# ------------------------------------------------------------------------------------------------- published commands


def published(folder: Path) -> Iterator[tuple[str, Message]]:
    for line in (folder / "gbcs-open.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["kind"] in ("command", "precommand"):
            yield entry["name"], gbcs.decode(bytes.fromhex(entry["hex"]))


@pytest.mark.corpus
def test_every_published_command_and_precommand_is_rebuilt(corpus_dir: Path) -> None:
    count = 0
    for name, message in published(corpus_dir):
        use_case = use_cases.by_code(message.message_code)
        assert use_case is not None
        args = json.loads(json.dumps(arguments_of(message)))
        again = command_message(use_case, args, envelope_of(message))
        assert again._replace(signature=message.signature, mac=message.mac) == message, name
        count += 1
    assert count == 444


Path_ = tuple[str | int, ...]


def leaves(value: Any, at: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Every named value of some arguments, with the way to it."""
    if isinstance(value, Mapping) and set(value) != {"as", "value"}:
        for name, inner in value.items():
            yield from leaves(inner, (*at, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, (*at, number))
    elif at[0] != "without":
        yield at, value


def changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value ^ 1
    if isinstance(value, Mapping):
        return {**value, "value": changed(value["value"])}
    if value in ("digital_signature", "key_agreement"):
        return "key_cert_sign"
    if value.endswith("Z") and "T" in value:
        return f"{value[:-2]}{(int(value[-2]) + 1) % 10}Z"
    last = value[-1]
    return value[:-1] + ("0" if last == "1" else "1" if last == "0" else "a" if last != "a" else "b")


def replaced(args: Any, way: Path_, value: Any) -> Any:
    if not way:
        return value
    copy = list(args) if isinstance(args, list) else dict(args)
    copy[way[0]] = replaced(args[way[0]], way[1:], value)  # type: ignore[index]
    return copy


def flat(value: Any, at: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Every last value of a typed payload, with the way to it."""
    if is_dataclass(value) and not isinstance(value, type):
        for one in fields(value):
            yield from flat(getattr(value, one.name), (*at, one.name))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for number, inner in enumerate(value):
            yield from flat(inner, (*at, number))
    else:
        yield at, value


@pytest.mark.corpus
def test_each_argument_changes_its_own_element_and_no_other(corpus_dir: Path) -> None:
    """Arguments are values by name, not the payload in disguise: one changed argument is one changed element."""
    tried: set[tuple[int, Path_]] = set()
    seen = refused = 0
    for name, message in published(corpus_dir):
        use_case = use_cases.by_code(message.message_code)
        assert use_case is not None
        args, before = arguments_of(message), dict(flat(payload.typed(message)))
        for way, value in leaves(args):
            place = message.message_code, tuple(part for part in way if isinstance(part, str))
            if place in tried or value in ("", None):
                continue
            tried.add(place)
            try:
                other = command_message(use_case, replaced(args, way, changed(value)), envelope_of(message))
                after = dict(flat(payload.typed(other)))
            except (MachineError, ValueError):
                refused += 1  # a count or a choice that no longer fits what it counts or chooses
                continue
            assert before.keys() == after.keys(), (name, way)
            moved = [at for at in before if before[at] != after[at]]
            one_mapping_for_all = not any(isinstance(part, int) for part in way) and use_case.payload == "gbz"
            assert len({at[-3:] for at in moved} if one_mapping_for_all else moved) == 1, (name, way, moved)
            seen += 1
    assert seen > 300
    assert refused < 12


# ------------------------------------------------------------------------------------------ arguments of gas components


def gas(name: str, args: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The components that some arguments make, and the arguments that are read off them."""
    message = built(use_case_named(name), args)
    return payload.decode(message).components, arguments_of(message)  # type: ignore[union-attr]


SUPPLY = {"Issuer Event ID": 7}


@pytest.mark.parametrize(
    ("given", "kept", "octets"),
    [
        (SUPPLY, SUPPLY, "000000000700000000000000000000000001"),
        ({**SUPPLY, "Provider ID": 0}, SUPPLY, "000000000700000000000000000000000001"),
        (
            {**SUPPLY, "Proposed Supply Status": 2, "Provider ID": 0x01020304},
            {**SUPPLY, "Proposed Supply Status": 2, "Provider ID": 0x01020304},
            "040302010700000000000000000000000201",
        ),
    ],
    ids=["left out", "as fixed", "another"],
)
def test_what_the_table_fixes_may_be_left_out_or_given(given: Any, kept: Any, octets: str) -> None:
    (component,), named = gas("GCS32", {"Change Supply": given})
    assert component.frame.payload.hex() == octets
    assert named == {"Change Supply": kept}


@pytest.mark.parametrize(
    ("value", "octets"), [(0, "00000000"), (0xFFFFFFFF, "ffffffff"), (-1, None), (1 << 32, None), (True, None)]
)
def test_a_number_fits_its_field(value: int, octets: str | None) -> None:
    args = {"Change Supply": {"Issuer Event ID": value}}
    if octets is None:
        with pytest.raises(MachineError, match="expected a whole number from 0 to 4294967295"):
            built(use_case_named("GCS32"), args)
    else:
        assert gas("GCS32", args)[0][0].frame.payload[4:8].hex() == octets


def test_components_are_numbered_and_those_that_are_left_out_leave_no_gap() -> None:
    use_case = use_case_named("GCS05")
    args = gbz_arguments(use_case)
    components, named = gas("GCS05", args)
    assert [one.frame.sequence for one in components] == list(range(len(components)))
    first = next(iter(args))
    fewer, again = gas("GCS05", {**args, "without": [first]})
    assert [one.frame.sequence for one in fewer] == list(range(len(components) - 1))
    assert [one.frame.payload for one in fewer] == [one.frame.payload for one in components[1:]]
    assert again == {**{name: value for name, value in named.items() if name != first}, "without": [first]}

"""ZCL commands as fields: the table, the field language, and the commands that all clusters share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.model import use_cases
from devices.wire import zcl_fields, zcl_general, zcl_layouts, zcl_types
from devices.wire.errors import DecodeError, EncodeError
from devices.wire.zcl_fields import (
    AttributeRecord,
    AttributeStatus,
    AttributeValue,
    Command,
    DefaultResponse,
    ReadAttributes,
    ReadAttributesResponse,
    ReportAttributes,
    WriteAttributes,
    WriteAttributesResponse,
)
from devices.wire.zcl_layouts import Fields

HEAD = "00000000 804a371c 804a371c"  # provider, event and calendar
SNAPSHOT = "01000000 02000000 01 00 01 02000000"
PREPAY = (("Accumulated Debt", -1), ("Type 1 Debt Remaining", 2), ("Type 2 Debt Remaining", 3),
          ("Type 3 Debt Remaining", 4), ("Emergency Credit Remaining", 5), ("Credit Remaining", -6))  # fmt: skip

LAST_FIELDS: dict[str, tuple[tuple[int, bool, int], str, Fields]] = {
    "samples": (
        (0x0702, True, 0x07),
        "0100 04000000 00 0807 0200 010000 ffff00",
        (("NumberOfSamples", 2), ("Samples", ((("Sample", 1),), (("Sample", 0xFFFF),)))),
    ),
    "no samples": ((0x0702, True, 0x07), "0100 04000000 00 0807 0000", (("NumberOfSamples", 0), ("Samples", ()))),
    "a day of prices": (
        (0x0707, True, 0x01),
        f"{HEAD} 01 02 00 01 00 0000 01 6801 02",
        (
            ("Calendar Type", 0),
            (
                "Day Schedule Entries",
                ((("Start Time", 0), ("Price Tier", 1)), (("Start Time", 360), ("Price Tier", 2))),
            ),
        ),
    ),
    "a day of friendly credit": (
        (0x0707, True, 0x01),
        f"{HEAD} 01 01 00 01 03 e001 01",
        (("Calendar Type", 3), ("Day Schedule Entries", ((("Start Time", 480), ("Friendly Credit Enable", 1)),))),
    ),
    "seasons": (
        (0x0707, True, 0x03),
        f"{HEAD} 00 01 ff0314ff 01",
        (
            ("Total Number of Commands", 1),
            ("Season Entry", ((("Season Start Date", bytes.fromhex("ff0314ff")), ("Week ID Ref", 1)),)),
        ),
    ),
    "block thresholds": (
        (0x0700, True, 0x06),
        "00000000 804a371c 00000000 01000000 00 01 01 02 100000000000 ffffffffffff",
        (
            ("Sub-payload Control", 1),
            (
                "Block Threshold Sub-payload",
                (
                    (
                        ("Tier/Number of Block Thresholds", 2),
                        ("Block Thresholds", ((("Block Threshold", 16),), (("Block Threshold", 0xFFFFFFFFFFFF),))),
                    ),
                ),
            ),
        ),
    ),
    "prepayment snapshot": (
        (0x0705, True, 0x01),
        f"{SNAPSHOT} 00 ffffffff 02000000 03000000 04000000 05000000 faffffff",
        (("Snapshot Payload Type", 0), ("Snapshot Payload", (PREPAY,))),
    ),
    "metering snapshot": (
        (0x0702, True, 0x06),
        f"{SNAPSHOT} 06 410000000000 01 510000000000 11 620000000000",
        (
            ("Snapshot Payload Type", 6),
            (
                "SnapshotSub-Payload",
                (
                    (
                        ("CurrentSummationDelivered", 0x41),
                        ("NumberOfTiersInUse", 1),
                        ("TierSummations", ((("TierSummation", 0x51),),)),
                        ("NumberOfTiersAndBlockThresholdsInUse", 0x11),
                        ("TierBlockSummations", ((("TierBlockSummation", 0x62),),)),
                    ),
                ),
            ),
        ),
    ),
    "snapshot without data": (
        (0x0702, True, 0x06),
        f"{SNAPSHOT} 80",
        (("Snapshot Payload Type", 0x80), ("SnapshotSub-Payload", ((),))),
    ),
    "top-ups": (
        (0x0705, True, 0x05),
        "00 01 03 313233 40420f00 001e2f1c",
        (
            ("Total Number of Commands", 1),
            ("Top Up Payload", ((("TopUp Code", b"123"), ("TopUp Amount", 1_000_000), ("TopUp Time", 0x1C2F1E00)),)),
        ),
    ),
    "event configuration by list": (
        (0x0708, True, 0x04),
        "01000000 00000000 08 00 02 0e81 1881",
        (
            ("Configuration Control", 0),
            (
                "Event Configuration Payload",
                ((("Number of Events", 2), ("Event IDs", ((("Event ID", 0x810E),), (("Event ID", 0x8118),)))),),
            ),
        ),
    ),
    "event configuration by log": (
        (0x0708, True, 0x04),
        "01000000 00000000 08 02 05",
        (("Configuration Control", 2), ("Event Configuration Payload", ((("Log ID", 5),),))),
    ),
    "event log": (
        (0x0709, True, 0x01),
        "0100 00 01 10 04 0c8f 00f9351c 02 abcd",
        (
            ("Number of Events/Log Payload Control", 0x10),
            (
                "Log Payload",
                ((("Log ID", 4), ("Event ID", 0x8F0C), ("Event Time", 0x1C35F900), ("Event Data", b"\xab\xcd")),),
            ),
        ),
    ),
    "a message": (
        (0x0703, True, 0x00),
        "01000000 00 00000000 ffff 05 48656c6c6f",
        (("Duration In Minutes", 0xFFFF), ("Message", "Hello")),
    ),
    "a message with its optional field": (
        (0x0703, True, 0x00),
        "01000000 00 00000000 ffff 02 c3a9 01",
        (("Message", "é"), ("Extended Message Control", 1)),
    ),
    "a text that is no UTF-8": ((0x0703, True, 0x00), "01000000 00 00000000 ffff 01 ff", (("Message", "\udcff"),)),
}


@pytest.mark.parametrize(("key", "octets", "last"), LAST_FIELDS.values(), ids=LAST_FIELDS)
def test_commands(key: tuple[int, bool, int], octets: str, last: Fields) -> None:
    raw = bytes.fromhex(octets)
    command = zcl_fields.read(*key, raw)
    assert command.fields[-len(last) :] == last
    assert command.get(last[0][0]) == last[0][1]
    assert (command.cluster, command.to_client, command.command) == key
    assert command.name == zcl_fields.name_of(*key)
    assert zcl_fields.write(command) == raw


@pytest.mark.parametrize(("key", "octets", "last"), LAST_FIELDS.values(), ids=LAST_FIELDS)
def test_what_is_cut_is_refused_or_shorter(key: tuple[int, bool, int], octets: str, last: Fields) -> None:
    """A cut may leave fewer records or no optional field, but never a field that was not there."""
    raw = bytes.fromhex(octets)
    whole = zcl_fields.read(*key, raw)
    assert whole.fields[-1] == last[-1]
    for end in range(len(raw)):
        try:
            command = zcl_fields.read(*key, raw[:end])
        except DecodeError:
            continue
        assert zcl_fields.write(command) == raw[:end]
        assert len(command.fields) <= len(whole.fields)


REFUSED: dict[str, tuple[tuple[int, bool, int], str, str]] = {
    "a command without layout": ((0x0700, True, 0xEE), "", "command EE of cluster 0700 to the client has no layout"),
    "the wrong direction": ((0x0705, False, 0x01), "", "to the server has no layout"),
    "octets left over": ((0x0705, False, 0x09), "0000000000", "1 octets left over"),
    "too few": ((0x0705, False, 0x09), "000000", "ends before"),
    "samples that are not there": ((0x0702, True, 0x07), "0100 04000000 00 0807 ffff 010000", "needs 3 octets, 0 left"),
    "samples that are not announced": ((0x0702, True, 0x07), "0100 04000000 00 0807 0000 010000", "left over"),
    "half a record": (
        (0x0700, True, 0x05),
        "00000000 00000000 00000000 01000000 00 01 00 01 0000",
        "the payload ends before",
    ),
    "a string past the end": ((0x0708, True, 0x03), "00000000 00000000 00000000 05 3132", "octets of 5 octets, 2 left"),
    "a string that is none": ((0x0708, True, 0x03), "00000000 00000000 00000000 ff", "255 octets"),
    "a payload type without layout": ((0x0705, True, 0x01), f"{SNAPSHOT} 07", "'Snapshot Payload Type' is 7"),
}


@pytest.mark.parametrize(("key", "octets", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(key: tuple[int, bool, int], octets: str, reason: str) -> None:
    raw = bytes.fromhex(octets)
    with pytest.raises(DecodeError) as refused:
        zcl_fields.read(*key, raw)
    assert refused.value.layer == "zcl"
    assert reason in refused.value.reason


LOW_CREDIT = Command(0x0705, False, 0x09, "Set Low Credit Warning Level", (("Low Credit Warning Level", 7),))

NOT_WRITTEN: dict[str, Command] = {
    "no such command": LOW_CREDIT._replace(command=0xEE),
    "another name": LOW_CREDIT._replace(name="Set High Credit Warning Level"),
    "another field": LOW_CREDIT._replace(fields=(("High", 7),)),
    "a field missing": LOW_CREDIT._replace(fields=()),
    "a field more": LOW_CREDIT._replace(fields=(*LOW_CREDIT.fields, ("High", 7))),
    "a number too large": LOW_CREDIT._replace(fields=(("Low Credit Warning Level", 1 << 32),)),
    "a negative number": LOW_CREDIT._replace(fields=(("Low Credit Warning Level", -1),)),
    "octets for a number": LOW_CREDIT._replace(fields=(("Low Credit Warning Level", b"\x07"),)),
    "fields that are no pairs": LOW_CREDIT._replace(fields=(7,)),  # type: ignore[arg-type]
    "more samples than announced": Command(
        0x0702,
        True,
        0x07,
        "GetSampledDataResponse",
        (("SampleID", 1), ("SampleStartTime", 0), ("SampleType", 0), ("SampleRequestInterval", 0),
         ("NumberOfSamples", 0), ("Samples", ((("Sample", 1),),))),
    ),
    "no records": Command(0x0700, True, 0x05, "PublishPriceMatrix", (
        ("Provider ID", 0), ("Issuer Event ID", 0), ("Start Time", 0), ("Issuer Tariff ID", 1), ("Command Index", 0),
        ("Total Number of Commands", 1), ("Sub-payload Control", 0), ("Price Matrix Sub-payload", 5))),
    "a case without layout": Command(0x0705, True, 0x01, "Publish Prepay Snapshot", (
        ("Snapshot ID", 0), ("Snapshot Time", 0), ("Total Snapshots Found", 1), ("Command Index", 0),
        ("Total Number of Commands", 1), ("Snapshot Cause", 0), ("Snapshot Payload Type", 9),
        ("Snapshot Payload", ()))),
}  # fmt: skip


@pytest.mark.parametrize("command", NOT_WRITTEN.values(), ids=NOT_WRITTEN)
def test_not_written(command: Command) -> None:
    assert zcl_fields.write(LOW_CREDIT) == b"\x07\x00\x00\x00"
    with pytest.raises(EncodeError):
        zcl_fields.write(command)


def test_a_field_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match="it has Low Credit Warning Level"):
        LOW_CREDIT.get("Credit")
    with pytest.raises(EncodeError, match="no layout"):
        zcl_fields.name_of(0x0705, False, 0xEE)


# -------------------------------------------------------------------------------------------------------------- table


def test_every_command_of_the_use_cases_has_a_layout_with_its_names() -> None:
    """But for spaces and capitals; a sub-payload of the use case is one field or, in the event log, two."""
    seen = set()
    for row in (row for use_case in use_cases.all_use_cases() for row in use_case.gbz if row.frame == "cluster"):
        layout = zcl_fields.layout_of(row.cluster, row.direction == "server-to-client", row.command)
        assert layout is not None, row
        names = [name for name, *_ in layout.fields]
        for field in row.fields:
            assert zcl_fields.same_name(field["name"], names) is not None, (row.name, field["name"])
        seen.add(layout.name)
    mirror = {"MirrorReportAttributeResponse", "GetNotifiedMessage"}  # of meter and proxy alone, in no message
    assert {layout.name for layout in zcl_fields.layouts().values()} == seen | mirror


def records_of(kind: Any) -> list[Sequence[Any]]:
    """The fields of all records in a type of the field language."""
    if isinstance(kind, str):
        return []
    if "by" in kind:
        return [fields for case in kind["cases"].values() for fields in records_of(case)]
    fields = kind.get("records", kind.get("record"))
    return [fields, *(inner for _, one, *_ in fields for inner in records_of(one))]


@pytest.mark.parametrize("key", zcl_fields.layouts(), ids=lambda key: f"{key[0]:04X}-{key[1]:d}-{key[2]:02X}")
def test_records_take_octets(key: tuple[int, bool, int]) -> None:
    """So no count can make more of them than there are octets, and none can go on for ever."""
    for name, kind, *_ in zcl_fields.layouts()[key].fields:
        if isinstance(kind, str) or "by" in kind:
            continue
        for fields in records_of(kind):
            assert any(len(field) == 2 for field in fields), name


def any_value(kind: Any, before: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if isinstance(kind, str):
        found = zcl_types.WORDS[kind]
        if isinstance(found, zcl_types.Number):
            bits = 8 * found.size
            return (
                st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) if found.signed else st.integers(0, (1 << bits) - 1)
            )
        if isinstance(found, zcl_types.String):
            return st.text(max_size=9) if found.text else st.binary(max_size=30)
        return st.binary(min_size=getattr(found, "size", 8), max_size=getattr(found, "size", 8))
    if "by" in kind:
        case = next((case for values, case in kind["cases"].items() if str(before[kind["by"]]) in values.split()), None)
        return st.nothing() if case is None else any_value(case, before)
    if "record" in kind:
        return any_fields(kind["record"]).map(lambda fields: (fields,))
    count = before[kind["count"]] & kind.get("mask", -1) if "count" in kind else None
    sizes = {"min_size": count, "max_size": count} if count is not None else {"max_size": 3}
    return st.lists(any_fields(kind["records"]), **sizes).map(tuple)


def chosen_values(layout: Sequence[Sequence[Any]]) -> dict[str, st.SearchStrategy[Any]]:
    """The fields that say how many records follow, kept small, and those that choose a type, kept to its cases."""
    chosen = {}
    for _, kind, *_ in layout:
        if isinstance(kind, str):
            continue
        if "by" in kind:
            values = [int(value) for values in kind["cases"] for value in values.split()]
            chosen[kind["by"]] = st.sampled_from(values)
        elif "count" in kind:
            chosen[kind["count"]] = st.integers(0, 4)
    return chosen


@st.composite
def any_fields(draw: Any, layout: Sequence[Sequence[Any]]) -> Fields:
    chosen = chosen_values(layout)
    found: dict[str, Any] = {}
    for name, kind, *optional in layout:
        if optional and draw(st.booleans()):
            break
        found[name] = draw(chosen[name] if name in chosen else any_value(kind, found))
    return tuple(found.items())


@given(st.sampled_from(sorted(zcl_fields.layouts())), st.data())
def test_what_is_written_reads_the_same(key: tuple[int, bool, int], data: st.DataObject) -> None:
    layout = zcl_fields.layouts()[key]
    command = Command(*key, layout.name, data.draw(any_fields(layout.fields)))
    octets = zcl_fields.write(command)
    assert zcl_fields.read(*key, octets) == command


@given(st.sampled_from(sorted(zcl_fields.layouts())), st.binary(max_size=120))
def test_anything_is_read_exactly_or_refused(key: tuple[int, bool, int], octets: bytes) -> None:
    try:
        command = zcl_fields.read(*key, octets)
    except DecodeError:
        return
    assert zcl_fields.write(command) == octets


def test_a_word_that_is_none_is_refused() -> None:
    with pytest.raises(KeyError, match="uint9"):
        zcl_layouts.layout("Odd", [["Count", "uint9"]])


# ------------------------------------------------------------------------------------------------- all clusters' own

GENERAL: dict[str, tuple[int, str, zcl_general.General]] = {
    "read": (0x00, "0000 3901", ReadAttributes((0, 0x0139))),
    "read nothing": (0x00, "", ReadAttributes(())),
    "response": (
        0x01,
        "0000 00 25 020000000000 3901 86",
        ReadAttributesResponse((AttributeRecord(0, 0, 0x25, 2), AttributeRecord(0x139, 0x86))),
    ),
    "write": (0x02, "0100 21 3412", WriteAttributes((AttributeValue(1, 0x21, 0x1234),))),
    "write all or none": (0x03, "0100 10 ff", WriteAttributes((AttributeValue(1, 0x10, 0xFF),), 3)),
    "write without response": (0x05, "0100 30 02", WriteAttributes((AttributeValue(1, 0x30, 2),), 5)),
    "all written": (0x04, "00", WriteAttributesResponse((AttributeStatus(0),))),
    "not all written": (0x04, "87 0100", WriteAttributesResponse((AttributeStatus(0x87, 1),))),
    "report": (0x0A, "0000 2b faffffff", ReportAttributes((AttributeValue(0, 0x2B, -6),))),
    "default response": (0x0B, "068b", DefaultResponse(6, 0x8B)),
}


@pytest.mark.parametrize(("command", "octets", "body"), GENERAL.values(), ids=GENERAL)
def test_commands_of_all_clusters(command: int, octets: str, body: zcl_general.General) -> None:
    raw = bytes.fromhex(octets)
    assert zcl_general.read(command, raw) == body
    assert zcl_general.write(body) == raw
    assert zcl_general.command_of(body) == command


TYPED: dict[str, tuple[int, str, object]] = {
    "no data": (0x00, "", None),
    "8 bits of data": (0x08, "ff", 255),
    "64 bits of data": (0x0F, "0100000000000080", 1 << 63 | 1),
    "boolean": (0x10, "01", 1),
    "bitmap of 24 bits": (0x1A, "010203", 0x030201),
    "48 bits": (0x25, "010000000000", 1),
    "40 bits, signed": (0x2C, "ffffffffff", -1),
    "enumeration of 16 bits": (0x31, "0201", 0x0102),
    "float": (0x39, "0000c07f", bytes.fromhex("0000c07f")),
    "octets": (0x41, "02 abcd", b"\xab\xcd"),
    "no octets": (0x41, "00", b""),
    "octets that are none": (0x41, "ff", None),
    "text": (0x42, "02 6869", "hi"),
    "a long text": (0x44, "0200 6869", "hi"),
    "a long text that is none": (0x44, "ffff", None),
    "time": (0xE2, "804a371c", 0x1C374A80),
    "date": (0xE1, "73081fff", bytes.fromhex("73081fff")),
    "EUI-64": (0xF0, "7766554433221100", bytes.fromhex("0011223344556677")),
    "key": (0xF1, "00" * 16, bytes(16)),
    "array": (0x48, "20 0200 01 02", (0x20, (1, 2))),
    "empty set": (0x50, "21 0000", (0x21, ())),
    "structure": (0x4C, "0200 20 01 42 01 61", ((0x20, 1), (0x42, "a"))),
    "array of structures": (0x48, "4c 0100 0100 10 00", (0x4C, (((0x10, 0),),))),
}


@pytest.mark.parametrize(("code", "octets", "value"), TYPED.values(), ids=TYPED)
def test_attribute_values(code: int, octets: str, value: object) -> None:
    raw = bytes.fromhex(octets)
    assert zcl_types.read_typed(code, raw, 0, len(raw)) == (value, len(raw))
    assert zcl_types.write_typed(code, value) == raw
    record = AttributeValue(7, code, value)
    assert zcl_general.read(0x0A, zcl_general.write(ReportAttributes((record, record)))) == ReportAttributes(
        (record, record)
    )


GENERAL_REFUSED = {
    "half an attribute": (0x00, "000000"),
    "half a record": (0x01, "0000"),
    "a record without type": (0x01, "000000"),
    "a value cut short": (0x01, "00000025 0000000000"),
    "a type that is none": (0x01, "00000099"),
    "half a report": (0x0A, "0000"),
    "half a status": (0x04, "8601"),
    "a default response of three octets": (0x0B, "060000"),
    "discovery": (0x0C, "000001"),
    "an array of nothing, 65535 times": (0x0A, "0000 48 00 ffff"),
    "an array past the end": (0x0A, "0000 48 20 ffff 01"),
    "arrays nine deep": (0x0A, "0000 48" + "48 0100" * 9 + "20 0000"),
    "a string past the end": (0x0A, "0000 42 05 61"),
    "a string without length": (0x0A, "0000 43 05"),
}


@pytest.mark.parametrize(("command", "octets"), GENERAL_REFUSED.values(), ids=GENERAL_REFUSED)
def test_refused_of_all_clusters(command: int, octets: str) -> None:
    with pytest.raises(DecodeError):
        zcl_general.read(command, bytes.fromhex(octets))


GENERAL_NOT_WRITTEN: dict[str, zcl_general.General] = {
    "an attribute number too large": ReadAttributes((0x10000,)),
    "a value with a failure": ReadAttributesResponse((AttributeRecord(0, 0x86, 0x20, 1),)),
    "a success without type": ReadAttributesResponse((AttributeRecord(0, 0),)),
    "a value out of range": ReportAttributes((AttributeValue(0, 0x20, 256),)),
    "a value of another kind": ReportAttributes((AttributeValue(0, 0x42, b"hi"),)),
    "an array that is none": ReportAttributes((AttributeValue(0, 0x48, 5),)),
    "an array without type": ReportAttributes((AttributeValue(0, 0x48, ((1, 2),)),)),
    "a type that is none": ReportAttributes((AttributeValue(0, 0x99, 5),)),
    "a failure without attribute": WriteAttributesResponse((AttributeStatus(0x86),)),
    "a status too large": DefaultResponse(0, 256),
}


@pytest.mark.parametrize("body", GENERAL_NOT_WRITTEN.values(), ids=GENERAL_NOT_WRITTEN)
def test_not_written_of_all_clusters(body: zcl_general.General) -> None:
    with pytest.raises(EncodeError):
        zcl_general.write(body)


@given(st.integers(0, 0x0D), st.binary(max_size=60))
def test_anything_of_all_clusters_is_read_exactly_or_refused(command: int, octets: bytes) -> None:
    try:
        body = zcl_general.read(command, octets)
    except DecodeError:
        return
    assert zcl_general.write(body) == octets


@given(st.sampled_from([0x48, 0x4C, 0x50, *zcl_types.TYPES]), st.binary(max_size=60))
def test_any_value_is_read_exactly_or_refused(code: int, octets: bytes) -> None:
    try:
        value, end = zcl_types.read_typed(code, octets, 0, len(octets))
    except DecodeError:
        return
    assert zcl_types.write_typed(code, value) == octets[:end]

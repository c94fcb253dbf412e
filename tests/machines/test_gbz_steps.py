"""The words in which ``zcl_conduct.json`` says what a command changes, each with what it leaves alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from devices.machines.parts.civil_clock import CivilTime, from_zcl
from devices.machines.parts.gbz_steps import Act, Status, ZclRefusal, number, records, run, tag_of
from devices.model.gsme_objects import gsme_clusters
from devices.model.zcl_objects import ClusterModel, Entry, Pending, conduct_rows, store_rows
from devices.wire.zcl_fields import Command, Value
from tests.machines.gas_bench import SUPPLIER


def acting() -> Act:
    return Act(0, CivilTime(from_zcl(77)), SUPPLIER, 1, "test")


def of(cluster: int, number: int, to_client: bool, /, **fields: Value) -> Command:
    listed = tuple((name.replace("__", "/").replace("_", " "), value) for name, value in fields.items())
    return Command(cluster, to_client, number, conduct_rows()[cluster, to_client, number].name, listed)


def carry_out(
    clusters: ClusterModel, steps: Sequence[Mapping[str, Any]], command: Command, act: Act | None = None
) -> None:
    run(steps, command, act or acting(), clusters, {})


def do(clusters: ClusterModel, command: Command, act: Act | None = None) -> None:
    """Carry out the steps of the command's own row."""
    row = conduct_rows()[command.cluster, command.to_client, command.command]
    carry_out(clusters, (*row.at_once, *row.does), command, act)


def test_status_codes_are_those_of_zcl() -> None:
    named = {status.name: status.value for status in Status}
    assert named == {
        "SUCCESS": 0x00,
        "FAILURE": 0x01,
        "UNSUPPORTED_COMMAND": 0x81,
        "INVALID_FIELD": 0x85,
        "UNSUPPORTED_ATTRIBUTE": 0x86,
        "INVALID_VALUE": 0x87,
        "READ_ONLY": 0x88,
        "NOT_FOUND": 0x8B,
        "HARDWARE_FAILURE": 0xC0,
    }


def test_what_a_field_holds() -> None:
    assert (number(0), number(-5), records(()), records(((("a", 1),),))) == (0, -5, (), ((("a", 1),),))
    no_numbers: tuple[Value | None, ...] = (None, b"1", "1", ())
    for wrong in no_numbers:
        with pytest.raises(ZclRefusal) as refused:
            number(wrong)
        assert refused.value.status is Status.INVALID_FIELD
    no_lists: tuple[Value | None, ...] = (None, b"1", "1", 1)
    for wrong in no_lists:
        with pytest.raises(ZclRefusal) as refused:
            records(wrong)
        assert refused.value.status is Status.INVALID_FIELD


# ---------------------------------------------------------------------------------------------------------- attributes


@pytest.mark.parametrize(
    ("where", "low", "high"),
    [
        ("0x0702/0x0014", 0, 0xFF),
        ("0x0705/0x0000", 0, 0xFFFF),
        ("0x0705/0x0001", -(1 << 31), (1 << 31) - 1),
        ("0x0700/0x0400", 0, 0xFFFFFFFF),
        ("0x0702/0x0000", 0, (1 << 48) - 1),
    ],
    ids=["enum8", "bitmap16", "int32", "uint32", "uint48"],
)
def test_a_value_that_its_attribute_cannot_hold_is_refused_and_a_sum_stops_at_the_end(
    where: str, low: int, high: int
) -> None:
    clusters = gsme_clusters()
    place = (int(where[:6], 16), int(where[7:], 16))
    for fits in (low, high):
        carry_out(clusters, [{"set": {where: "amount"}}], Command(0x0705, False, 2, "", (("amount", fits),)))
        assert clusters.get(place) == fits
    for beyond in (low - 1, high + 1):
        both = {"0x0705/0x0006": "first", where: "amount"}
        with pytest.raises(ZclRefusal) as refused:
            carry_out(clusters, [{"set": both}], Command(0x0705, False, 2, "", (("first", 5), ("amount", beyond))))
        assert (refused.value.status, clusters.get(place)) == (Status.INVALID_VALUE, high)
    assert clusters.get((0x0705, 0x0006)) == 0, "nothing is written where one does not fit"
    for word, start, amount, total in (
        ("add", high - 5, 5, high),
        ("add", high - 5, 6, high),
        ("add", low + 5, 2, low + 7),
        ("subtract", low + 5, 5, low),
        ("subtract", low + 5, 6, low),
        ("subtract", high - 5, 2, high - 7),
    ):
        clusters.set(place, start)
        carry_out(clusters, [{word: {where: "amount"}}], Command(0x0705, False, 2, "", (("amount", amount),)))
        assert clusters.get(place) == total, (word, start, amount)


def test_a_step_is_held_to_the_values_of_fields() -> None:
    where, clusters = (0x0705, 0x0040), gsme_clusters()
    changed = of(
        0x0705,
        0x06,
        False,
        Proposed_Payment_Control_Configuration=2,
        Cut_Off_Value=5,
        Implementation_Date__Time=0,
    )
    for cut_off, kept in ((5, 5), (-1, 5), (6, 6), (0xFFFFFFFF, 6)):
        fields = tuple((name, cut_off if name == "Cut Off Value" else value) for name, value in changed.fields)
        do(clusters, changed._replace(fields=fields))
        assert clusters.get(where) == kept
    for kind, amount, balances in ((0, 7, (107, 50)), (1, 7, (7, 50)), (2, 7, (100, 7)), (9, 7, (100, 50))):
        clusters = gsme_clusters()
        clusters.set((0x0705, 1), 100)
        clusters.set((0x0702, 0x0A00), 50)
        do(clusters, of(0x0705, 0x05, False, Credit_Adjustment_Type=kind, Credit_Adjustment_Value=amount))
        assert (clusters.get((0x0705, 1)), clusters.get((0x0702, 0x0A00))) == balances


def test_both_conditions_of_a_step_hold() -> None:
    step = {"set": {"0x0705/0x0006": 9}, "if": {"a": [1, 2], "b": 3}, "unless": {"c": 4, "d": [5, 6]}}
    for fields, applies in (
        ({"a": 1, "b": 3, "c": 0, "d": 0}, True),
        ({"a": 2, "b": 3}, True),
        ({"a": 3, "b": 3, "c": 0, "d": 0}, False),
        ({"a": 1, "b": 2, "c": 0, "d": 0}, False),
        ({"a": 1, "b": 3, "c": 4, "d": 0}, False),
        ({"a": 1, "b": 3, "c": 0, "d": 6}, False),
    ):
        clusters = gsme_clusters()
        carry_out(clusters, [step], Command(0x0705, False, 2, "", tuple(fields.items())))
        assert clusters.get((0x0705, 6)) == (9 if applies else 0), fields


def test_a_list_is_spread_over_a_row_of_attributes() -> None:
    clusters = gsme_clusters()

    def prices(control: int, *listed: tuple[int, int]) -> None:
        rows: Value = tuple((("Tier/Block ID", place), ("Price", price)) for place, price in listed)
        fields = {"Sub-payload_Control": control, "Price_Matrix_Sub-payload": rows, "Issuer_Tariff_ID": 1}
        do(clusters, of(0x0700, 0x05, True, Command_Index=0, **fields))

    prices(0, (0, 11), (2, 13), (1, 12), (0xFF, 99))
    assert [clusters.get((0x0700, 0x0400 + at)) for at in range(4)] == [11, 12, 13, 0]
    prices(1, (1, 21), (3, 23))
    assert [clusters.get((0x0700, 0x0400 + 0x10 * at)) for at in range(4)] == [11, 21, 0, 23]
    blocks: Value = tuple(
        (("Block Thresholds", tuple((("Block Threshold", value),) for value in part)),) for part in ((5, 6), (7,))
    )
    do(clusters, of(0x0700, 0x06, True, Command_Index=0, **{"Block_Threshold_Sub-payload": blocks}))
    assert [clusters.get((0x0700, 0x0100 + at)) for at in range(3)] == [5, 6, 7]


# -------------------------------------------------------------------------------------------------------------- stores


def calendar(identifier: int, event: int, kind: int = 0) -> Command:
    return of(
        0x0707, 0x00, True, Issuer_Event_ID=event, Issuer_Calendar_ID=identifier, Start_Time=0, Calendar_Type=kind
    )


def week(identifier: int, event: int, number: int = 1) -> Command:
    return of(0x0707, 0x02, True, Issuer_Event_ID=event, Issuer_Calendar_ID=identifier, Week_ID=number)


def weeks(clusters: ClusterModel) -> list[tuple[Any, Any, int]]:
    entries = clusters.entries("week_profiles")
    return [(one.fields["Issuer Calendar ID"], one.fields["Issuer Event ID"], one.tag) for one in entries]


def test_parts_belong_to_the_newest_calendar_of_their_identifiers() -> None:
    clusters = gsme_clusters()
    row = store_rows()["week_profiles"]
    with pytest.raises(ZclRefusal) as refused:
        do(clusters, week(5, 1))
    assert (refused.value.status, weeks(clusters)) == (Status.NOT_FOUND, [])
    do(clusters, calendar(5, 1, kind=0))
    do(clusters, calendar(5, 1, kind=3))
    assert tag_of(row, week(5, 1), acting(), clusters) == 3, "the newest"
    assert tag_of(store_rows()["tariffs"], week(5, 1), acting(), clusters) == 0
    assert tag_of(store_rows()["calendars"], calendar(9, 9, kind=3), acting(), clusters) == 3
    clusters.pending.append(Pending(9, 0x6B, 1, 0, Entry(calendar(6, 2, kind=3), 3)))
    assert tag_of(row, week(6, 2), acting(), clusters) == 3, "of one that is still to come"
    for other in (week(6, 1), week(7, 2)):
        with pytest.raises(ZclRefusal):
            tag_of(row, other, acting(), clusters)
    act = acting()
    act.parents["calendars", (5, 1)] = 0
    assert tag_of(row, week(5, 1), act, clusters) == 0, "of this message"


def test_a_new_calendar_makes_room_and_supersedes_the_old_one_of_its_type() -> None:
    clusters, act = gsme_clusters(), acting()
    do(clusters, calendar(5, 1, kind=0), act)
    do(clusters, week(5, 1), act)
    do(clusters, calendar(6, 1, kind=3))
    do(clusters, week(6, 1))
    assert weeks(clusters) == [(5, 1, 0), (6, 1, 3)]
    again = acting()
    do(clusters, calendar(5, 1, kind=0), again)
    assert weeks(clusters) == [(6, 1, 3)], "under its identifiers nothing is left of what was there"
    assert again.parents == {("calendars", (5, 1)): 0}
    do(clusters, week(5, 1, number=2), again)
    do(clusters, calendar(7, 1, kind=0))
    assert weeks(clusters) == [(6, 1, 3)], "the parts of the calendar that it replaces go with it"


def test_parts_of_a_calendar_that_waits_stay_when_another_takes_effect() -> None:
    clusters = gsme_clusters()
    renew, store = conduct_rows()[0x0707, True, 0].at_once, conduct_rows()[0x0707, True, 0].does
    act = acting()
    carry_out(clusters, renew, calendar(8, 1), act)
    clusters.pending.append(Pending(9, 0x6B, 1, 0, Entry(calendar(8, 1), 0)))
    do(clusters, week(8, 1), act)
    do(clusters, calendar(5, 1))
    assert weeks(clusters) == [(8, 1, 0)]
    clusters.pending.clear()
    carry_out(clusters, store, calendar(8, 1))
    assert weeks(clusters) == [(8, 1, 0)]
    do(clusters, calendar(5, 2))
    assert weeks(clusters) == []

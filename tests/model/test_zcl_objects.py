"""The ZCL tables against the use-case table and the layouts, and what a device keeps in its clusters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.model import gas_records, use_cases, zcl_objects
from devices.model.gpf_objects import MIRRORED, TAPPED, gpf_clusters
from devices.model.gsme_objects import gsme_clusters
from devices.model.ppmid_objects import ppmid_clusters
from devices.model.use_cases import GbzRow, UseCase
from devices.model.zcl_objects import ConductRow, Entry, Pending, conduct_rows, path, store_rows
from devices.wire import zcl_fields
from devices.wire.zcl_fields import Command
from devices.wire.zcl_types import TYPES


def rows(*kinds: str) -> Iterator[tuple[UseCase, GbzRow]]:
    for use_case in use_cases.all_use_cases():
        for row in use_case.gbz:
            if row.message in kinds:
                yield use_case, row


def conduct(row: GbzRow) -> ConductRow:
    return conduct_rows()[row.cluster, row.direction == "server-to-client", row.command]


def test_every_command_of_the_table_has_its_conduct() -> None:
    commands = [row for _, row in rows("command") if row.frame == "cluster"]
    assert {conduct(row).name for row in commands} == {row.name for row in conduct_rows().values()}


def test_every_answer_is_one_of_the_use_case() -> None:
    for use_case, row in rows("command"):
        if row.frame != "cluster":
            continue
        wanted = conduct(row).answer
        number = 0x0B if wanted is None else int(wanted["command"], 16)
        answers = {
            (one.command, one.frame == "cluster")
            for one in use_case.gbz
            if "response" in one.message and one.cluster == row.cluster
        }
        assert (number, wanted is not None) in answers, (use_case.use_case, row.name)


def test_every_attribute_that_is_read_is_there_with_its_type() -> None:
    clusters = {"GSME": gsme_clusters(), "GPF": gpf_clusters()}
    checked = 0
    for use_case, row in rows("command"):
        for attribute in row.attributes:
            for kind in use_case.devices:
                assert (row.cluster, attribute) in clusters[kind].rows
    for _, row in rows("response"):
        named = None
        for field in row.fields:
            named = int(field["attribute_id"], 16) if "attribute_id" in field else named
            if field.get("name") == "Attribute Data Type" and named is not None:
                assert clusters["GSME"].rows[row.cluster, named].type == int(field["value"], 16)
                checked += 1
    assert checked > 50


def test_what_a_row_names_is_in_its_layout() -> None:
    def sources(step: Any) -> Iterator[str]:
        for word in ("set", "add", "subtract"):
            yield from (source for source in step.get(word, {}).values() if isinstance(source, str))
        yield from (*step.get("if", {}), *step.get("unless", {}), *step.get("spread", ())[:1])

    for key, row in conduct_rows().items():
        names = field_names(*key)
        when = [row.when] if row.when not in (None, "from-date-time") else []
        for step in (*row.at_once, *row.does):
            assert set(sources(step)) <= names, row.name
            for word in ("set", "add", "subtract"):
                assert all(path(where) in gsme_clusters().rows for where in step.get(word, {})), row.name
            assert step.get("store", "tariffs") in store_rows()
        assert set(when) <= names, row.name
        if row.answer is not None:
            answered = (row.cluster, not row.to_client, int(row.answer["command"], 16))
            if "fields" in row.answer:
                assert list(row.answer["fields"]) == required_names(*answered), row.name
            else:
                store = store_rows()[row.answer["find"]]
                assert (store.cluster, store.to_client, store.command) == answered, row.name


def raw_layout(cluster: int, to_client: bool, command: int) -> list[Any]:
    table = json.loads(resources.files("devices.wire").joinpath("zcl_commands.json").read_text("utf-8"))
    direction = "to_client" if to_client else "to_server"
    fields: list[Any] = table[f"{cluster:04X}"][direction][f"{command:02X}"]["fields"]
    return fields


def field_names(cluster: int, to_client: bool, command: int) -> set[str]:
    return {name for name, *_ in raw_layout(cluster, to_client, command)}


def required_names(cluster: int, to_client: bool, command: int) -> list[str]:
    return [name for name, _, *optional in raw_layout(cluster, to_client, command) if not optional]


def test_tables_name_only_what_there_is() -> None:
    for row in store_rows().values():
        names = field_names(row.cluster, row.to_client, row.command)
        assert {*(row.by or ()), *row.link, *([row.tag] if row.tag else [])} <= names
        assert {*row.parts, *([row.of] if row.of else [])} <= set(store_rows())
    assert set(TAPPED) <= {row.code for row in use_cases.all_use_cases() if "GSME" in row.devices}
    assert set(MIRRORED) <= {cluster for cluster, _ in gpf_clusters().rows}
    assert {cluster for cluster, _ in ppmid_clusters().rows} == {0x0000}
    for attribute in gsme_clusters().rows.values():
        octets = TYPES[attribute.type].write(attribute.initial)
        assert TYPES[attribute.type].read(octets, 0, len(octets)) == (attribute.initial, len(octets))


def snapshot(number: int) -> Entry:
    return Entry(gas_records.snapshot(gsme_clusters(), number, 100 * number, gas_records.DAILY))


def test_the_oldest_entry_makes_room() -> None:
    clusters = gsme_clusters()
    for number in range(50):
        clusters.keep("snapshots", snapshot(number))
    held = [entry.fields["Snapshot ID"] for entry in clusters.entries("snapshots")]
    assert held == list(range(19, 50))


def test_an_entry_takes_the_place_of_its_like() -> None:
    clusters = gsme_clusters()
    for value in (1, 2):
        clusters.keep("samples", Entry(gas_records.samples(0, value, 1800, (value,))))
    clusters.keep("samples", Entry(gas_records.samples(1, 5, 1800, (5,))))
    assert [entry.fields["SampleStartTime"] for entry in clusters.entries("samples")] == [2, 5]


def cap(value: int) -> Entry:
    kind = (0x0705, False, 0x0C)
    names = required_names(*kind)
    return Entry(zcl_fields.Command(*kind, zcl_fields.name_of(*kind), tuple(zip(names, (0, 0, 0, value), strict=True))))


def test_pending_changes_supersede_each_other_and_fall_due_in_order() -> None:
    clusters = gsme_clusters()
    clusters.defer(Pending(300, 0x6F, 1, 1, cap(1)))
    clusters.defer(Pending(200, 0x6F, 2, 1, cap(2)))
    clusters.defer(Pending(100, 0x6B, 3, 9, snapshot(1)))
    assert [one.counter for one in clusters.pending] == [3, 2]
    assert clusters.due(99) == []
    assert [one.counter for one in clusters.due(200)] == [3, 2]
    assert clusters.pending == []


@given(
    values=st.lists(st.integers(0, (1 << 32) - 1), max_size=4),
    meter=st.binary(max_size=20),
    at=st.integers(0, (1 << 32) - 1),
)
def test_memory_gives_back_what_it_was_given(values: list[int], meter: bytes, at: int) -> None:
    clusters = gsme_clusters()
    clusters.set((0x0702, 0x0307), meter)
    clusters.keep("samples", Entry(gas_records.samples(0, at, 1800, (value & 0xFFFFFF for value in values))))
    clusters.keep("top_ups", Entry(gas_records.top_up(meter, -5, at)))
    clusters.defer(Pending(at, 0x6F, 1, 1, cap(7)))
    saved = json.loads(json.dumps(clusters.as_json()))
    other = gsme_clusters()
    other.restore(saved)
    assert (other.values, other.stores, other.pending) == (clusters.values, clusters.stores, clusters.pending)


def test_what_is_as_manufactured_takes_no_room() -> None:
    clusters = gsme_clusters()
    before = clusters.as_json()
    clusters.set((0x0702, 0x0014), 0)
    clusters.set((0x0702, 0x0014), 2)
    assert clusters.as_json() == before
    with pytest.raises(KeyError):
        clusters.set((0x0702, 0x9999), 2)


def test_two_devices_share_their_tables() -> None:
    assert zcl_objects.conduct_rows() is zcl_objects.conduct_rows()
    assert gsme_clusters().rows[0x0702, 0x0000] == gpf_clusters().rows[0x0702, 0x0000]


@pytest.mark.parametrize(("store", "make"), [
    ("snapshots", gas_records.snapshot), ("prepayment_snapshots", gas_records.prepayment_snapshot),
])  # fmt: skip
def test_a_year_of_billing_outlives_the_days_between(store: str, make: Callable[..., Command]) -> None:
    """facts/gbcs.md 10.6, 10.6.1: 31 daily reads, and a billing log of 12 rows whatever else was taken since."""
    clusters = gsme_clusters()
    taken = [(day, cause) for day in range(1, 430) for cause in ((1, 2) if day % 30 == 0 else (1,))]
    for day, cause in taken:
        clusters.keep(store, Entry(make(clusters, day, day * 86_400, cause)))
    held = [(e.fields["Snapshot ID"], e.fields["Snapshot Cause"]) for e in clusters.entries(store)]
    assert [day for day, cause in held if cause == 2] == [day for day, cause in taken if cause == 2][-12:]
    assert [day for day, cause in held if cause == 1] == list(range(399, 430))
    assert held == [one for one in taken if one in held], "in the order in which they came"

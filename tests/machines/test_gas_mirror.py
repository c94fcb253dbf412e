"""What a proxy missed of its meter: when it wants it, the flags that tell, the questions, when it has enough."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devices.machines.core import Persist
from devices.machines.parts.civil_clock import CivilTime, from_zcl
from devices.machines.parts.gas_mirror import CatchingUp, CatchUpSettings, answers_to, frame_of, is_complete
from devices.machines.parts.gbz_steps import Act
from devices.model import gas_records
from devices.model.gsme_objects import gsme_clusters
from devices.model.zcl_objects import ClusterModel, Entry
from devices.wire import zcl, zcl_fields
from devices.wire.zcl_fields import Command, DefaultResponse
from devices.wire.zcl_general import AttributeValue, ReportAttributes
from tests.machines.gas_bench import PROXY

HALF, DAY = 1800, 86_400
MIDNIGHT = 5_000 * DAY
METERING, PREPAYMENT = 0x0702, 0x0705
EVERYTHING = ["half hours", "days", "snapshots", "prepayment_snapshots", "top_ups", "debt_payments"]
UP = {"half hours": (0, 23), "snapshots": (0, 22), "prepayment_snapshots": (3, 6), "top_ups": (3, 7)}
WORDS = ["Functional Notification Flags", *(f"Notification Flags {n}" for n in range(2, 6))]


def catching(clusters: ClusterModel | None = None, **settings: Any) -> CatchingUp:
    return CatchingUp(clusters or gsme_clusters(), CatchUpSettings(**settings), {})


def wanted(of: CatchingUp) -> Any:
    return of._saved().value


def after_a_gap(since: int = MIDNIGHT, until: int = MIDNIGHT + 4 * HALF, **settings: Any) -> CatchingUp:
    made = catching(**settings)
    assert made.told(since, until) == [made._saved()]
    return made


def call(word: int, bits: int) -> Command:
    fields = (("Notification Scheme", 2), ("Notification Flag Attribute ID", word), ("Notification Flags", bits))
    return Command(METERING, True, 0x0B, zcl_fields.name_of(METERING, True, 0x0B), fields)


def ask(of: CatchingUp, name: str) -> tuple[int, Command]:
    """The one question behind the flag of ``name``."""
    word, bit = UP[name]
    (asked,) = of.called_for(call(word, 1 << bit))
    return asked


# ------------------------------------------------------------------------------------------------------ what is missed


def test_settings_as_delivered() -> None:
    assert CatchUpSettings() == CatchUpSettings(asks=True, at_first=False, samples=48, top_ups=5, debt_payments=10)


@pytest.mark.parametrize(
    ("last", "at", "settings", "names"),
    [
        (MIDNIGHT, MIDNIGHT + HALF, {}, []),
        (MIDNIGHT, MIDNIGHT + HALF + 1, {}, [one for one in EVERYTHING if one != "days"]),
        (MIDNIGHT - HALF, MIDNIGHT + HALF, {}, EVERYTHING),
        (MIDNIGHT - HALF, MIDNIGHT + HALF, {"asks": False}, []),
        (None, MIDNIGHT, {}, []),
        (None, MIDNIGHT, {"at_first": True}, EVERYTHING),
        (None, MIDNIGHT, {"at_first": True, "asks": False}, []),
    ],
)
def test_a_gap_is_more_than_a_half_hour(last: int | None, at: int, settings: dict[str, Any], names: list[str]) -> None:
    made = catching(**settings)
    told = made.told(last, at)
    assert told == ([Persist("missed", wanted(made))] if names else [])
    assert list(wanted(made)) == names


def test_days_are_whole_days_and_a_second_gap_makes_the_first_longer() -> None:
    made = after_a_gap(MIDNIGHT - 1, MIDNIGHT + HALF + 7)
    spans = {name: [MIDNIGHT - 1, MIDNIGHT + HALF + 7] for name in EVERYTHING} | {"days": [MIDNIGHT - DAY, MIDNIGHT]}
    assert wanted(made) == spans
    made.told(MIDNIGHT + DAY, MIDNIGHT + 2 * DAY)
    assert wanted(made)["days"] == [MIDNIGHT - DAY, MIDNIGHT + 2 * DAY]
    assert wanted(made)["half hours"] == [MIDNIGHT - 1, MIDNIGHT + 2 * DAY]
    again = CatchingUp(gsme_clusters(), CatchUpSettings(), {"missed": json.loads(json.dumps(wanted(made)))})
    assert wanted(again) == wanted(made)


def test_a_flag_for_everything_that_is_wanted() -> None:
    assert dict(catching().flags().fields) == {"Notification Scheme": 2, **dict.fromkeys(WORDS, 0)}
    made = after_a_gap()
    flags = made.flags()
    words = [1 << 23 | 1 << 22, 0, 0, 1 << 6 | 1 << 7 | 1 << 9, 0]
    assert dict(flags.fields) == {"Notification Scheme": 2, **dict(zip(WORDS, words, strict=True))}
    assert (flags.cluster, flags.to_client, flags.command) == (METERING, False, 0x09)


# ------------------------------------------------------------------------------------------------------------ questions


def test_what_each_question_asks_for() -> None:
    made = after_a_gap(MIDNIGHT - HALF, MIDNIGHT + 3 * HALF)
    everything = [*made.called_for(call(0, 0xFFFFFFFF)), *made.called_for(call(3, 0xFFFFFFFF))]
    assert [sequence for sequence, _ in everything] == [1, 2, 3, 4, 5, 6]
    assert [(one.cluster, one.command, dict(one.fields)) for _, one in everything] == [
        (
            METERING,
            0x08,
            {"SampleID": 0, "EarliestSampleTime": MIDNIGHT - HALF, "SampleType": 0, "NumberOfSamples": 4},
        ),
        (METERING, 0x08, {"SampleID": 1, "EarliestSampleTime": MIDNIGHT - DAY, "SampleType": 0, "NumberOfSamples": 1}),
        *(
            (
                cluster,
                number,
                {
                    "Earliest Start Time": 0,
                    "Latest End Time": 0xFFFFFFFF,
                    "Snapshot Offset": 0,
                    "Snapshot Cause": 0xFFFFFFFF,
                },
            )
            for cluster, number in ((METERING, 0x06), (PREPAYMENT, 0x07))
        ),
        (PREPAYMENT, 0x08, {"Latest End Time": 0xFFFFFFFF, "Number of Records": 5}),
        (PREPAYMENT, 0x0A, {"Latest End Time": 0xFFFFFFFF, "Number of Debts": 10, "Debt Type": 2}),
    ]
    assert all(not one.to_client for _, one in everything)
    assert [made.awaits(number) for number in range(8)] == [False, *[True] * 6, False]
    assert made.called_for(call(1, 0xFFFFFFFF)) == made.called_for(call(0, ~(1 << 23 | 1 << 22) & 0xFFFFFFFF)) == []


def test_sequence_numbers_go_round_without_nought() -> None:
    made = after_a_gap()
    numbers = [ask(made, "top_ups")[0] for _ in range(257)]
    assert numbers == [*range(1, 256), 1, 2]
    assert (made.awaits(2), made.awaits(1), made.awaits(255)) == (True, False, False), "the last one alone"


def test_half_hours_are_asked_for_until_all_are_there() -> None:
    made = after_a_gap(MIDNIGHT, MIDNIGHT + 5 * HALF, samples=2)
    number, question = ask(made, "half hours")
    assert question.get("NumberOfSamples") == 2
    given = gas_records.samples(0, MIDNIGHT, HALF, [1, 2])
    ((number, question),), kept = made.answered(number, given)
    assert (question.get("EarliestSampleTime"), question.get("NumberOfSamples")) == (MIDNIGHT + 2 * HALF, 2)
    assert kept == Persist("missed", wanted(made))
    assert wanted(made)["half hours"] == [MIDNIGHT + 2 * HALF, MIDNIGHT + 5 * HALF]
    ((number, question),), _ = made.answered(number, gas_records.samples(0, MIDNIGHT + 2 * HALF, HALF, [3, 4]))
    assert question.get("NumberOfSamples") == 1
    assert made.answered(number, gas_records.samples(0, MIDNIGHT + 4 * HALF, HALF, [5])) == ([], made._saved())
    assert "half hours" not in wanted(made)


@pytest.mark.parametrize("start", [MIDNIGHT - HALF, MIDNIGHT - 2 * HALF])
def test_an_answer_that_brings_nothing_new_ends_the_question(start: int) -> None:
    made = after_a_gap(MIDNIGHT, MIDNIGHT + 5 * HALF)
    number, _ = ask(made, "half hours")
    assert made.answered(number, gas_records.samples(0, start, HALF, [1]))[0] == []
    assert "half hours" not in wanted(made)


def test_days_go_on_day_by_day() -> None:
    made = after_a_gap(MIDNIGHT, MIDNIGHT + 3 * DAY, samples=1)
    asked = made.called_for(call(0, 1 << 23))
    number, question = asked[1]
    assert (question.get("SampleID"), question.get("NumberOfSamples")) == (1, 1)
    ((_, question),), _ = made.answered(number, gas_records.samples(1, MIDNIGHT, 0xFFFF, [9]))
    assert question.get("EarliestSampleTime") == MIDNIGHT + DAY


def test_snapshots_come_one_by_one_from_the_last_that_is_here() -> None:
    clusters = gsme_clusters()
    made = catching(clusters)
    for at in (70, 90, 80):
        clusters.keep("snapshots", Entry(gas_records.snapshot(clusters, 0, at, 1)))
    made.told(MIDNIGHT, MIDNIGHT + 4 * HALF)
    number, question = ask(made, "snapshots")
    assert (question.get("Earliest Start Time"), question.get("Snapshot Offset")) == (90, 0)
    given = gas_records.snapshot(clusters, 0, 95, 1)
    given = given._replace(fields=tuple((n, 2 if n == "Total Snapshots Found" else v) for n, v in given.fields))
    clusters.keep("snapshots", Entry(given))
    ((number, question),), _ = made.answered(number, given)
    assert (question.get("Earliest Start Time"), question.get("Snapshot Offset")) == (90, 1)
    assert made.answered(number, given)[0] == []
    assert "snapshots" not in wanted(made)
    number, question = ask(made, "prepayment_snapshots")
    assert question.get("Earliest Start Time") == 0
    assert made.answered(number, DefaultResponse(0x07, 0x8B))[0] == []
    assert "prepayment_snapshots" not in wanted(made)


def test_an_answer_to_nothing_changes_nothing() -> None:
    made = after_a_gap()
    before = dict(wanted(made))
    number, _ = ask(made, "top_ups")
    assert made.answered(number + 1, gas_records.top_up(b"1", 1, 1)) == ([], Persist("missed", before))
    assert made.answered(number, gas_records.top_up(b"1", 1, 1))[0] == []
    assert wanted(made) == {name: span for name, span in before.items() if name != "top_ups"}
    assert made.answered(number, gas_records.top_up(b"1", 1, 1)) == ([], made._saved())


# ------------------------------------------------------------------------------------------------------------ the meter


def test_the_last_report_says_so() -> None:
    others = (AttributeValue(0x0000, 0x25, 1), AttributeValue(0xFFFE, 0x30, 0), AttributeValue(0xFFFD, 0x30, 1))
    assert not is_complete(ReportAttributes(others))
    assert is_complete(ReportAttributes((*others, AttributeValue(0xFFFE, 0x30, 1))))


def answered(cluster: int, frame: bytes, clusters: ClusterModel | None = None) -> list[zcl.Frame]:
    act = Act(0, CivilTime(from_zcl(MIDNIGHT)), PROXY, 0, "test")
    return [zcl.decode(one) for one in answers_to(cluster, zcl.decode(frame), clusters or gsme_clusters(), {}, act)]


def test_a_meter_calls_for_each_flag_that_it_knows() -> None:
    made = after_a_gap()
    flags = made.flags()
    calls = answered(METERING, frame_of(flags))
    read = [zcl_fields.read(METERING, True, 0x0B, one.payload) for one in calls]
    assert read == [call(0, 1 << 22), call(0, 1 << 23), call(3, 1 << 6), call(3, 1 << 7), call(3, 1 << 9)]
    assert {(one.frame_control, one.sequence, one.command) for one in calls} == {(0x19, 0, 0x0B)}
    strange = dict(flags.fields) | {WORDS[1]: 0xFFFFFFFF, WORDS[4]: 0xFFFFFFFF, WORDS[0]: 0, WORDS[3]: 1 << 8}
    assert answered(METERING, frame_of(flags._replace(fields=tuple(strange.items())))) == []


def test_a_meter_answers_the_questions_of_its_proxy_and_no_others() -> None:
    made, clusters = after_a_gap(MIDNIGHT, MIDNIGHT + 4 * HALF), gsme_clusters()
    _, question = ask(made, "half hours")
    (refused,) = answered(METERING, frame_of(question, 7), clusters)
    assert (refused.frame_control, refused.sequence, refused.command, refused.payload) == (0x18, 7, 0x0B, b"\x08\x8b")
    clusters.keep("samples", Entry(gas_records.samples(0, MIDNIGHT, HALF, [1, 2])))
    (given,) = answered(METERING, frame_of(question, 8), clusters)
    assert (given.frame_control, given.sequence, given.command) == (0x19, 8, 0x07)
    assert zcl_fields.read(METERING, True, 0x07, given.payload) == gas_records.samples(0, MIDNIGHT, HALF, [1, 2])
    assert answered(METERING, frame_of(call(0, 1)), clusters) == []
    select = Command(PREPAYMENT, False, 0x0C, "Set Overall Debt Cap", ())
    fields = (("Provider ID", 0), ("Issuer Event ID", 1), ("Implementation Date/Time", 0), ("Overall Debt Cap", 1))
    assert answered(PREPAYMENT, frame_of(select._replace(fields=fields)), clusters) == []

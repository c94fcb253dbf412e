"""What a gas meter writes into its logs: snapshots, samples, top ups, debt payments, events, as the commands that
publish them.

Must not live here: when something is written (``machines``), the clusters (``zcl_objects``).

Source: facts/use-cases.md (GBZ response rows); payload types 6 (snapshot: registers of tiers and blocks) and 0
(prepayment) from published responses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from devices.model.zcl_objects import ClusterModel
from devices.wire.zcl_fields import Command, Fields, Value

__all__ = [
    "BILLING",
    "CHANGED_BLOCKS",
    "CHANGED_MODE",
    "CHANGED_PRICES",
    "CHANGED_SUPPLIER",
    "CHANGED_TARIFF",
    "DAILY",
    "debt_payment",
    "debt_payment_of",
    "event",
    "event_configuration",
    "prepayment_snapshot",
    "samples",
    "snapshot",
    "top_up",
    "top_up_log",
    "top_up_of",
]

DAILY, BILLING = 0x00000001, 0x00000002
"""Causes of a snapshot: the end of a day, the billing calendar."""
CHANGED_TARIFF, CHANGED_PRICES, CHANGED_BLOCKS = 1 << 3, 1 << 4, 1 << 5
CHANGED_SUPPLIER, CHANGED_MODE = 1 << 13, 1 << 14
"""Further causes (facts/gbcs.md 10.6.1); the bit of a change of supplier is [recalled]."""

TIERS = tuple((0x0702, attribute) for attribute in (0x0100, 0x0102, 0x0104, 0x0106))
BLOCKS = tuple((0x0702, attribute) for attribute in (0x0700, 0x0701, 0x0702, 0x0703))
_TIER_AND_BLOCKS = 0x14  # one tier with four blocks
_PAYMENT_BASED = 2  # type of debt


def snapshot(clusters: ClusterModel, number: int, at: int, cause: int) -> Command:
    """The registers as they stand, dated ``at`` (seconds since 2000 UTC)."""
    registers: Value = (
        (
            ("CurrentSummationDelivered", clusters.get((0x0702, 0x0000))),
            ("NumberOfTiersInUse", len(TIERS)),
            ("TierSummations", tuple((("TierSummation", clusters.get(where)),) for where in TIERS)),
            ("NumberOfTiersAndBlockThresholdsInUse", _TIER_AND_BLOCKS),
            ("TierBlockSummations", tuple((("TierBlockSummation", clusters.get(where)),) for where in BLOCKS)),
        ),
    )
    return Command(
        0x0702,
        True,
        0x06,
        "Publish Snapshot",
        (*_head(number, at, cause), ("Snapshot Payload Type", 6), ("SnapshotSub-Payload", registers)),
    )


def prepayment_snapshot(clusters: ClusterModel, number: int, at: int, cause: int) -> Command:
    """The prepayment registers as they stand."""
    registers: Value = (
        (
            ("Accumulated Debt", clusters.get((0x0705, 0x0005))),
            ("Type 1 Debt Remaining", clusters.get((0x0705, 0x0211))),
            ("Type 2 Debt Remaining", clusters.get((0x0705, 0x0221))),
            ("Type 3 Debt Remaining", clusters.get((0x0705, 0x0231))),
            ("Emergency Credit Remaining", clusters.get((0x0705, 0x0002))),
            ("Credit Remaining", clusters.get((0x0705, 0x0001))),
        ),
    )
    return Command(
        0x0705,
        True,
        0x01,
        "Publish Prepay Snapshot",
        (*_head(number, at, cause), ("Snapshot Payload Type", 0), ("Snapshot Payload", registers)),
    )


def _head(number: int, at: int, cause: int) -> tuple[tuple[str, Value], ...]:
    return (
        ("Snapshot ID", number),
        ("Snapshot Time", at),
        ("Total Snapshots Found", 1),
        ("Command Index", 0),
        ("Total Number of Commands", 1),
        ("Snapshot Cause", cause),
    )


def samples(identifier: int, start: int, interval: int, values: Iterable[int] = ()) -> Command:
    """Consumption in each ``interval`` (seconds; FFFF for one a day) from ``start`` on."""
    listed = tuple((("Sample", value),) for value in values)
    return Command(
        0x0702,
        True,
        0x07,
        "GetSampledDataResponse",
        (
            ("SampleID", identifier),
            ("SampleStartTime", start),
            ("SampleType", 0),
            ("SampleRequestInterval", interval),
            ("NumberOfSamples", len(listed)),
            ("Samples", listed),
        ),
    )


def top_up(digits: bytes, amount: int, at: int) -> Command:
    """One token that was accepted."""
    return top_up_of((("TopUp Code", digits), ("TopUp Amount", amount), ("TopUp Time", at)))


def top_up_of(record: Fields) -> Command:
    """One token, as a record of a log shows it."""
    return Command(0x0705, True, 0x05, "Publish Top Up Log", (*_ONE_COMMAND, ("Top Up Payload", (record,))))


def top_up_log(entries: Iterable[Command]) -> Command:
    """Several top ups in one command."""
    listed: list[Fields] = []
    for entry in entries:
        held = dict(entry.fields)["Top Up Payload"]
        assert isinstance(held, tuple)
        listed += held
    return Command(0x0705, True, 0x05, "Publish Top Up Log", (*_ONE_COMMAND, ("Top Up Payload", tuple(listed))))


def debt_payment(at: int, collected: int, outstanding: int) -> Command:
    """One payment towards the payment-based debt."""
    record = (
        ("Collection Time", at),
        ("Amount Collected", collected),
        ("Debt Type", _PAYMENT_BASED),
        ("Outstanding Debt", outstanding),
    )
    return debt_payment_of(record)


def debt_payment_of(record: Fields) -> Command:
    """One payment, as a record of a log shows it."""
    return Command(0x0705, True, 0x06, "Publish Debt Log", (*_ONE_COMMAND, ("Debt Payload", (record,))))


def event(log: int, code: int, at: int, data: bytes = b"") -> Command:
    """One line of an event log."""
    record = (("Log ID", log), ("Event ID", code), ("Event Time", at), ("Event Data", data))
    return Command(
        0x0709,
        True,
        0x01,
        "Publish Event Log",
        (
            ("Total Number of Events", 1),
            ("Command Index", 0),
            ("Total Commands", 1),
            ("Number of Events/Log Payload Control", 0),
            ("Log Payload", (record,)),
        ),
    )


def event_configuration(rows: Iterable[Mapping[str, Value]]) -> Command:
    """The masks of all events; each row has ``Event ID`` and ``Event Configuration``."""
    listed = tuple((("Event ID", row["Event ID"]), ("Event Configuration", row["Event Configuration"])) for row in rows)
    return Command(
        0x0708,
        False,
        0x04,
        "Report Event Configuration",
        (("Command Index", 0), ("Total Commands", 1), ("Event Configuration Payload", listed)),
    )


_ONE_COMMAND: tuple[tuple[str, Value], ...] = (("Command Index", 0), ("Total Number of Commands", 1))

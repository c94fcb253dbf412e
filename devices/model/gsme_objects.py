"""The ZCL clusters of a gas meter, as data.

Must not live here: what the meter does (``machines.gsme``), attributes and commands as rows (``zcl_clusters.json``,
``zcl_conduct.json``).

Source: facts/use-cases.md (GBZ rows of the gas meter); facts/gbcs.md 6 for events.
"""

from __future__ import annotations

from collections.abc import Mapping

from devices.model import gas_records
from devices.model.alerts import non_critical_codes, rule
from devices.model.zcl_objects import ClusterModel, Entry, Path, attributes_of
from devices.wire.zcl_fields import Value

__all__ = ["CLUSTERS", "event_mask", "gsme_clusters"]

CLUSTERS = (0x0000, 0x0700, 0x0702, 0x0703, 0x0705, 0x0707, 0x0708, 0x0709)
"""Basic, Price, Metering, Messaging, Prepayment, Calendar, Device Management, Events."""

LOGGED, TOLD = 0x03, 0x08
"""Bits of an event's mask: into the event log; pushed to the WAN [recalled: Zigbee Smart Energy 1.2]."""


def event_mask(code: int) -> int:
    """The mask of an event as manufactured: logged, and told where the alert rules name somebody [our choice]."""
    return LOGGED | (TOLD if rule(code).recipients else 0)


def gsme_clusters(values: Mapping[Path, Value] | None = None) -> ClusterModel:
    """The clusters of a gas meter as manufactured: no tariff, no calendar, empty logs, the mask of every event.

    ``values`` are those of attributes that this one was made with.
    """
    clusters = ClusterModel(attributes_of(CLUSTERS, values))
    masks = [{"Event ID": code, "Event Configuration": event_mask(code)} for code in non_critical_codes()]
    clusters.keep("event_configurations", Entry(gas_records.event_configuration(masks)))
    return clusters

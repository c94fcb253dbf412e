"""The ZCL clusters of the gas proxy function: the mirror of the gas meter, its logs, no valve and no tokens.

Must not live here: what the proxy does (``machines.gpf``).

Source: facts/gbcs.md 10.6; facts/use-cases.md (rows of the GPF).
"""

from __future__ import annotations

from collections.abc import Mapping

from devices.model.zcl_objects import ClusterModel, attributes_of

__all__ = ["CLUSTERS", "MIRRORED", "TAPPED", "gpf_clusters"]

CLUSTERS = (0x0000, 0x0700, 0x0702, 0x0703, 0x0705, 0x0707, 0x0708, 0x0709)
"""Basic, Price, Metering, Messaging, Prepayment, Calendar, Device Management, Events."""

MIRRORED = (0x0700, 0x0702, 0x0705)
"""The clusters whose attributes the meter reports."""


def gpf_clusters() -> ClusterModel:
    """The clusters of a proxy as manufactured: the mirror shows a meter as delivered until it reports."""
    return ClusterModel(attributes_of(CLUSTERS))


TAPPED: Mapping[int, frozenset[int]] = {
    0x006B: frozenset(),  # tariff and price
    0x006F: frozenset({0x0707}),  # prepayment configuration: its calendar part only
    0x0071: frozenset(),  # message
    0x0015: frozenset(),  # event log cleared
    0x007C: frozenset(),  # calorific value, conversion factor
    0x007E: frozenset(),  # billing calendar
    0x0088: frozenset(),  # supplier contact details
    0x00A3: frozenset(),  # price
}
"""Message codes of the meter that the proxy taps, and the clusters that it takes of them; none named: all
(facts/gbcs.md 8.3 [single source])."""

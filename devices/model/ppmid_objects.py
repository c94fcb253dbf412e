"""The ZCL clusters of a prepayment interface: what it shows.

Must not live here: what it sends to the gas meter (``machines.ppmid``).

Source: facts/gbcs.md 8.4, 10.3; the choice of attributes is [our choice].
"""

from __future__ import annotations

from devices.model.zcl_objects import ClusterModel, attributes_of

__all__ = ["CLUSTERS", "ppmid_clusters"]

CLUSTERS = (0x0000, 0x0703)
"""Basic, Messaging."""


def ppmid_clusters() -> ClusterModel:
    """The clusters of an interface as manufactured."""
    return ClusterModel(attributes_of(CLUSTERS))

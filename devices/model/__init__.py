"""The object models as data: COSEM objects, use-case rows, credential cells, log layouts.

Must not live here: the conduct of a device (``machines``) or octets (``wire``).
"""

"""What the devices and parties of a smart metering installation ARE: their bytes and their behaviour.

Lives here: codecs (``wire``), keys and protection (``trust``), object models (``model``) and the machines themselves
(``machines``).  Must not live here: I/O, threads, sleeping, a clock of its own, or anything imported from ``rig``.
"""

"""``rig perf``: how fast the rig is, measured beside a floor or a peer in the same run.

Lives here: the table of benchmarks (``benchmarks``), what they measure (``messages``, ``frames``, ``peer``), how it is
measured (``measure``) and shown (``report``).  A new benchmark is one row in ``benchmarks.BENCHMARKS``, the timing of a
whole run one in ``benchmarks.TIMINGS``.

Must not live here: the code that is measured, and any verdict of a test; figures go to PERFORMANCE.md.
"""

from rig.perf.command import add_parser, main, run

__all__ = ["add_parser", "main", "run"]

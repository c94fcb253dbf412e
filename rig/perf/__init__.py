"""``rig perf``: how fast the rig is, measured beside a floor or a peer in the same run.

Lives here: the table of benchmarks (``benchmarks``), what they measure (``messages``, ``switching``, ``frames``,
``peer``, ``memory``), how it is measured (``measure``) and shown (``report``).  A new benchmark is one row in
``benchmarks.BENCHMARKS``; what is taken once, such as the time of a whole run, is one in ``benchmarks.TIMINGS``.

Must not live here: the code that is measured, and any verdict of a test; figures go to PERFORMANCE.md.
"""

from rig.perf.command import add_parser, main, run

__all__ = ["add_parser", "main", "run"]

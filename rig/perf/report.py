"""Figures as a table and as JSON, with the interpreter and machine that they were measured on.

Must not live here: measuring (``measure``).
"""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from rig.perf.benchmarks import Benchmark, Timing
from rig.perf.measure import Figure

__all__ = ["as_json", "machine", "table"]


def machine() -> dict[str, Any]:
    """The interpreter's build and the machine."""
    return {
        "python": sys.version.split()[0],
        "implementation": platform.python_implementation(),
        "compiler": platform.python_compiler(),
        "build": _build(),
        "cryptography": version("cryptography"),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
    }


def _build() -> str:
    """What of the interpreter's build decides its speed, read from how it was configured."""
    given = sysconfig.get_config_var("CONFIG_ARGS") or ""
    options = (("--enable-optimizations", "PGO"), ("--with-lto", "LTO"), ("--enable-shared", "shared library"))
    return ", ".join(name if flag in given else f"no {name}" for flag, name in options)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith(("model name", "Model")):
                    return line.partition(":")[2].strip()
    except OSError:
        return platform.processor()
    return platform.processor()


def as_json(
    rows: Sequence[tuple[Benchmark, Figure]],
    timings: Sequence[tuple[Timing, float]],
    missing: Sequence[Benchmark | Timing],
    rounds: int,
) -> dict[str, Any]:
    """Everything as one object."""
    figures = {figure.name: figure for _, figure in rows}
    return {
        "machine": machine(),
        "rounds": rounds,
        "benchmarks": [_row(benchmark, figure, figures) for benchmark, figure in rows],
        "whole_runs": [
            {
                "name": timing.name,
                "unit": timing.unit,
                "figure": round(figure, 3),
                "most": timing.most,
                "least": timing.least,
                "met": timing.met(figure),
            }
            for timing, figure in timings
        ],
        "not_measured": [{"name": benchmark.name, "needs": benchmark.needs} for benchmark in missing],
    }


def _row(benchmark: Benchmark, figure: Figure, figures: dict[str, Figure]) -> dict[str, Any]:
    other = figures.get(benchmark.beside or "")
    ratio = None if other is None else round(figure.share_of(other), 3)
    met = (benchmark.target is None or figure.typical >= benchmark.target) and (
        benchmark.share is None or (ratio is not None and ratio >= benchmark.share)
    )
    return {
        "name": benchmark.name,
        "unit": f"{benchmark.unit} per second",
        "items": figure.items,
        "median": round(figure.typical),
        "best": round(figure.best),
        "target": benchmark.target,
        "beside": benchmark.beside if other is not None else None,
        "ratio": ratio,
        "ratio_target": benchmark.share,
        "met": met if benchmark.target is not None or benchmark.share is not None else None,
    }


_VERDICT = {True: "met", False: "MISSED", None: ""}


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    about = result["machine"]
    lines = [
        f"{about['implementation']} {about['python']} ({about['compiler']}; {about['build']})",
        f"cryptography {about['cryptography']}",
        f"{about['processor'] or 'unknown processor'}, {about['cores']} cores, load {about['load']}, "
        f"{about['system']}; one core used, {result['rounds']} rounds",
        "",
        f"{'per second':<32}{'median':>12}{'best':>12}{'target':>12}  {'':<6}",
    ]
    for row in result["benchmarks"]:
        target = f"{row['target']:>12,.0f}" if row["target"] else f"{'-':>12}"
        verdict = _VERDICT[row["met"]]
        lines.append(f"{row['name']:<32}{row['median']:>12,}{row['best']:>12,}{target}  {verdict}".rstrip())
        if row["ratio"] is not None:
            wanted = f", target {row['ratio_target']}" if row["ratio_target"] else ""
            lines.append(f"{'':<4}{row['ratio']:.2f} times {row['beside']}{wanted}")
    for row in result["whole_runs"]:
        bounds = [f"at {name} {row[name]:,g}" for name in ("most", "least") if row[name] is not None]
        lines.append(
            f"{row['name']:<32}{row['figure']:>12,g} {row['unit']}  {' '.join(bounds)}  {_VERDICT[row['met']]}".rstrip()
        )
    lines += [f"not measured: {row['name']}; it needs {row['needs']}" for row in result["not_measured"]]
    return "\n".join(lines)

"""The command line of `rig run`: every option of Robot's, as Robot's own table has it, and ours beside them.

Robot's parser reads the words (short options, ``--argumentfile``, ``ROBOT_OPTIONS``, abbreviations), from Robot's usage
text with our lines added; so what a later Robot knows is known here too.

Must not live here: what becomes of the options (``rig.run``).
"""

from __future__ import annotations

import getopt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from robot.errors import DataError, Information  # type: ignore[import-untyped]
from robot.run import USAGE  # type: ignore[import-untyped]
from robot.utils import ArgumentParser  # type: ignore[import-untyped]

from rig.bench_up import BadRun

__all__ = ["RunOptions", "read"]

OURS = """
    --bench file
    --out dir
    --set key=value *
    --expectations file
    --tolerate file
"""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `rig run` was asked for.  ``robot``: Robot's options that were given, in the form of ``robot.run``;
    ``said``: a text that is all that was asked for (``--version``).
    ``xunit`` is an option of Robot's that this project carries out itself, from the records."""

    bench: str
    changes: tuple[str, ...]
    suites: tuple[str, ...]
    robot: dict[str, Any]
    said: str = ""
    expectations: str | None = None
    tolerate: str | None = None
    xunit: str | None = None

    def many(self, name: str) -> list[str]:
        """The values of an option that may be given several times."""
        given = self.robot.get(name, [])
        return list(given) if isinstance(given, list) else [given]


class _Permuting(ArgumentParser):  # type: ignore[misc]  # the library is untyped
    """Robot's parser, for which options may stand after a suite as well: `rig run outage --include tag`."""

    def _parse_args(self, args: list[str]) -> tuple[dict[str, Any], list[str]]:
        try:
            found, rest = getopt.gnu_getopt(
                [self._normalize_long_option(one) for one in args], self._short_opts, self._long_opts
            )
        except getopt.GetoptError as problem:
            raise DataError(problem.msg) from None
        return self._process_opts(found), rest


def read(words: Sequence[str]) -> RunOptions:
    """Raises :class:`~rig.bench_up.BadRun` for what Robot's table and ours do not have."""
    parser = _Permuting(USAGE + OURS, name="Robot Framework", env_options="ROBOT_OPTIONS")
    try:
        options, suites = parser.parse_args(list(words))
    except Information as told:
        return RunOptions("", (), (), {}, said=str(told))
    except DataError as problem:
        raise BadRun(
            f"{str(problem).rstrip('.')}; see `rig run --help`, and `robot --help` for Robot's options"
        ) from None
    out, outputdir = options.pop("out"), options.get("outputdir")
    if out is not None and outputdir not in (None, out):
        raise BadRun(f"--out {out} and --outputdir {outputdir} name two places for the results; give one of them")
    options["outputdir"] = out if out is not None else outputdir
    bench, changes = options.pop("bench") or "virtual", tuple(options.pop("set"))
    own = {name: options.pop(name) for name in ("expectations", "tolerate", "xunit")}
    own["xunit"] = None if str(own["xunit"]).upper() == "NONE" else own["xunit"]  # Robot's word for no such file
    given = {name: value for name, value in options.items() if value not in (None, [])}
    return RunOptions(bench, changes, tuple(suites), given, **own)

"""What a lab has agreed on: which device is under test, what was declared of it, which issues are tolerated, by which
rule a reading decides, until when an instrument is calibrated.

Must not live here: judging by any of it (``rig.evidence``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from rig.bus.declarations import DECLARATIONS, LIMITS
from rig.node.sections import BenchFileError, Section

__all__ = ["RULES", "calibrated_until", "declared", "tolerated"]

RULES = ("none declared", "simple", "guard-band")
"""Decision rules, in the words of ``rig.evidence.judging``."""


def declared(section: Section) -> Mapping[str, Any]:
    """What the bench file declares of a device.  Raises :class:`BenchFileError`."""
    told = {name: value for name, value in section.free("declared").items() if value is not None}
    for name, value in told.items():
        where = f"{section.at('declared')}.{name}"
        if name not in DECLARATIONS:
            raise BenchFileError(where, f"one of {', '.join(DECLARATIONS)}", name)
        if DECLARATIONS[name] is LIMITS:
            _check_limits(where, value)
        elif value not in DECLARATIONS[name]:
            raise BenchFileError(where, f"one of {', '.join(DECLARATIONS[name])}", value)
    return told


def _check_limits(where: str, value: Any) -> None:
    limits = Section(value, where)
    if not any(key in limits for key in LIMITS):
        raise BenchFileError(where, f"{' or '.join(LIMITS)}, or both", value)
    ends = [limits.number(key) for key in LIMITS if key in limits]
    limits.done()
    if ends != sorted(ends):
        raise BenchFileError(where, "a min that is not above max", value)


def tolerated(top: Section) -> tuple[Mapping[str, str], ...]:
    """The tolerated issues of a bench file: id, reason and end date, and what each covers.  Raises
    :class:`BenchFileError`."""
    return tuple(
        _issue(Section(row, f"{top.at('tolerated')}[{number}]")) for number, row in enumerate(top.items("tolerated"))
    )


def _issue(section: Section) -> Mapping[str, str]:
    issue = {key: section.text(key) for key in ("id", "reason")}
    issue["until"] = _day(section, "until").isoformat()
    issue |= {key: section.text(key, "") for key in ("expectation", "device", "test")}
    section.done()
    for key in ("id", "reason"):
        if not issue[key].strip():
            raise BenchFileError(section.at(key), "words", issue[key])
    if not issue["expectation"] and not issue["test"]:
        raise BenchFileError(section.where, "an expectation or a test that is tolerated", "neither")
    return issue


def calibrated_until(section: Section) -> date | None:
    """Until when an instrument is calibrated; None where nobody says."""
    return _day(section, "calibrated_until") if "calibrated_until" in section else None


def _day(section: Section, key: str) -> date:
    value = section.take(key, object, "a date such as 2027-03-31")
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        raise BenchFileError(section.at(key), "a date such as 2027-03-31", value) from None

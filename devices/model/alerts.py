"""Alert and event codes: what each is called, whether it is critical, which log keeps it and who is told.

Must not live here: how an alert is built and sent (``machines.parts.alerting``).

Source: facts/gbcs.md 6 for codes and names [2 sources where a maker's manual lists them]; the conduct of each code is
[single source] where its row says so and [our choice] elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import resources

from devices.model.roles import Role
from devices.model.use_cases import UseCase, all_use_cases

__all__ = [
    "GENERIC_CRITICAL",
    "GENERIC_NON_CRITICAL",
    "AlertRule",
    "Log",
    "alert_name",
    "carrier_of",
    "non_critical_codes",
    "rule",
]

GENERIC_CRITICAL = 0x1000
"""Message code of the signed carrier for critical event codes (GCA)."""
GENERIC_NON_CRITICAL = 0x1001
"""Message code of the MACed carrier for other event codes (GNCA)."""


class Log(Enum):
    """The logs of an electricity meter that keep events."""

    EVENT = "event"
    SECURITY = "security"
    POWER = "power"


@dataclass(frozen=True, slots=True)
class AlertRule:
    """What a device does about an event.

    ``recipients`` are the roles told, none for events that are logged only.  ``message_code`` carries it.
    """

    code: int
    critical: bool
    log: Log | None
    recipients: tuple[Role, ...]
    message_code: int


def _rule(
    code: int, log: Log | None, *recipients: Role, critical: bool = True, message_code: int | None = None
) -> tuple[int, AlertRule]:
    carrier = message_code or (GENERIC_CRITICAL if critical else GENERIC_NON_CRITICAL)
    return code, AlertRule(code, critical, log, recipients, carrier)


_S, _N, _A = Role.SUPPLIER, Role.NETWORK_OPERATOR, Role.ACCESS_CONTROL_BROKER

# facts/gbcs.md 6 and 5.1.  Recipients of 0x8F1E, 0x8F3D: "WAN provider, ACB or supplier" [single source], of which the
# supplier is our choice, because every meter knows it.
_RULES: Mapping[int, AlertRule] = dict(
    (
        _rule(0x8F1E, Log.SECURITY, _S),
        _rule(0x8F30, Log.SECURITY, _S),
        _rule(0x8F3D, Log.SECURITY, _S),
        _rule(0x8F53, Log.SECURITY, _S),
        _rule(0x8F60, Log.SECURITY, _S),
        _rule(0x8F85, Log.SECURITY, _S, message_code=0x0120),
        _rule(0x8F12, Log.SECURITY, _A, critical=False, message_code=0x0018),
        _rule(0x8F32, Log.EVENT, _S),
        _rule(0x8F33, Log.EVENT, _S),
        _rule(0x8F34, Log.EVENT, _S, _N),
        *(_rule(code, Log.POWER, _N, message_code=0x0067) for code in range(0x8F35, 0x8F3D)),
        _rule(0x8F3F, Log.SECURITY, _S),
        _rule(0x8F69, Log.EVENT, _S),
        _rule(0x8183, Log.EVENT, _S, critical=False),
        _rule(0x81BD, Log.EVENT, _S, critical=False),
        _rule(0x81BE, Log.EVENT, _S, critical=False),
        _rule(0x81C0, Log.EVENT, _S, critical=False),
        # prepayment and supply, facts/gbcs.md 7 and 10.1; 0x8F47 and 0x8F52 are logged only [single source]
        _rule(0x8F63, Log.SECURITY, _S),
        _rule(0x8F64, Log.SECURITY, _S),
        _rule(0x8F51, Log.SECURITY, _S),
        _rule(0x8F5B, Log.EVENT, _S),
        _rule(0x8F47, Log.EVENT),
        _rule(0x8F0F, Log.EVENT, _S),
        _rule(0x8F83, Log.EVENT, _S),
        _rule(0x8F01, Log.EVENT, _S),
        _rule(0x810E, Log.EVENT, _S, critical=False),
        # future-dated settings, auxiliary controllers, billing: carriers from the use-case table
        _rule(0x8F66, Log.EVENT, _S, message_code=0x00CC),
        _rule(0x8F67, Log.EVENT, _S, message_code=0x00CC),
        _rule(0x8F86, Log.EVENT, _S, message_code=0x0121),
        _rule(0x8F87, Log.EVENT, _S, message_code=0x0122),
        _rule(0x8F0A, Log.EVENT, _S, message_code=0x0061),
        _rule(0x8F1C, Log.EVENT, _S, message_code=0x00CE),
        _rule(0x8F72, Log.EVENT, _S, message_code=0x00CE),
        _rule(0x8F88, Log.EVENT, _S, message_code=0x0123),
        _rule(0x81A0, Log.EVENT, _S, critical=False, message_code=0x00F0),
        # Sub GHz of a hub: told to the broker, facts/gbcs.md 8.4 [3 sources]
        _rule(0x8F20, Log.EVENT, _A, critical=False, message_code=0x0110),
        *(_rule(code, Log.EVENT, _A, critical=False) for code in range(0x8F21, 0x8F26)),
        _rule(0x8F26, Log.EVENT, _A, critical=False, message_code=0x0111),
        _rule(0x8F28, Log.EVENT, _A, critical=False, message_code=0x0112),
        _rule(0x8F2A, Log.EVENT, _A, critical=False, message_code=0x0113),
        _rule(0x8F2C, Log.EVENT, _A, critical=False, message_code=0x0114),
        _rule(0x8F2D, Log.EVENT, _A, critical=False, message_code=0x0115),
        _rule(0x8F52, Log.SECURITY),
        _rule(0x8F70, Log.SECURITY),
        *(_rule(code, Log.POWER) for code in range(0x8F57, 0x8F5B)),
        # joins and the device's own certificates: logged only [single source]
        *(_rule(code, Log.EVENT) for code in range(0x8F48, 0x8F50)),
        _rule(0x819D, Log.EVENT, critical=False),
        _rule(0x8F0C, Log.EVENT),
        _rule(0x8145, Log.EVENT, critical=False),
        _rule(0x81C6, Log.EVENT, critical=False),
        _rule(0x8154, Log.EVENT, critical=False),
        _rule(0x8155, Log.EVENT, critical=False),
        _rule(0x8161, Log.EVENT, critical=False),
        _rule(0x8162, Log.EVENT, critical=False),
    )
)


def rule(code: int) -> AlertRule:
    """What a device does about event ``code``.

    A code without a row is told to the supplier, critical where it lies in 0x8Fxx, and kept in the event log
    [our choice].
    """
    known = _RULES.get(code)
    return known if known is not None else _rule(code, Log.EVENT, Role.SUPPLIER, critical=code >> 8 == 0x8F)[1]


@cache
def carrier_of(code: int, kind: str) -> UseCase | None:
    """The alert of its own by which a device of that ``kind`` tells of event ``code``; None where the generic ones
    carry it."""
    return next((one for one in all_use_cases() if one.is_alert and code in one.alerts and kind in one.devices), None)


def alert_name(code: int) -> str:
    """The name of an alert or event code; ``"unknown code"`` for newer ones (facts/gbcs.md 11 no. 26)."""
    return _names().get(code, "unknown code")


def non_critical_codes() -> tuple[int, ...]:
    """The codes of every known event that is not critical (0x81xx): those whose reporting can be configured."""
    return tuple(sorted(code for code in _names() if code >> 8 == 0x81))


@cache
def _names() -> Mapping[int, str]:
    text = resources.files(__package__).joinpath("alert_codes.json").read_text("utf-8")
    return {int(code, 16): name for code, name in json.loads(text).items()}

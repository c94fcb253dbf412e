"""Alert rules: the carrier of each code agrees with the use-case table."""

from __future__ import annotations

import pytest

from devices.model import use_cases
from devices.model.alerts import GENERIC_CRITICAL, GENERIC_NON_CRITICAL, alert_name, rule
from devices.model.use_cases import UseCase

CARRIERS = [u for u in use_cases.all_use_cases() if u.is_alert and "dlms" in (u.payload or "")]


@pytest.mark.parametrize("use_case", [u for u in CARRIERS if u.code < GENERIC_CRITICAL], ids=lambda u: str(u.use_case))
def test_a_code_is_carried_by_the_message_that_the_table_names(use_case: UseCase) -> None:
    assert use_case.alerts
    for code in use_case.alerts:
        found = rule(code)
        assert (found.message_code, found.critical) == (use_case.code, use_case.critical), hex(code)
        assert found.recipients


def test_what_leads_to_a_dlms_alert_names_a_carrier_of_it() -> None:
    for use_case in use_cases.all_use_cases():
        if use_case.payload == "dlms" and use_case.protection["command"]:
            carriers = {rule(code).message_code for code in use_case.alerts}
            assert carriers == set(use_case.alert_messages), use_case.use_case


@pytest.mark.parametrize(
    ("code", "critical", "carrier"), [(0x8FFE, True, GENERIC_CRITICAL), (0x81FE, False, GENERIC_NON_CRITICAL)]
)
def test_codes_that_nobody_knows_yet(code: int, critical: bool, carrier: int) -> None:
    found = rule(code)
    assert (found.critical, found.message_code) == (critical, carrier)
    assert alert_name(code) == "unknown code"

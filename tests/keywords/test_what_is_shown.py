"""What nothing shows is no verdict: silence is a failure where the device is shown to be silent, and nothing came only
where it could have come.

All tests share one run on the bench without radios."""

from __future__ import annotations

import pytest

from rig.evidence import record
from tests.running import finished, suite

SUITE = """Alert While The WAN Is Cut
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Cut WAN
    Outage Of    10 minutes
    Alert Should Arrive    0x8F36    party=network_operator

Refusal While The Meter Has No Supply
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Switch Supply    mains    on=False
    Send Spoilt Command    ECS43    spoil=payload
    Contact Should Not Move
    Refusal Should Be Reported    esme    check=SIGNATURE

Contact While The Load Has No Supply
    [Setup]    Prepare Premises    needs=ENABLED    leaves=ANY
    Switch Supply    mains    on=False
    Contact Should Be    closed=${True}

Joining A Hub Without Supply
    [Setup]    Prepare Premises    needs=FRESH    leaves=ANY
    Admit To Hub    esme
    Switch Supply    hub_supply    on=False
    Device Should Join    esme

Contact Since A Mark While The WAN Is Cut
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Cut WAN
    ${m}=    Present Mark
    Send Command    ECS42
    Contact Should Close    since=${m}

Execution While The WAN Is Cut
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Cut WAN
    ${c}=    Send Command    ECS42
    Advance Time    10s
    Execution Should Be Reported Once    ${c}

Finding A Hub Without Supply
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY    wan=${False}
    Switch Supply    hub_supply    on=False
    ${hubs}=    Find Hubs
    Hub Should Be Among    hub    ${hubs}

Valve While No Gas Is Fed
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Switch Supply    gas    on=False
    Valve Should Be    opened=True

Reaching Through A Hub Without Supply
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Switch Supply    hub_supply    on=False
    Wait Until Meter Is Reachable

Display Without Supply
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Switch Supply    mains    on=False
    Display Should Show    supply off

Upload Of What Never Came To The Meter
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    ${order}=    Prepare Work Order    ECS45
    Installer Connects    ${order}
    Switch Supply    mains    on=False
    Apply Command    ECS45
    Advance Time    30s
    ${brought}=    Unload Terminal
    ${told}=    Create List
    Uploaded Response Should Succeed    ${told}    ECS45

Connecting To A Hub Without Supply
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY    wan=${False}
    ${order}=    Prepare Work Order    ECS45
    Load Work Order    ${order}
    Find Hubs    hub
    Switch Supply    hub_supply    on=False
    Connect To Hub

Firewall Of A Hub Without Supply
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY    wan=${False}
    ${order}=    Prepare Work Order    ECS45
    Installer Connects    ${order}
    Switch Supply    hub_supply    on=False
    Send Foreign Frame    cluster=${0x0702}    octets=0001000000
    Firewall Should Drop

Window Of A Hub Without Supply
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY    wan=${False}
    ${order}=    Prepare Work Order    ECS45
    Load Work Order    ${order}
    Find Hubs    hub
    Switch Supply    hub_supply    on=False
    Hub Should Not Answer

No Alert While The WAN Is Cut
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Cut WAN
    Outage Of    10 minutes
    No Alert Should Arrive    0x8F36    party=network_operator    within=1 hour

Window That Is Over
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY    wan=${False}
    ${order}=    Prepare Work Order    ECS45
    Load Work Order    ${order}
    Find Hubs    hub
    Advance Time    61 minutes
    Hub Should Not Answer

Connecting To A Hub That Hears And Is Silent
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY    wan=${False}
    ${order}=    Prepare Work Order    ECS45
    Load Work Order    ${order}
    Find Hubs    hub
    Advance Time    61 minutes
    Connect To Hub

Joining A Hub That Was Not Told
    [Setup]    Prepare Premises    needs=FRESH    leaves=ANY
    Cut WAN
    Admit To Hub    esme
    Device Should Join    esme

Joining Of A Meter That Does Not
    [Setup]    Prepare Premises    needs=FRESH    leaves=ANY
    ...    overlay=${{ {"devices": {"esme": {"settings": {"auto_join": False}}}} }}
    Admit To Hub    esme
    Device Should Join    esme

Preparing Behind A Hub That Claims Its Tunnels
    Prepare Premises    needs=JOINED    leaves=ANY
    ...    overlay=${{ {"devices": {"hub": {"fault": "claims-tunnels"}}} }}

List Of A Terminal That Never Heard The Hub
    [Setup]    Prepare Premises    needs=FRESH    leaves=ANY
    ...    overlay=${{ {"devices": {"hht": {"fault": "lists-its-orders"}}} }}
    ${order}=    Prepare Work Order    ECS45
    Load Work Order    ${order}
    Switch Supply    hub_supply    on=False
    Find Hubs    hub

No Response While The WAN Is Cut
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Cut WAN
    ${command}=    Send Command    ECS43    party=other_supplier
    No Response Should Arrive    ${command}

No Response To What Never Came
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    ${command}=    Send Command    ECS45    delivery=LOCAL
    No Response Should Arrive    ${command}

Silent Behind A Terminal
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY    wan=${False}
    ...    overlay=${{ {"devices": {"esme": {"fault": "arms-without-a-word"}}} }}
    ${order}=    Prepare Work Order    ECS44
    Installer Connects    ${order}
    Apply And Wait    ECS44

No Move While The WAN Is Cut
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Cut WAN
    Send Command    ECS42    party=other_supplier
    Contact Should Not Move

Press After An Arming That Never Came
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Cut WAN
    Send Command    ECS44
    Press Button    b
    Contact Should Close

Flow That The Meter Does Not See
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    ...    overlay=${{ {"devices": {"gsme": {"fault": "tells-no-flow"}}} }}
    Gas Is Let Flow
    Flow Check Should Be Reported    above=False

Flow Through A Valve That Lets None Through
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    ...    overlay=${{ {"contactors": {"valve": {"load_ohm": 1e6}}, "supplies": {"gas": {"volts": 12.0}}} }}
    Gas Is Let Flow
    Flow Check Should Be Reported    above=True

Alert That Comes Twice
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    ${m}=    Present Mark
    Outage Of    10 minutes
    Alert Should Arrive    0x8F36    party=network_operator
    Outage Of    10 minutes
    Alert Should Arrive Once    0x8F36    party=network_operator    since=${m}

Reachable After An Outage
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Outage Of    10 seconds
    Wait Until Meter Is Reachable
    Wait Until Meter Is Reachable
"""
KEYWORDS = """
*** Keywords ***
Gas Is Let Flow
    Install Gas Meter
    ${off}=    Disable Gas Supply
    Gas Command Should Succeed    ${off}
    ${arm}=    Arm Gas Supply
    Gas Command Should Succeed    ${arm}
    Let Gas Flow    2000
    Press Button    a    gsme
    Advance Time    1s
"""

VERDICTS = {
    "Alert While The WAN Is Cut": "INFRA",
    "Refusal While The Meter Has No Supply": "INFRA",
    "Contact While The Load Has No Supply": "INFRA",
    "Joining A Hub Without Supply": "INFRA",
    "Contact Since A Mark While The WAN Is Cut": "INFRA",
    "Execution While The WAN Is Cut": "INFRA",
    "Finding A Hub Without Supply": "INFRA",
    "Valve While No Gas Is Fed": "INFRA",
    "Reaching Through A Hub Without Supply": "INFRA",
    "Display Without Supply": "INFRA",
    "Upload Of What Never Came To The Meter": "INFRA",
    "Connecting To A Hub Without Supply": "INFRA",
    "Firewall Of A Hub Without Supply": "INFRA",
    "Window Of A Hub Without Supply": "INFRA",
    "No Alert While The WAN Is Cut": "INFRA",
    "Window That Is Over": "PASS",
    "Connecting To A Hub That Hears And Is Silent": "FAIL",
    "Joining A Hub That Was Not Told": "INFRA",
    "Joining Of A Meter That Does Not": "FAIL",
    "Preparing Behind A Hub That Claims Its Tunnels": "FAIL",
    "List Of A Terminal That Never Heard The Hub": "FAIL",
    "No Response While The WAN Is Cut": "INFRA",
    "No Response To What Never Came": "INFRA",
    "Silent Behind A Terminal": "FAIL",
    "No Move While The WAN Is Cut": "INFRA",
    "Press After An Arming That Never Came": "INFRA",
    "Flow That The Meter Does Not See": "FAIL",
    "Flow Through A Valve That Lets None Through": "FAIL",
    "Alert That Comes Twice": "FAIL",
    "Reachable After An Outage": "OBSERVED",
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("shown")
    run = finished(folder, "--bench", "direct", suite(folder / "shown.robot", SUITE, KEYWORDS))
    return {one.name: one.verdict for one in record.read(run.results)}


@pytest.mark.parametrize(("test", "verdict"), VERDICTS.items())
def test_a_verdict_rests_on_what_is_shown(verdicts: dict[str, str], test: str, verdict: str) -> None:
    assert verdicts[test] == verdict

"""Keywords on the virtual bench do what they are called, and what fails says why in words.

All tests of a suite share one run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rig.evidence import record
from tests.running import Ended, finished, suite

SUITE = """Use Cases Of The Hub Are What They Are Called
    [Setup]    Prepare Premises    needs=JOINED    leaves=ANY
    ${log}=    Send Command    CCS05    hub
    ${answer}=    Command Should Succeed    ${log}
    Should Be Equal As Integers    ${answer}[message_code]    ${0x0004}
    ${remove}=    Send Command    CCS02    hub    device=esme
    ${answer}=    Command Should Succeed    ${remove}
    Should Be Equal As Integers    ${answer}[message_code]    ${0x0002}

An Argument Of The Use Case May Be Called Device
    [Setup]    Prepare Premises    needs=JOINED    leaves=ANY
    ${remove}=    Send Command    CCS02    hub    device=00-DB-12-34-56-78-90-A7
    ${answer}=    Response Should Arrive    ${remove}
    Should Not Be True    ${answer}[success]
    Run Keyword And Expect Error    *one device*    Send Command    ECS45    esme    hub

Answers Without Result Codes Succeed
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    ${make}=    Send Command    CS02c    key_usage=digital_signature
    ${answer}=    Command Should Succeed    ${make}
    Should Be Empty    ${answer}[results]
    ${read}=    Send Command    CS02e    key_usage=digital_signature
    Response Should Arrive    ${read}

A Meter That Is Reachable Is Reachable
    [Setup]    Prepare Premises    needs=JOINED    leaves=ANY
    ${before}=    Civil Time
    Wait Until Meter Is Reachable
    ${after}=    Civil Time
    Should Be Equal    ${before}    ${after}

A Device Joins The Hub That It Is Behind
    [Setup]    Prepare Premises    needs=FRESH    leaves=ANY
    Admit To Hub    esme
    Device Should Join    esme

A Failure Speaks In Words
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY    wan=${False}
    Restore WAN
    ${remove}=    Send Command    CCS02    hub    device=00-DB-12-34-56-78-90-A7
    Command Should Succeed    ${remove}

What Nobody Asked For Is Shown
    [Setup]    Prepare Premises    needs=ENABLED    leaves=ANY
    Outage Of    2 minutes
    Wait Until Meter Answers

Nothing Came And It Is Said Where And How Long
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    ${command}=    Send Command    ECS43    party=other_supplier
    No Response Should Arrive    ${command}    within=7 seconds
    No Alert Should Arrive    0x8F36    within=9 seconds

A Command That Never Reached The Meter Is No Failure Of The Meter
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Cut WAN
    ${command}=    Send Command    ECS45
    Command Should Succeed    ${command}

A Meter Without Supply Is No Silent Meter
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    ${command}=    Send Command    ECS42
    Switch Supply    mains    on=False
    Switch Supply    mains    on=True
    Switch Supply    mains    on=False
    Contact Should Close

A Command That Never Came Moves No Contact
    [Setup]    Prepare Premises    needs=ENABLED    leaves=ANY
    Cut WAN
    ${before}=    Present Mark
    Send Command    ECS43
    Contact Should Open    since=${before}

An Alert Behind A Cut WAN Is No Failure Of The Meter
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Cut WAN
    Outage Of    4 minutes
    Alert Should Arrive    0x8F36

An Alert That Is Lost On The Air Is No Failure Of The Meter
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Switch Supply    mains    on=False
    Advance Time    4 minutes
    Switch Supply    mains    on=True
    ${m}=    Present Mark
    Wait Until Meter Is Reachable
    Set Radio Reach    hub    in_reach=False
    Alert Should Arrive    0x8F36    since=${m}

A Device That The Hub Was Never Told Of Is No Failure Of The Device
    [Setup]    Prepare Premises    needs=FRESH    leaves=ANY
    Cut WAN
    Admit To Hub    esme
    Device Should Join    esme

A Terminal Out Of Reach Is No Failure Of The Hub
    [Setup]    Prepare Premises    needs=JOINED    leaves=ANY
    Find Hubs    hub
    Set Radio Reach    hht    in_reach=False
    Connect To Hub

A Hub Without Supply Opens No Window
    [Setup]    Prepare Premises    needs=JOINED    leaves=ANY
    Find Hubs    hub
    Switch Supply    mains    on=False
    Connect To Hub
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("words")
    return finished(folder, suite(folder / "words.robot", SUITE))


@pytest.fixture(scope="module")
def log(run: Ended) -> str:
    return (run.results / "output.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "test",
    [
        "Use Cases Of The Hub Are What They Are Called",
        "An Argument Of The Use Case May Be Called Device",
        "Answers Without Result Codes Succeed",
        "A Meter That Is Reachable Is Reachable",
        "A Device Joins The Hub That It Is Behind",
    ],
)
def test_a_keyword_does_what_it_is_called(run: Ended, test: str) -> None:
    status, message = run.tests()[test]
    assert status == "PASS", message


def test_a_failure_never_shows_a_dictionary_of_python(run: Ended) -> None:
    status, message = run.tests()["A Failure Speaks In Words"]
    assert status == "FAIL"
    assert re.search(r"expected CCS02 #\d+ carried out, got results: 250 \(", message)
    for _, told in run.tests().values():
        assert not re.search(r"\{'|': |\['", told), told


def test_alerts_that_nobody_asked_for_are_counted_and_fail_nothing(run: Ended, log: str) -> None:
    assert run.tests()["What Nobody Asked For Is Shown"][0] == "PASS"
    assert re.search(r"Alerts that nobody asked for: .*0x8F35 of esme at network_operator \(x1\)", log)
    (told,) = [one for one in record.read(run.results) if one.name == "What Nobody Asked For Is Shown"]
    (outage,) = [one for one in told.unasked_alerts if one["code"] == "0x8F35"]
    assert (outage["device"], outage["party"]) == ("esme", "network_operator")
    assert outage["use_case"]
    assert 0 < outage["at_ns"] <= told.bench_s * 1e9


def test_a_claim_that_nothing_came_says_over_which_time_and_on_which_tap(log: str) -> None:
    assert re.search(r"No response to ECS43 #\d+ from [\d.]+ s to [\d.]+ s; looked at: messages at other_supplier", log)
    assert re.search(r"No alert 0x8F36 of esme from [\d.]+ s to [\d.]+ s; looked at: messages at supplier", log)


@pytest.mark.parametrize(
    ("test", "missing"),
    [
        ("A Command That Never Reached The Meter Is No Failure Of The Meter", "broker"),
        ("A Meter Without Supply Is No Silent Meter", "esme has no supply"),
        ("A Command That Never Came Moves No Contact", "the message came to broker"),
        ("An Alert Behind A Cut WAN Is No Failure Of The Meter", "back to supplier has carried nothing"),
        ("An Alert That Is Lost On The Air Is No Failure Of The Meter", "the radios of hub are out of reach"),
        ("A Terminal Out Of Reach Is No Failure Of The Hub", "no tap has a frame of hht arriving at hub"),
        ("A Hub Without Supply Opens No Window", "no tap has a frame of hht arriving at hub"),
        ("A Device That The Hub Was Never Told Of Is No Failure Of The Device", "no tap has the message"),
    ],
)
def test_what_is_not_shown_to_be_the_devices_fault_is_infra_and_says_what_is_missing(
    run: Ended, test: str, missing: str
) -> None:
    status, message = run.tests()[test]
    assert status == "SKIP"
    assert message.startswith("INFRA: expected ")
    assert "it is not shown that a device failed" in message
    assert missing in message


# ------------------------------------------------------------------------------------------------ faulty and slow ones

SILENT = """Arms Without A Word
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    ${command}=    Send Command    ECS44
    Command Should Succeed    ${command}

Arms Without A Word After The Roads Were Changed
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Cut WAN
    Restore WAN
    ${command}=    Send Command    ECS44
    Command Should Succeed    ${command}
"""


def test_a_silent_meter_fails_where_tap_supply_and_way_back_show_it(tmp_path: Path) -> None:
    run = finished(
        tmp_path, suite(tmp_path / "silent.robot", SILENT), "--set", "devices.esme.fault=arms-without-a-word"
    )
    for status, message in run.tests().values():
        assert status == "FAIL"
        for shown in ("esme is the silent one", "the message crossed to it", "its supply was sensed by", "way back"):
            assert shown in message
    assert "is tried with a read (ECS45)" in (run.results / "output.xml").read_text(encoding="utf-8")


ABSENT = """Never Joins
    [Setup]    Prepare Premises    needs=FRESH    leaves=ANY
    ...    overlay=${{ {'devices': {'esme': {'settings': {'auto_join': False}}}} }}
    Admit To Hub    esme
    Device Should Join    esme

Never Tells
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Outage Of    4 minutes
    Alert Should Arrive    0x8F36

Lets Nobody In
    [Setup]    Prepare Premises    needs=JOINED    leaves=ANY
    Find Hubs    hub
    Advance Time    62 minutes
    Connect To Hub
"""


def test_a_device_that_stays_away_or_tells_nothing_fails_where_it_is_shown(tmp_path: Path) -> None:
    run = finished(tmp_path, suite(tmp_path / "absent.robot", ABSENT), "--set", "devices.esme.fault=wrong-outage-code")
    for test, shown in (
        ("Never Joins", ("esme is the silent one: the hub was told to let it in (the message crossed to it",)),
        ("Lets Nobody In", ("hub is the silent one: a frame of hht crossed to it",)),
        ("Never Tells", ("esme is the silent one", "the way back carried something")),
    ):
        status, message = run.tests()[test]
        assert status == "FAIL", message
        for words in (*shown, "its supply was sensed by"):
            assert words in message


SLOW = """Answers Late
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    ${command}=    Send Command    ECS44
    Command Should Succeed    ${command}
"""


def test_an_answer_later_than_declared_is_a_finding_of_its_own(tmp_path: Path) -> None:
    """It answers after some 0.2 s, and is heard: who is slow is told apart from who is silent."""
    run = finished(tmp_path, suite(tmp_path / "slow.robot", SLOW), "--set", "devices.esme.takes.answer=0.15 s")
    status, message = run.tests()["Answers Late"]
    assert status == "FAIL", run.said
    assert "esme takes no longer for answer than it may" in message
    assert "esme.takes.answer" in message

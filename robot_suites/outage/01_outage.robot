*** Settings ***
Documentation    Outages of the supply: what the meter tells the network operator when it is back, and what it has kept.

Resource         rig/rig.resource

Test Setup       Outage Premises
Test Teardown    Finish Test

Test Tags        bench:outage    bench:trace


*** Test Cases ***
Short Outage Raises The Short Alert
    [Documentation]    After 2 minutes without supply the meter sends 0x8F35 with both times right.
    [Tags]    req:ou-1
    Outage Is Told    2 minutes    0x8F35

Outage Of Just Under Three Minutes Is Short
    [Documentation]    2 min 59 s is a short outage, of which the hub tells nobody.
    [Tags]    req:ou-1
    Outage Is Told    179 seconds    0x8F35
    Hub Should Not Tell Of Outage    within=5 seconds

Long Outage Raises The Long Alert
    [Documentation]    After 10 minutes without supply the meter sends 0x8F36 with both times right.
    [Tags]    demo    req:ou-1
    Outage Is Told    10 minutes    0x8F36

Outage Of Just Over Three Minutes Is Long
    [Documentation]    3 min 1 s is a long outage; the hub told of it while it lasted, from when on.
    [Tags]    req:ou-1
    ${lost}=    Outage Is Told    181 seconds    0x8F36
    ${notice}=    Hub Should Tell Of Outage
    Times Should Agree    ${notice}[started]    ${lost}    within=2s

Supply State And Replay Protection Outlive An Outage
    [Documentation]    After a day without supply the contact stands as before, and a command of yesterday is still refused.
    [Tags]    demo    req:ou-2    req:hht-2
    ${command}=    Send Command    ECS43
    Command Should Succeed    ${command}
    Contact Should Open
    Outage Of    24 hours
    Wait Until Meter Answers
    Contact Should Be    closed=${False}
    Meter Should Report Supply    DISABLED
    Send Again By WAN    ${command}
    Contact Should Not Move
    Refusal Should Be Reported    esme    check=REPLAY

A Closed Contact Is Closed After A Week Without Supply
    [Documentation]    The load switch keeps its state, and the load is lit again when the supply is back.
    [Tags]    req:ou-2
    Contact Should Be    closed=${True}
    Outage Of    7 days
    Wait Until Meter Answers
    Contact Should Be    closed=${True}
    Meter Should Report Supply    ENABLED


*** Keywords ***
Outage Premises
    [Documentation]    An enabled premises with a WAN that is independent of the supply.
    Prepare Premises    needs=ENABLED    leaves=ENABLED

Outage Is Told
    [Documentation]    Take the supply away for a span; the network operator must be told so, with the right code and times.
    [Arguments]    ${span}    ${code}
    ${lost}=    Civil Time
    Outage Of    ${span}
    ${restored}=    Civil Time
    ${alert}=    Alert Should Arrive    ${code}    party=network_operator
    Times Should Agree    ${alert}[interrupted]    ${lost}    within=2s
    Times Should Agree    ${alert}[restored]    ${restored}    within=2s
    RETURN    ${lost}

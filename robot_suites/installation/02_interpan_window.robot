*** Settings ***
Documentation    The inter-PAN window of the hub, option 1: 60 minutes from power-up, kept alive in use.

Resource         rig/rig.resource

Test Teardown    Finish Test

Test Tags        bench:hht    bench:hub


*** Test Cases ***
Window Closes After Sixty Minutes
    [Documentation]    One hour after power-up a hub that nobody used answers no terminal any more.
    [Tags]    bad    demo    req:hht-6    req:hht-7
    [Setup]    Prepare Premises    needs=FRESH    leaves=FRESH    wan=${False}
    ${order}=    Prepare Work Order    ECS45
    Load Work Order    ${order}
    Find Hubs    hub
    Advance Time    59 minutes
    Advance Time    2 minutes
    Hub Should Not Answer

Window Is Open Before The Sixtieth Minute
    [Documentation]    Shortly before the hour is over a terminal still gets in.
    [Tags]    req:hht-6    req:hht-7
    [Setup]    Prepare Premises    needs=FRESH    leaves=FRESH    wan=${False}
    ${order}=    Prepare Work Order    ECS45
    Load Work Order    ${order}
    Find Hubs    hub
    Advance Time    58 minutes
    Connect To Hub

Window Is Kept Alive In Use
    [Documentation]    A window in use stays open past the hour.
    [Tags]    req:hht-6    req:hht-7
    [Setup]    Prepare Premises    needs=ENABLED    leaves=INSTALLED    wan=${False}
    ${order}=    Prepare Work Order    ECS44    ECS43
    Load Work Order    ${order}
    Find Hubs    hub
    Connect To Hub
    Advance Time To    59 minutes
    Apply And Wait    ECS44
    Contact Should Open
    Advance Time    2 minutes
    Apply And Wait    ECS43
    Command Should Be    ECS43    ANSWERED

Window Opens Again On Power Cycle
    [Documentation]    Breaking the seal and power-cycling the hub opens the window again.
    [Tags]    bench:outage    req:hht-6    req:hht-7
    [Setup]    Prepare Premises    needs=FRESH    leaves=FRESH    wan=${False}
    ${order}=    Prepare Work Order    ECS45
    Load Work Order    ${order}
    Find Hubs    hub
    Advance Time    61 minutes
    Hub Should Not Answer
    Power Cycle Hub
    Find Hubs    hub
    Connect To Hub

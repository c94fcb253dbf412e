*** Settings ***
Documentation    What the hub lets through from a terminal that talks to it by inter-PAN.

Resource         rig/rig.resource

Test Setup       Prepare Premises    needs=INSTALLED    leaves=INSTALLED    wan=${False}
Test Teardown    Finish Test

Test Tags        bench:hht    bench:hub    bench:trace


*** Test Cases ***
Frame Of A Foreign Cluster Is Dropped
    [Documentation]    A terminal that is connected sends something else than messages in a tunnel: the hub drops it.
    [Tags]    bad    demo    req:hht-1
    Connect With Work Order    ECS45
    Send Foreign Frame    cluster=${0x0702}    octets=0001000000
    Firewall Should Drop

Message For A Device That Is Not In The Log Is Dropped
    [Documentation]    A valid command for a device that the hub has not admitted goes no further than the hub.
    [Tags]    bad    req:hht-1    req:hht-17
    Connect With Work Order    ECS45:ihd
    Apply Command    ECS45
    Firewall Should Drop

Message For A Device In The Log Passes
    [Documentation]    The same road is open for a device that the hub has admitted.
    [Tags]    req:hht-1
    Connect With Work Order    ECS45
    Apply And Wait    ECS45
    Command Should Be    ECS45    ANSWERED


*** Keywords ***
Connect With Work Order
    [Documentation]    The installer connects with a work order of one command.
    [Arguments]    ${command}
    ${order}=    Prepare Work Order    ${command}
    Installer Connects    ${order}

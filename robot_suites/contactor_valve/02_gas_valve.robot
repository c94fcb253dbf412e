*** Settings ***
Documentation    The valve of a gas meter: shut and armed from afar, opened by nobody but the consumer, judged by its limit
...              switch and by the gas that flows.  The meter sleeps, so that a command waits until it wakes.

Resource         rig/rig.resource

Test Setup       Premises With Gas
Test Teardown    Finish Test

Test Tags        bench:gsme    bench:trace    req:cv-2


*** Test Cases ***
Disable Shuts The Valve
    [Documentation]    GCS32 shuts the valve when the meter has woken, the gas stops, and the meter reports it.
    ${command}=    Disable Gas Supply
    ${operate_time}=    Valve Should Close
    Operate Time Should Be Usual    ${operate_time}    gsme
    Gas Command Should Succeed    ${command}
    Gas Meter Should Report Supply    OFF

A Command Waits For A Meter That Sleeps
    [Documentation]    A meter that wakes every half hour is sent nothing in between: the hub keeps the command, and the valve
    ...    shuts when the meter asks for it.
    [Tags]    bench:variants
    [Setup]    Premises With Gas    variant=half-hourly-gas
    ${command}=    Disable Gas Supply
    Valve Should Not Move    within=25 minutes
    Valve Should Close    within=10 minutes
    Gas Command Should Succeed    ${command}

The Proxy Answers For A Meter That Sleeps
    [Documentation]    The gas proxy in the hub holds what the meter reported when it last woke, and answers at once.
    [Tags]    bench:gpf    bench:variants
    [Setup]    Premises With Gas    variant=half-hourly-gas
    ${command}=    Disable Gas Supply
    Valve Should Close
    Gas Command Should Succeed    ${command}
    Gas Meter Should Report Supply    ON    gpf    within=10 seconds
    Advance Time    31 minutes
    Gas Meter Should Report Supply    OFF    gpf    within=10 seconds

Arm Opens Nothing Until The Consumer Acts
    [Documentation]    GCS39 arms the supply and moves nothing; the consumer's button opens the valve, and the meter looks at
    ...    the flow: the evidence of a safe local process.
    [Tags]    demo
    Gas Is Shut Off
    ${command}=    Arm Gas Supply
    Gas Command Should Succeed    ${command}
    Valve Should Not Move    within=10 minutes
    Valve Should Be    opened=False
    Press Button    a    gsme
    Valve Should Open
    Flow Check Should Be Reported    above=False
    Gas Meter Should Report Supply    ON

A Flow That Nobody Controls Is Seen
    [Documentation]    With a tap left open the meter finds the flow above its threshold after it was switched on.
    [Tags]    bad
    Gas Is Shut Off
    ${command}=    Arm Gas Supply
    Gas Command Should Succeed    ${command}
    Let Gas Flow    2000
    Press Button    a    gsme
    Valve Should Open
    Flow Check Should Be Reported    above=True

Button Of A Shut Supply Does Nothing
    [Documentation]    A consumer cannot open a valve that was shut and not armed.
    [Tags]    bad
    Gas Is Shut Off
    Press Button    a    gsme
    Valve Should Not Move    within=10 minutes

A Short Press Does Not Open An Armed Valve
    [Documentation]    What opens the valve is a deliberate act: the button is held.
    [Tags]    bad
    Gas Is Shut Off
    ${command}=    Arm Gas Supply
    Gas Command Should Succeed    ${command}
    Press Button    a    gsme    hold=1 second
    Valve Should Not Move    within=10 minutes

Arming Shuts An Open Valve
    [Documentation]    An armed supply is off: GCS39 to a supply that is on shuts the valve.
    ${command}=    Arm Gas Supply
    Valve Should Close
    Gas Command Should Succeed    ${command}
    Gas Meter Should Report Supply    ARMED

A Terminal Shuts The Valve With No WAN
    [Documentation]    With the WAN away an installer's terminal carries the signed command; the hub keeps it until the meter
    ...    wakes, and the response goes back with the terminal.
    [Tags]    bench:hht    bench:wan-cut    req:im-7
    Cut Wan
    ${command}=    Disable Gas Supply    delivery=LOCAL
    ${copy}=    Local Copy Of    ${command}
    VAR    @{order}=    ${copy}
    Installer Connects    ${order}
    Apply Command    GCS32
    Valve Should Close    within=10 minutes
    Advance Time    10 seconds
    ${brought}=    Unload Terminal
    ${told}=    Upload Responses    ${brought}
    Uploaded Response Should Succeed    ${told}    GCS32    device=gsme

Valve That Sticks Is Found Although The Meter Reports Success
    [Documentation]    The meter reports its supply off, but limit switch and flow say that it is not: physical truth wins.
    [Tags]    bad    bench:contactor-fault    req:rg-7
    Break Contactor    valve    welded
    ${command}=    Disable Gas Supply
    Gas Command Should Succeed    ${command}
    Gas Meter Should Report Supply    OFF
    Valve Should Be    opened=True
    Run Keyword And Expect Error    *contact of gsme to open*
    ...    Valve Should Close    within=1 minute


*** Keywords ***
Premises With Gas
    [Documentation]    An installed premises with a gas meter in the hub's network, its valve open.
    [Arguments]    ${variant}=${EMPTY}
    Prepare Premises    needs=INSTALLED    leaves=INSTALLED    variant=${variant}
    Install Gas Meter
    Valve Should Be    opened=True

Gas Is Shut Off
    [Documentation]    The valve is shut from afar.
    ${command}=    Disable Gas Supply
    Gas Command Should Succeed    ${command}
    Valve Should Be    opened=False

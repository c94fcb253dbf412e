*** Settings ***
Documentation    Installing a premises that has no WAN, with a pass-through hand-held terminal.

Resource         rig/rig.resource

Test Teardown    Finish Test

Test Tags        bench:hht    bench:hub    bench:trace


*** Test Cases ***
Install A Premises With No WAN
    [Documentation]    An installer brings a premises with no WAN into service with signed commands from a work order alone.
    [Tags]    demo    req:im-7    req:hht-1    req:hht-10    req:rg-5
    [Setup]    Prepare Premises    needs=FRESH    leaves=ENABLED    wan=${False}
    ${order}=    Prepare Work Order    CCS01:hub    ECS70    ECS42
    Installer Connects    ${order}
    Apply And Wait    CCS01
    Device Should Join    esme
    Apply And Wait    ECS70
    Endpoints Should Be As Set    esme
    Contact Should Be    closed=${False}
    Apply And Wait    ECS42
    ${operate_time}=    Contact Should Close
    Operate Time Should Be Usual    ${operate_time}
    ${brought}=    Unload Terminal
    ${told}=    Upload Responses    ${brought}
    Uploaded Response Should Succeed    ${told}    ECS70
    Uploaded Response Should Succeed    ${told}    ECS42

Operator Picks The Commands To Apply
    [Documentation]    Of the commands in a work order only those take effect that the operator picks.
    [Tags]    req:im-7
    [Setup]    Prepare Premises    needs=ENABLED    leaves=INSTALLED    wan=${False}
    ${order}=    Prepare Work Order    ECS43    ECS44    ECS42
    Installer Connects    ${order}
    Apply And Wait    ECS43
    Contact Should Open
    Command Should Be    ECS44    LOADED
    Command Should Be    ECS42    LOADED
    Contact Should Be    closed=${False}
    Press Button    b
    Contact Should Be    closed=${False}

Connection Lost In Mid-Transfer Is Resumed
    [Documentation]    A transfer that broke off is taken up again with the command that broke off, and each command takes effect once.
    [Tags]    bad    bench:radio-reach    bench:display    req:hht-11
    [Setup]    Prepare Premises    needs=ENABLED    leaves=INSTALLED    wan=${False}
    ${order}=    Prepare Work Order    ECS44    ECS43
    Installer Connects    ${order}
    Apply And Wait    ECS44
    Contact Should Open
    Cut Radio After    hht    frames=1
    Apply Command    ECS43
    Advance Time    15s
    Command Should Be    ECS43    INTERRUPTED
    Display Should Show    armed
    Set Radio Reach    hht    in_reach=${True}
    Connect To Hub
    Resume Work Order
    Command Should Be    ECS43    ANSWERED
    Display Should Show    supply off
    FOR    ${command}    IN    @{order}
        Execution Should Be Reported Once    ${command}
    END

The Same Command By WAN And By Terminal
    [Documentation]    Of two copies of one command the first to arrive is executed and the second refused; the supplier hears once.
    [Tags]    req:hht-2
    [Setup]    Prepare Premises    needs=ENABLED    leaves=INSTALLED
    ${command}=    Send Command    ECS43    delivery=BOTH
    ${copy}=    Local Copy Of    ${command}
    Command Should Succeed    ${command}
    Contact Should Open
    VAR    @{order}=    ${copy}
    Installer Connects    ${order}
    Apply Command    ECS43
    Contact Should Not Move    within=15s
    Refusal Should Be Reported    esme    check=REPLAY
    One Response Should Have Arrived    ${command}
    Execution Should Be Reported Once    ${command}

Executed By Terminal, Response Lost, Sent Again By WAN
    [Documentation]    The response got lost with terminal and hub; sent again by WAN the command is refused, and the supplier reads the outcome.
    [Tags]    bad    bench:radio-reach    bench:display    req:hht-2    req:hht-11
    [Setup]    Prepare Premises    needs=ENABLED    leaves=INSTALLED    wan=${False}
    ${command}=    Send Command    ECS43    delivery=BOTH
    ${copy}=    Local Copy Of    ${command}
    VAR    @{order}=    ${copy}
    Installer Connects    ${order}
    Apply Command    ECS43
    Contact Should Open
    Set Radio Reach    hht    in_reach=${False}
    Advance Time    1s
    Power Cycle Hub
    Wait Until Meter Is Reachable
    Restore WAN
    Send Again By WAN    ${command}
    No Response Should Arrive    ${command}
    Refusal Should Be Reported    esme    check=REPLAY
    Meter Should Report Supply    DISABLED

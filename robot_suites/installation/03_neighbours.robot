*** Settings ***
Documentation    Several hubs in reach with open windows.

Resource         rig/rig.resource

Test Teardown    Finish Test

Test Tags        bench:hht    bench:neighbour


*** Test Cases ***
Installer Sees Which Hub Is Which
    [Documentation]    Two hubs in reach are told apart by the number printed on them.
    [Tags]    req:hht-17    req:id-5
    [Setup]    Prepare Premises    needs=FRESH    leaves=FRESH    wan=${False}
    ${hubs}=    Find Hubs    hub    neighbour
    Hub Should Be Among    hub    ${hubs}
    Hub Should Be Among    neighbour    ${hubs}

A Work Order Never Runs On The Neighbour's Equipment
    [Documentation]    The wrong hub is refused with an explanation, and nothing is sent to it.
    [Tags]    bad    demo    req:hht-17
    [Setup]    Prepare Premises    needs=FRESH    leaves=FRESH    wan=${False}
    ${order}=    Prepare Work Order    CCS01:hub    ECS42
    Load Work Order    ${order}    hub=hub
    Find Hubs    hub    neighbour
    ${words}=    Connecting Should Be Refused    neighbour
    Should Contain    ${words}    work order    ignore_case=True
    Contact Should Not Move

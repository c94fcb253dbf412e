*** Settings ***
Documentation    Messages that nobody here wrote: the published supplier commands for the load switch, from a work order,
...              each to a fresh meter with the published identity whose floor for that supplier lies below their counter.

Resource         rig/rig.resource

Test Teardown    Finish Test

Test Tags        bench:hht    bench:variants    bench:trace


*** Test Cases ***
Published Enable Closes The Contactor
    [Documentation]    The published ECS42 moves the contactor, and its repetition is refused as a replay.
    [Tags]    demo    req:im-7    req:cv-1
    [Setup]    Published Premises
    Apply Published    ECS42
    Contact Should Close
    Replay Is Refused    ECS42

Published Disable Opens The Contactor
    [Documentation]    The published ECS43 opens a contactor that left manufacture closed, and its repetition is refused.
    [Tags]    req:im-7    req:cv-1
    [Setup]    Published Premises    supply=enabled
    Apply Published    ECS43
    Contact Should Open
    Replay Is Refused    ECS43

Published Arm Lets The Consumer Close The Contactor
    [Documentation]    The published ECS44 arms the supply; the consumer's button closes the contactor.
    [Tags]    req:im-7    req:cv-1
    [Setup]    Published Premises
    Apply Published    ECS44
    Contact Should Be    closed=${False}
    Press Button    b
    Contact Should Close
    Replay Is Refused    ECS44

Published Read Is Answered
    [Documentation]    The published ECS45 is answered with the state of the load switch and moves nothing.
    [Tags]    req:im-7    req:cv-1
    [Setup]    Published Premises
    Apply Published    ECS45
    Contact Should Not Move

The Next With The Same Counter Is Refused
    [Documentation]    ECS43 with the counter that ECS42 has used on this meter is refused, and nothing moves.
    [Tags]    bad    req:hht-2    req:cv-1
    [Setup]    Published Premises
    Apply Published    ECS42
    Contact Should Close
    ${order}=    Published Commands    ECS43
    Load Work Order    ${order}
    Apply Command    ECS43
    Contact Should Not Move    within=15s
    Refusal Should Be Reported    esme    check=REPLAY


*** Keywords ***
Published Premises
    [Documentation]    A fresh premises with the published identities; skips where the corpus is absent.
    [Arguments]    ${supply}=disabled
    Corpus Must Be There
    Prepare Premises    needs=JOINED    leaves=ANY    variant=published-${supply}

Apply Published
    [Documentation]    Load one published command into the terminal and apply it.
    [Arguments]    ${name}
    ${order}=    Published Commands    ${name}
    Installer Connects    ${order}
    Apply And Wait    ${name}
    Command Should Be    ${name}    answered

Replay Is Refused
    [Documentation]    The same octets once more: refused, and nothing moves.
    [Arguments]    ${name}
    Advance Time    1s
    ${order}=    Published Commands    ${name}
    Load Work Order    ${order}
    Apply Command    ${name}
    Contact Should Not Move    within=15s
    Refusal Should Be Reported    esme    check=REPLAY

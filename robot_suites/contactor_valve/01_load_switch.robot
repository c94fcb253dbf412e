*** Settings ***
Documentation    The load switch of an electricity meter, judged by its auxiliary contact and by the current through it.

Resource         rig/rig.resource

Test Teardown    Finish Test


*** Test Cases ***
Enable Closes The Contact
    [Documentation]    ECS42 closes the contact at once, it stays closed, and the meter reports its supply enabled.
    [Tags]    req:cv-1
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ENABLED
    ${command}=    Send Command    ECS42
    ${operate_time}=    Contact Should Close
    ${moved}=    Present Mark
    Operate Time Should Be Usual    ${operate_time}
    Command Should Succeed    ${command}
    Meter Should Report Supply    ENABLED
    Contact Should Not Move    since=${moved}
    Contact Should Be    closed=${True}

Disable Opens The Contact
    [Documentation]    ECS43 opens the contact once, the load goes dark and stays so, and the meter reports its supply disabled.
    [Tags]    req:cv-1
    [Setup]    Prepare Premises    needs=ENABLED    leaves=INSTALLED
    ${command}=    Send Command    ECS43
    ${operate_time}=    Contact Should Open
    ${moved}=    Present Mark
    Operate Time Should Be Usual    ${operate_time}
    Command Should Succeed    ${command}
    Meter Should Report Supply    DISABLED
    Contact Should Not Move    since=${moved}
    Contact Should Be    closed=${False}

Arm Moves Nothing Until The Consumer Acts
    [Documentation]    ECS44 arms the supply and moves nothing; only the consumer's button closes the contact.
    [Tags]    demo    req:cv-1
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ENABLED
    ${command}=    Send Command    ECS44
    Command Should Succeed    ${command}
    Contact Should Not Move
    Contact Should Be    closed=${False}
    Meter Should Report Supply    ARMED
    Press Button    b
    ${operate_time}=    Contact Should Close
    Operate Time Should Be Usual    ${operate_time}
    Meter Should Report Supply    ENABLED

Arm Opens A Closed Contact
    [Documentation]    ECS44 to an enabled supply opens the contact, and the consumer may close it again.
    [Tags]    req:cv-1
    [Setup]    Prepare Premises    needs=ENABLED    leaves=ENABLED
    ${command}=    Send Command    ECS44
    ${operate_time}=    Contact Should Open
    Operate Time Should Be Usual    ${operate_time}
    Command Should Succeed    ${command}
    Meter Should Report Supply    ARMED
    Press Button    b
    Contact Should Close

Button Of A Disabled Supply Does Nothing
    [Documentation]    A consumer cannot reconnect a supply that is disabled and not armed.
    [Tags]    bad    req:cv-1
    [Setup]    Prepare Premises    needs=ENABLED    leaves=INSTALLED
    ${command}=    Send Command    ECS43
    Command Should Succeed    ${command}
    Contact Should Open
    Press Button    b
    Contact Should Not Move
    Meter Should Report Supply    DISABLED

Welded Contactor Is Found Although The Meter Reports Success
    [Documentation]    The meter reports its supply disabled, but contact and current say that it is not: physical truth wins.
    [Tags]    bad    demo    bench:contactor-fault    req:cv-1    req:rg-7
    [Setup]    Prepare Premises    needs=ENABLED    leaves=ENABLED
    Break Contactor    main    welded
    ${command}=    Send Command    ECS43
    Command Should Succeed    ${command}
    Meter Should Report Supply    DISABLED
    Contact Should Be    closed=${True}
    Run Keyword And Expect Error    *contact of esme to open*
    ...    Contact Should Open

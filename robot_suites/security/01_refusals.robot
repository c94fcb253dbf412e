*** Settings ***
Documentation    Commands that a meter must refuse with nothing changed: replayed, tampered with, forged, misdirected.

Resource         rig/rig.resource

Test Setup       Prepare Premises    needs=ENABLED    leaves=ENABLED
Test Teardown    Finish Test

Test Tags        bad    bench:forge    bench:trace


*** Test Cases ***
Replayed Command Is Refused
    [Documentation]    The octets of a command that was executed are refused the second time.
    [Tags]    demo    req:hht-2    req:sa-9
    ${open}=    Send Command    ECS43
    Command Should Succeed    ${open}
    ${close}=    Send Command    ECS42
    Command Should Succeed    ${close}
    Contact Should Close
    Send Again By WAN    ${open}
    Contact Should Not Move
    Refusal Should Be Reported    esme    check=REPLAY
    Meter Should Report Supply    ENABLED

Tampered Command Is Refused
    [Documentation]    One octet of the payload altered on the way: refused.
    [Tags]    demo    req:sa-9
    Send Spoilt Command    ECS43    spoil=payload
    Contact Should Not Move
    Refusal Should Be Reported    esme    check=SIGNATURE
    Meter Should Report Supply    ENABLED

Wrongly Signed Command Is Refused
    [Documentation]    A critical command with a good MAC and another's signature: refused.
    [Tags]    req:sa-9    req:im-7
    Send Spoilt Command    ECS43    spoil=signature
    Contact Should Not Move
    Refusal Should Be Reported    esme    check=SIGNATURE
    Meter Should Report Supply    ENABLED

Command With A Wrong MAC Is Refused
    [Documentation]    A command with a good signature and a MAC that is not the broker's: refused.
    [Tags]    req:sa-9    req:im-7
    Send Spoilt Command    ECS43    spoil=mac
    Contact Should Not Move
    Refusal Should Be Reported    esme    check=MAC
    Meter Should Report Supply    ENABLED

A Forgery Uses Up No Counter
    [Documentation]    After a forged command was refused the true one with the same counter is executed.
    [Tags]    req:sa-9    req:hht-2
    FOR    ${spoil}    IN    payload    signature    mac
        ${command}=    Send Spoilt Command    ECS43    spoil=${spoil}
        Contact Should Not Move
        Send Again By WAN    ${command}
        Command Should Succeed    ${command}
        Execution Should Be Reported Once    ${command}
    END
    Contact Should Be    closed=${False}

Command For Another Device Is Refused
    [Documentation]    A valid command for another device, carried to this one by a hub that misdirects: refused.
    [Tags]    bench:variants    req:hht-17    req:sa-9
    [Setup]    Prepare Premises    needs=ENABLED    leaves=ENABLED    variant=misdirecting-hub
    Send Spoilt Command    ECS43    spoil=recipient
    Contact Should Not Move
    Refusal Should Be Reported    esme    check=ADDRESSEE
    Meter Should Report Supply    ENABLED

Command From A Party Without The Role Is Refused
    [Documentation]    The network operator signs a load switch command: valid protection, no authority.
    [Tags]    req:sa-10
    Send Command    ECS43    party=network_operator
    Contact Should Not Move
    Refusal Should Be Reported    esme    check=ROLE
    Meter Should Report Supply    ENABLED

Command From A Stranger Is Refused
    [Documentation]    A supplier whose credentials the meter does not hold: refused.
    [Tags]    bench:other_supplier    req:sa-10
    Send Command    ECS43    party=other_supplier
    Contact Should Not Move
    Refusal Should Be Reported    esme    check=ROLE
    Meter Should Report Supply    ENABLED

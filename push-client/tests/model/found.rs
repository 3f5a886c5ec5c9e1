//! Cases that failed once.
use push_client::Door;
use push_core::{Presence, Slot};

use crate::{
    operations::{
        self, Gives,
        Op::{self, *},
        Ticket::{Malformed, Same},
        Via::{Auto, Manual},
        What,
        Who::{Alice, Bob, OtherAlice},
    },
    run::{Case, run},
    world::Bridges,
};

fn holds(bridges: Bridges, operations: impl Into<Vec<Op>>) {
    let operations = operations.into();
    let case = Case {
        bridges,
        answers_calls: true,
        operations,
    };
    if let Err(why) = run(&case) {
        panic!("{why}");
    }
}

/// S42: a gateway keeps apps apart, so an upload for one app takes nothing from another's user.
#[test]
fn a_login_to_another_app_unbinds_the_user_of_the_first() {
    holds(
        Bridges::Both,
        [Login(Auto, Alice, Same), Login(Auto, OtherAlice, Same)],
    );
}

/// S42: whoever cannot be registered is there nevertheless, and must not get what is Alice's.
#[test]
fn a_login_with_a_ticket_that_is_none_ends_the_login_of_another() {
    for (bridges, via) in [(Bridges::Auto, Auto), (Bridges::Manual, Manual)] {
        holds(
            bridges,
            [Login(via, Alice, Same), Login(via, Bob, Malformed)],
        );
        // Nor after a restart, when nobody is logged in yet.
        holds(
            bridges,
            [Login(via, Alice, Same), Restart, Login(via, Bob, Malformed)],
        );
        // Whose ticket is renewed by one that is none keeps the old one.
        holds(
            bridges,
            [Login(via, Alice, Same), Login(via, Alice, Malformed)],
        );
    }
}

/// S41, S47: the phone must not stay bound because the login that ended was one that push never heard of.
#[test]
fn the_end_of_a_login_that_was_not_registered_ends_what_the_last_process_left() {
    for end in [Kick, Logout(Auto)] {
        for begin in [LocalOnly(Alice), Login(Auto, Alice, Malformed)] {
            holds(
                Bridges::Auto,
                [
                    Login(Auto, Alice, Same),
                    Restart,
                    begin.clone(),
                    end.clone(),
                ],
            );
        }
    }
}

/// S24, S32: a click that nobody opened is no click seen before.
#[test]
fn a_click_that_died_waiting_is_opened_when_it_comes_again() {
    let click = Click(operations::Click {
        what: What::Chat,
        door: Door::Launch,
        has_delivery: true,
        twice: false,
        deferred: false,
    });
    for end in [Restart, Crash] {
        holds(
            Bridges::Auto,
            [
                click.clone(),
                end,
                ClickAgain(Door::Launch),
                Login(Auto, Alice, Same),
                ClickAgain(Door::Response),
            ],
        );
    }
}

/// S27, S32: one that gave way to another is dealt with, after a restart too.
#[test]
fn a_click_that_gave_way_is_not_opened_when_it_comes_again() {
    let click = |has_delivery| {
        Click(operations::Click {
            what: What::Chat,
            door: Door::Launch,
            has_delivery,
            twice: false,
            deferred: false,
        })
    };
    holds(
        Bridges::Auto,
        [
            click(true),
            click(false),
            Restart,
            ClickAgain(Door::Launch),
            Login(Auto, Alice, Same),
        ],
    );
}

/// S54: of two tokens that were told, the gateway has either, if the answer to the later was lost.
#[test]
fn a_token_that_comes_back_after_a_lost_answer_is_told_again() {
    holds(
        Bridges::Auto,
        [
            Login(Auto, Alice, Same),
            Fault(operations::Fault::AnswerLost),
            Token(Slot::Alert, 1),
            Token(Slot::Alert, 0),
        ],
    );
}

#[test]
fn a_token_that_was_taken_back_is_not_asked_for_when_the_gateway_lacks_it() {
    holds(
        Bridges::Auto,
        [
            Login(Auto, Alice, Same),
            Fault(operations::Fault::AnswerLost),
            TokenRemoved(Slot::Alert),
            Fault(operations::Fault::Unavailable),
        ],
    );
}

/// S56: an expired ticket, of which the gateway has said so, still unbinds.
#[test]
fn push_is_switched_off_with_an_expired_ticket_too() {
    holds(
        Bridges::Auto,
        [
            Login(Auto, Alice, Same),
            TicketExpires,
            Place(Presence::Background),
            Push(false),
        ],
    );
}

/// S56: what the gateway says of tokens when push is off is no reason to ask for one.
#[test]
fn no_token_is_asked_for_when_push_is_off() {
    holds(
        Bridges::Auto,
        [
            Login(Auto, Alice, Same),
            ForgetToken(Slot::Alert),
            Hold(true),
            Place(Presence::Background),
            Push(false),
        ],
    );
}

/// S47: the gateway has a token, the client was not told so, and then the token goes.
#[test]
fn a_token_that_goes_after_a_lost_answer_is_taken_from_the_gateway() {
    holds(
        Bridges::Auto,
        [
            Phone(Slot::Alert, Gives::Nothing),
            Phone(Slot::Voip, Gives::Nothing),
            Login(Auto, Alice, Same),
            Fault(operations::Fault::AnswerLost),
            Token(Slot::LiveActivity, 1),
            TokenRemoved(Slot::LiveActivity),
        ],
    );
}

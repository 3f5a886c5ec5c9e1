//! Cases that failed once, as regression tests.
use push_client::ClickSource;
use push_core::{Presence, Slot};

use crate::{
    operations::{
        self, Gives,
        Op::{self, *},
        Ticket::{Malformed, Renewed, Same},
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

/// S42: apps are independent at the gateway, so an upload for one app does not unbind the user of another.
#[test]
fn a_login_to_another_app_unbinds_the_user_of_the_first() {
    holds(
        Bridges::Both,
        [Login(Auto, Alice, Same), Login(Auto, OtherAlice, Same)],
    );
}

/// S42: a user who cannot be registered has the phone nevertheless, and must not get Alice's pushes.
#[test]
fn a_login_with_an_invalid_ticket_ends_the_login_of_another_user() {
    for (bridges, via) in [(Bridges::Auto, Auto), (Bridges::Manual, Manual)] {
        holds(
            bridges,
            [Login(via, Alice, Same), Login(via, Bob, Malformed)],
        );
        // Also after a restart, before a login.
        holds(
            bridges,
            [Login(via, Alice, Same), Restart, Login(via, Bob, Malformed)],
        );
        // The same user keeps the old ticket if the new one is invalid.
        holds(
            bridges,
            [Login(via, Alice, Same), Login(via, Alice, Malformed)],
        );
    }
}

/// S41, S47: the phone must not stay bound because the login that ended was not reported to push.
#[test]
fn the_end_of_an_unregistered_login_unbinds_the_user_of_the_last_process() {
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

/// S24, S32: a click that was lost while it waited is not a duplicate.
#[test]
fn a_click_that_was_lost_by_a_restart_is_opened_when_it_is_repeated() {
    let click = Click(operations::Click {
        what: What::Chat,
        source: ClickSource::Launch,
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
                ClickAgain(ClickSource::Launch),
                Login(Auto, Alice, Same),
                ClickAgain(ClickSource::Response),
            ],
        );
    }
}

/// S27, S32: a click that was replaced by another is done, also after a restart.
#[test]
fn a_replaced_click_is_not_opened_when_it_is_repeated() {
    let click = |has_delivery| {
        Click(operations::Click {
            what: What::Chat,
            source: ClickSource::Launch,
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
            ClickAgain(ClickSource::Launch),
            Login(Auto, Alice, Same),
        ],
    );
}

/// S54: if the answer to the later of two uploads was lost, the gateway may have either token.
#[test]
fn an_earlier_token_is_uploaded_again_after_a_lost_answer() {
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
fn a_removed_token_is_not_requested_when_the_gateway_lacks_it() {
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

/// S56: a ticket that the gateway has refused as expired still unbinds.
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

/// S56: while push is off, the gateway's answer about tokens does not cause a request for one.
#[test]
fn no_token_is_requested_while_push_is_off() {
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

/// S47: the gateway has a token, the answer to its upload was lost, and then the token is removed.
#[test]
fn a_token_that_is_removed_after_a_lost_answer_is_unregistered() {
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

/// S47: a new ticket is refused while the same user logs in again, and then the token is removed.
#[test]
fn a_token_registered_before_a_refused_upload_is_unregistered() {
    holds(
        Bridges::Auto,
        [
            Login(Auto, Alice, Same),
            Hold(true),
            Token(Slot::Voip, 1),
            Login(Auto, Bob, Same),
            Login(Auto, Alice, Same),
            TicketExpires,
            Login(Auto, Alice, Renewed),
            TokenRemoved(Slot::Voip),
        ],
    );
}

/// S54: the client requests a lost token only some times; one that the phone would return afterwards waits for the next login.
#[test]
fn a_lost_token_is_not_requested_for_ever() {
    holds(
        Bridges::Auto,
        [
            Phone(Slot::Voip, Gives::Nothing),
            Login(Auto, Alice, Same),
            Token(Slot::Voip, 0),
            ForgetToken(Slot::Voip),
            Quiet,
            Phone(Slot::Voip, Gives::Token(0)),
            Quiet,
        ],
    );
}

//! Cases that failed once.
use push_client::Door;
use push_core::Slot;

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

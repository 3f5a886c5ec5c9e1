//! The operations on a phone, generated in any order.
use std::time::Duration;

use proptest::prelude::*;
use push_client::ClickSource;
use push_core::{Account, AppId, Presence, Secret, Slot, UserId};

/// The people who share the phone. Carol and the second Alice use another app; the Alices have the same user id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Who {
    Alice,
    Bob,
    OtherAlice,
    Carol,
}

impl Who {
    pub(crate) const ALL: [Self; 4] = [Self::Alice, Self::Bob, Self::OtherAlice, Self::Carol];

    pub(crate) fn user(self) -> UserId {
        let user = match self {
            Self::Alice | Self::OtherAlice => "alice",
            Self::Bob => "bob",
            Self::Carol => "carol",
        };
        UserId::new(user).expect("a good user id")
    }

    pub(crate) fn app(self) -> AppId {
        let app = match self {
            Self::Alice | Self::Bob => "1400000001",
            Self::OtherAlice | Self::Carol => "1400000002",
        };
        AppId::new(app).expect("a good app id")
    }

    pub(crate) fn of(account: &Account) -> Self {
        Self::ALL
            .into_iter()
            .find(|who| who.user() == account.user && who.app() == account.app)
            .expect("a known account")
    }
}

/// The bridge that reports a login or logout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Auto,
    Manual,
}

/// The ticket of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ticket {
    Same,
    Renewed,
    /// A ticket that no gateway could have issued.
    Malformed,
}

/// The phone's answer to a request for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gives {
    Token(u8),
    Nothing,
    /// No answer yet.
    Later,
}

/// The notification that is clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Chat,
    Group,
    Call,
    /// A payload without `ext`.
    NoExt,
    /// An `ext` of another system.
    Foreign,
}

/// How the app's handlers answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    Ready,
    NotReady,
    Failing,
}

/// The fault of the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Unavailable,
    /// The request is processed, but its answer is lost.
    AnswerLost,
    TooFrequent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Click {
    pub(crate) what: What,
    pub(crate) source: ClickSource,
    /// Whether the payload names its delivery.
    pub(crate) has_delivery: bool,
    /// Whether another source reports it too.
    pub(crate) twice: bool,
    /// Whether the app completes the callback itself later.
    pub(crate) deferred: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Login(Via, Who, Ticket),
    LoginFails(Who),
    LocalOnly(Who),
    Logout(Via),
    LogoutFails,
    /// A logout that the server answers at `SlowLogoutsEnd`.
    LogoutSlow,
    SlowLogoutsEnd,
    /// A logout by hand from the earlier login.
    LateLogout,
    Kick,
    Expire,

    Phone(Slot, Gives),
    PhoneAnswers(Slot, Option<u8>),
    PermissionDenied,
    Token(Slot, u8),
    EmptyToken(Slot),
    LongToken(Slot),
    NoToken(Slot),
    TokenRemoved(Slot),

    Click(Click),
    /// The operating system repeats the last click with a delivery.
    ClickAgain(ClickSource),
    Arrive(What),
    DeferredDone,
    Interceptor(bool),
    Handler(Handler),
    Ready,

    Place(Presence),
    Rotate,
    Push(bool),

    Network(bool),
    Hold(bool),
    Fault(Fault),
    TicketExpires,
    Certificate(Slot, bool),
    /// The gateway forgets the device, as after a kick.
    Forget,
    /// The gateway forgets a token, as after a vendor's report that it is dead.
    ForgetToken(Slot),
    Wait(Duration),
    /// The network works, the app comes to the foreground, and all pauses pass.
    Quiet,

    Restart,
    Crash,
    /// The process dies this number of turns after the operation began.
    CrashDuring(Box<Self>, u8),
}

fn who() -> BoxedStrategy<Who> {
    prop_oneof![
        4 => Just(Who::Alice),
        4 => Just(Who::Bob),
        1 => Just(Who::OtherAlice),
        2 => Just(Who::Carol),
    ]
    .boxed()
}

fn via() -> BoxedStrategy<Via> {
    prop_oneof![Just(Via::Auto), Just(Via::Manual)].boxed()
}

fn slot() -> BoxedStrategy<Slot> {
    prop_oneof![
        3 => Just(Slot::Alert),
        2 => Just(Slot::Voip),
        1 => Just(Slot::LiveActivity),
    ]
    .boxed()
}

fn source() -> BoxedStrategy<ClickSource> {
    prop_oneof![
        Just(ClickSource::Launch),
        Just(ClickSource::Response),
        Just(ClickSource::Warm)
    ]
    .boxed()
}

fn what() -> BoxedStrategy<What> {
    prop_oneof![
        5 => Just(What::Chat),
        3 => Just(What::Group),
        2 => Just(What::Call),
        1 => Just(What::NoExt),
        1 => Just(What::Foreign),
    ]
    .boxed()
}

fn login() -> BoxedStrategy<Op> {
    let ticket = prop_oneof![
        6 => Just(Ticket::Same),
        3 => Just(Ticket::Renewed),
        1 => Just(Ticket::Malformed),
    ];
    (via(), who(), ticket)
        .prop_map(|(via, who, ticket)| Op::Login(via, who, ticket))
        .boxed()
}

fn click() -> BoxedStrategy<Op> {
    let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2));
    (what(), source(), flags)
        .prop_map(|(what, source, (has_delivery, twice, deferred))| {
            Op::Click(Click {
                what,
                source,
                has_delivery,
                twice,
                deferred,
            })
        })
        .boxed()
}

fn token() -> BoxedStrategy<Op> {
    prop_oneof![
        4 => (slot(), 0..4_u8).prop_map(|(slot, number)| Op::Token(slot, number)),
        1 => slot().prop_map(Op::EmptyToken),
        1 => slot().prop_map(Op::LongToken),
        1 => slot().prop_map(Op::NoToken),
        2 => slot().prop_map(Op::TokenRemoved),
    ]
    .boxed()
}

fn leave() -> BoxedStrategy<Op> {
    prop_oneof![
        3 => via().prop_map(Op::Logout),
        1 => Just(Op::LogoutFails),
        1 => Just(Op::LogoutSlow),
        1 => Just(Op::SlowLogoutsEnd),
        1 => Just(Op::LateLogout),
        1 => Just(Op::Kick),
        1 => Just(Op::Expire),
    ]
    .boxed()
}

fn phone() -> BoxedStrategy<Op> {
    let gives = prop_oneof![
        3 => (0..4_u8).prop_map(Gives::Token),
        1 => Just(Gives::Nothing),
        1 => Just(Gives::Later),
    ];
    let asked = || prop_oneof![Just(Slot::Alert), Just(Slot::Voip)];
    prop_oneof![
        3 => (asked(), gives).prop_map(|(slot, gives)| Op::Phone(slot, gives)),
        2 => (asked(), prop::option::of(0..4_u8))
            .prop_map(|(slot, number)| Op::PhoneAnswers(slot, number)),
        1 => Just(Op::PermissionDenied),
    ]
    .boxed()
}

fn server() -> BoxedStrategy<Op> {
    let fault = prop_oneof![
        Just(Fault::Unavailable),
        Just(Fault::AnswerLost),
        Just(Fault::TooFrequent)
    ];
    prop_oneof![
        3 => any::<bool>().prop_map(Op::Network),
        3 => any::<bool>().prop_map(Op::Hold),
        3 => fault.prop_map(Op::Fault),
        1 => Just(Op::TicketExpires),
        1 => (slot(), any::<bool>()).prop_map(|(slot, known)| Op::Certificate(slot, known)),
        1 => Just(Op::Forget),
        1 => slot().prop_map(Op::ForgetToken),
        2 => (1..5000_u64).prop_map(|seconds| Op::Wait(Duration::from_secs(seconds))),
    ]
    .boxed()
}

fn app() -> BoxedStrategy<Op> {
    let handler = prop_oneof![
        3 => Just(Handler::Ready),
        2 => Just(Handler::NotReady),
        1 => Just(Handler::Failing),
    ];
    prop_oneof![
        2 => any::<bool>().prop_map(Op::Interceptor),
        4 => handler.prop_map(Op::Handler),
        2 => Just(Op::Ready),
        2 => Just(Op::Place(Presence::Online)),
        2 => Just(Op::Place(Presence::Background)),
        1 => Just(Op::Rotate),
        2 => any::<bool>().prop_map(Op::Push),
        1 => Just(Op::DeferredDone),
    ]
    .boxed()
}

fn dying() -> BoxedStrategy<Op> {
    let during = prop_oneof![
        3 => login(),
        2 => leave(),
        2 => (slot(), 0..4_u8).prop_map(|(slot, number)| Op::Token(slot, number)),
        2 => any::<bool>().prop_map(Op::Push),
        2 => click(),
    ];
    prop_oneof![
        2 => Just(Op::Restart),
        1 => Just(Op::Crash),
        1 => (during, 0..40_u8).prop_map(|(op, turns)| Op::CrashDuring(Box::new(op), turns)),
    ]
    .boxed()
}

fn operation() -> BoxedStrategy<Op> {
    prop_oneof![
        10 => login(),
        1 => who().prop_map(Op::LoginFails),
        1 => who().prop_map(Op::LocalOnly),
        6 => leave(),
        4 => phone(),
        5 => token(),
        10 => click(),
        2 => source().prop_map(Op::ClickAgain),
        2 => what().prop_map(Op::Arrive),
        8 => app(),
        9 => server(),
        5 => Just(Op::Quiet),
        4 => dying(),
    ]
    .boxed()
}

/// Sequences of operations that matter only together.
fn story() -> BoxedStrategy<Vec<Op>> {
    let waiting = (
        click(),
        prop_oneof![leave(), login(), dying()],
        login(),
        source(),
    )
        .prop_map(|(click, between, login, source)| {
            vec![
                Op::Handler(Handler::NotReady),
                click,
                between,
                Op::Handler(Handler::Ready),
                Op::ClickAgain(source),
                login,
                Op::Ready,
            ]
        });
    let lost = (
        prop_oneof![
            Just(Op::Fault(Fault::AnswerLost)),
            Just(Op::Hold(true)),
            Just(Op::Network(false))
        ],
        prop_oneof![login(), leave(), token(), any::<bool>().prop_map(Op::Push)],
        prop_oneof![
            login(),
            leave(),
            token(),
            any::<bool>().prop_map(Op::Push),
            dying()
        ],
    )
        .prop_map(|(fault, first, second)| vec![fault, first, second]);
    let renewed = (via(), who(), token()).prop_map(|(via, who, token)| {
        vec![
            Op::Login(via, who, Ticket::Same),
            Op::TicketExpires,
            token,
            Op::Login(via, who, Ticket::Renewed),
        ]
    });
    prop_oneof![waiting, lost, renewed].boxed()
}

/// Generates the operations of a case.
pub(crate) fn operations() -> BoxedStrategy<Vec<Op>> {
    let some = prop_oneof![12 => operation().prop_map(|op| vec![op]), 1 => story()];
    prop::collection::vec(some, 1..40)
        .prop_map(|operations| operations.concat())
        .boxed()
}

/// Returns the account of `who` with the ticket `number`, or with an invalid one.
pub(crate) fn account(who: Who, ticket: Option<u32>) -> Account {
    let credential = match ticket {
        Some(number) => format!("ticket-{number}-of-{who:?}"),
        None => "a ticket\nin two lines".to_owned(),
    };
    Account::new(who.app(), who.user(), Secret::new(credential))
}

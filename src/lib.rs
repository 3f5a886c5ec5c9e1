//! Offline push for IM: a phone that is logged in learns of a new message even when the app is in background, the
//! screen is locked or the app was killed; a phone that logged out or was kicked does not.
//!
//! This crate is the facade: it re-exports the vocabulary and contracts of `push-core`, the app half ([`client`]) and
//! the server half ([`gateway`]), and links the plugins that its features choose. A stack is a list of features:
//!
//! ```toml
//! # the app half of an iPhone app that logs in by itself
//! offline-push = { version = "0.1", default-features = false, features = ["client", "login-auto"] }
//! # a server that reaches iPhones and Huawei phones and remembers in SQLite
//! offline-push = { version = "0.1", default-features = false, features = [
//!     "gateway", "provider-apns", "provider-huawei", "store-sqlite", "queue-sqlite"] }
//! ```
//!
//! Every feature only adds crates:
//!
//! <!-- begin generated: features (cargo xtask tidy --fix) -->
//!
//! | feature | adds | default |
//! |---|---|---|
//! | `default` | what `cargo install` builds: the program with its demo | yes |
//! | `gateway` | the server half as a library, `offline_push::gateway` | yes |
//! | `client` | the app half as a library, `offline_push::client` | yes |
//! | `cli` | the program `offline-push`, and its command line for programs with plugins of their own, `offline_push::cli` | yes |
//! | `all-channels` | a provider for every channel |  |
//! | `demo` | the program's demo: simulated vendors and phones in one process | yes |
//! | `layer-rate-limited` | Layer plugin of offline push that keeps each credential below a number of deliveries a second | yes |
//! | `layer-traced` | Layer plugin of offline push that logs every call of providers, stores and queues, with its outcome and duration | yes |
//! | `login-auto` | Login bridge of offline push that observes the app's login by itself | yes |
//! | `login-manual` | Login bridge of offline push for apps that report logins themselves | yes |
//! | `provider-apns` | Apple Push Notification service for offline push, and a simulator of it as strict as the service | yes |
//! | `provider-apns-a2` | APNs through the a2 crate: a second engine for people who come from it |  |
//! | `provider-fcm` | Firebase Cloud Messaging (HTTP v1) for offline push, and a simulator of it as strict as the service | yes |
//! | `provider-harmony` | HarmonyOS NEXT Push Kit for offline push, and a simulator of it as strict as the service |  |
//! | `provider-honor` | Honor Push for offline push, and a simulator of it as strict as its guide |  |
//! | `provider-huawei` | Huawei Push Kit for offline push, and a simulator of it as strict as the service | yes |
//! | `provider-meizu` | Meizu (Flyme) Push for offline push, and a simulator of it as strict as its guide |  |
//! | `provider-oppo` | OPPO Push (OPPO, OnePlus, realme) for offline push, and a simulator of it as strict as its pages |  |
//! | `provider-tpns` | Tencent Push Notification Service (TPNS) for offline push, and a simulator of it as strict as its documents |  |
//! | `provider-vivo` | vivo Push for offline push, and a simulator of it as strict as its API document |  |
//! | `provider-webpush` | Web Push (RFC 8030, 8291, 8292) for offline push, and a simulator of push services and browsers |  |
//! | `provider-xiaomi` | Xiaomi Push (MiPush) for offline push, and a simulator of it as strict as the service |  |
//! | `queue-memory` | Queue plugin of offline push that keeps everything in memory: for tests and trials | yes |
//! | `queue-sqlite` | Queue plugin of offline push that keeps deliveries in an SQLite file: durable, one machine | yes |
//! | `store-memory` | Store plugin of offline push that keeps everything in memory: for tests and trials | yes |
//! | `store-sqlite` | Store plugin of offline push that keeps registrations, credentials and traces in SQLite files: durable, one machine | yes |
//! | `simulators` | the simulators of the providers that are enabled | yes |
//!
//! <!-- end generated: features -->
//!
//! A program with plugins of its own has the command line of `offline-push` with the feature `cli`: `cli::main()`.
//!
//! [`registry`] is what this build holds: the plugins of this workspace that the features chose, and the plugins that the
//! program links with [`register_plugin!`]. A feature only adds crates; it changes no signature.
#![cfg_attr(docsrs, feature(doc_cfg))]
// The linker drops a plugin that is not referenced; rustc reports it here.
#![cfg_attr(not(test), warn(unused_crate_dependencies))]

// The command line names this crate as any program that uses it does.
#[cfg(feature = "cli")]
extern crate self as offline_push;

#[cfg(feature = "cli")]
pub mod cli;
mod linked;
pub mod prelude;

pub use linked::*;
pub use push_core::*;

/// The app half: session, tokens, clicks.
#[cfg(feature = "client")]
pub use push_client as client;
/// The server half: credentials, registrations, decision, pipeline, HTTP API.
#[cfg(feature = "gateway")]
pub use push_gateway as gateway;
/// The HTTP/2 client that providers and the app half share, and the clock of a running program.
#[cfg(any(feature = "gateway", feature = "client"))]
pub use push_http as http;
/// The automatic login bridge, with the login center it observes.
#[cfg(feature = "login-auto")]
pub use push_login_auto as login_auto;
/// The manual login bridge: register and unregister by hand.
#[cfg(feature = "login-manual")]
pub use push_login_manual as login_manual;

/// The plugins of this workspace, enabled or not.
const CATALOG: Catalog = Catalog::new(
    env!("CARGO_PKG_NAME"),
    concat!(
        env!("CARGO_PKG_VERSION_MAJOR"),
        ".",
        env!("CARGO_PKG_VERSION_MINOR")
    ),
    KNOWN,
);

/// For registries that a program makes without this crate, as the builder of a gateway does.
const _: () = {
    push_core::__private::inventory::submit! {
        __private::LinkedCatalog(CATALOG)
    }
};

/// The plugins of this build: those that the features chose and those that the program linked besides, checked
/// against what the features promise.
///
/// # Errors
/// [`ErrorKind::Conflict`] if two different plugins share a name, [`ErrorKind::Internal`] if an enabled plugin is not
/// linked.
pub fn registry() -> Result<Registry> {
    let registry = Registry::linked(BUILTIN)?.with_catalog(CATALOG);
    registry.check(EXPECTED)?;
    Ok(registry)
}

/// The code on the pages is tested like documentation.
#[cfg(all(doctest, feature = "demo"))]
#[doc = include_str!("../docs/from-tuiofflinepush.md")]
struct FromTuiOfflinePush;
#[cfg(all(doctest, feature = "demo"))]
#[doc = include_str!("../README.md")]
struct Readme;

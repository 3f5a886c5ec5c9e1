//! Which plugins the enabled features link. Written by `cargo xtask tidy --fix`; do not edit.
//!
//! A plugin crate that nothing names is silently left out by the linker. Naming its descriptor here keeps
//! it, start-up code included, also in a program that never looks at this table.

use push_core::AnyDescriptor;

/// The descriptor of every plugin that the enabled features promise.
///
/// A static library has no start-up code that would collect them, so they are handed over here.
pub static BUILTIN: &[AnyDescriptor] = &[
    #[cfg(feature = "layer-rate-limited")]
    AnyDescriptor::Layer(&push_layer_rate_limited::PLUGIN),
    #[cfg(feature = "layer-traced")]
    AnyDescriptor::Layer(&push_layer_traced::PLUGIN),
    #[cfg(feature = "login-auto")]
    AnyDescriptor::Login(&push_login_auto::PLUGIN),
    #[cfg(feature = "login-manual")]
    AnyDescriptor::Login(&push_login_manual::PLUGIN),
    #[cfg(feature = "provider-apns")]
    AnyDescriptor::Provider(&push_provider_apns::PLUGIN),
    #[cfg(feature = "provider-apns-a2")]
    AnyDescriptor::Provider(&push_provider_apns_a2::PLUGIN),
    #[cfg(feature = "provider-fcm")]
    AnyDescriptor::Provider(&push_provider_fcm::PLUGIN),
    #[cfg(feature = "provider-harmony")]
    AnyDescriptor::Provider(&push_provider_harmony::PLUGIN),
    #[cfg(feature = "provider-honor")]
    AnyDescriptor::Provider(&push_provider_honor::PLUGIN),
    #[cfg(feature = "provider-huawei")]
    AnyDescriptor::Provider(&push_provider_huawei::PLUGIN),
    #[cfg(feature = "provider-meizu")]
    AnyDescriptor::Provider(&push_provider_meizu::PLUGIN),
    #[cfg(feature = "provider-oppo")]
    AnyDescriptor::Provider(&push_provider_oppo::PLUGIN),
    #[cfg(feature = "provider-tpns")]
    AnyDescriptor::Provider(&push_provider_tpns::PLUGIN),
    #[cfg(feature = "provider-vivo")]
    AnyDescriptor::Provider(&push_provider_vivo::PLUGIN),
    #[cfg(feature = "provider-webpush")]
    AnyDescriptor::Provider(&push_provider_webpush::PLUGIN),
    #[cfg(feature = "provider-xiaomi")]
    AnyDescriptor::Provider(&push_provider_xiaomi::PLUGIN),
    #[cfg(feature = "queue-memory")]
    AnyDescriptor::Queue(&push_queue_memory::PLUGIN),
    #[cfg(feature = "queue-sqlite")]
    AnyDescriptor::Queue(&push_queue_sqlite::PLUGIN),
    #[cfg(feature = "store-memory")]
    AnyDescriptor::Store(&push_store_memory::PLUGIN),
    #[cfg(feature = "store-sqlite")]
    AnyDescriptor::Store(&push_store_sqlite::PLUGIN),
];

/// The registry names that the enabled features promise; a registry that differs was linked wrongly.
pub const EXPECTED: &[&str] = &[
    #[cfg(feature = "layer-rate-limited")]
    "layer/rate-limited",
    #[cfg(feature = "layer-traced")]
    "layer/traced",
    #[cfg(feature = "login-auto")]
    "login/auto",
    #[cfg(feature = "login-manual")]
    "login/manual",
    #[cfg(feature = "provider-apns")]
    "provider/apns",
    #[cfg(feature = "provider-apns-a2")]
    "provider/apns-a2",
    #[cfg(feature = "provider-fcm")]
    "provider/fcm",
    #[cfg(feature = "provider-harmony")]
    "provider/harmony",
    #[cfg(feature = "provider-honor")]
    "provider/honor",
    #[cfg(feature = "provider-huawei")]
    "provider/huawei",
    #[cfg(feature = "provider-meizu")]
    "provider/meizu",
    #[cfg(feature = "provider-oppo")]
    "provider/oppo",
    #[cfg(feature = "provider-tpns")]
    "provider/tpns",
    #[cfg(feature = "provider-vivo")]
    "provider/vivo",
    #[cfg(feature = "provider-webpush")]
    "provider/webpush",
    #[cfg(feature = "provider-xiaomi")]
    "provider/xiaomi",
    #[cfg(feature = "queue-memory")]
    "queue/memory",
    #[cfg(feature = "queue-sqlite")]
    "queue/sqlite",
    #[cfg(feature = "store-memory")]
    "store/memory",
    #[cfg(feature = "store-sqlite")]
    "store/sqlite",
];

/// Every plugin of this workspace, enabled or not: its registry name and the feature that links it.
pub const KNOWN: &[(&str, &str)] = &[
    ("layer/rate-limited", "layer-rate-limited"),
    ("layer/traced", "layer-traced"),
    ("login/auto", "login-auto"),
    ("login/manual", "login-manual"),
    ("provider/apns", "provider-apns"),
    ("provider/apns-a2", "provider-apns-a2"),
    ("provider/fcm", "provider-fcm"),
    ("provider/harmony", "provider-harmony"),
    ("provider/honor", "provider-honor"),
    ("provider/huawei", "provider-huawei"),
    ("provider/meizu", "provider-meizu"),
    ("provider/oppo", "provider-oppo"),
    ("provider/tpns", "provider-tpns"),
    ("provider/vivo", "provider-vivo"),
    ("provider/webpush", "provider-webpush"),
    ("provider/xiaomi", "provider-xiaomi"),
    ("queue/memory", "queue-memory"),
    ("queue/sqlite", "queue-sqlite"),
    ("store/memory", "store-memory"),
    ("store/sqlite", "store-sqlite"),
];

/// The crates of the layer plugins that the features link, with their types.
pub mod layer {
    #[cfg(feature = "layer-rate-limited")]
    pub use push_layer_rate_limited as rate_limited;

    #[cfg(feature = "layer-traced")]
    pub use push_layer_traced as traced;
}

/// The crates of the login plugins that the features link, with their types.
pub mod login {
    #[cfg(feature = "login-auto")]
    pub use push_login_auto as auto;

    #[cfg(feature = "login-manual")]
    pub use push_login_manual as manual;
}

/// The crates of the provider plugins that the features link, with their types.
pub mod provider {
    #[cfg(feature = "provider-apns")]
    pub use push_provider_apns as apns;

    #[cfg(feature = "provider-apns-a2")]
    pub use push_provider_apns_a2 as apns_a2;

    #[cfg(feature = "provider-fcm")]
    pub use push_provider_fcm as fcm;

    #[cfg(feature = "provider-harmony")]
    pub use push_provider_harmony as harmony;

    #[cfg(feature = "provider-honor")]
    pub use push_provider_honor as honor;

    #[cfg(feature = "provider-huawei")]
    pub use push_provider_huawei as huawei;

    #[cfg(feature = "provider-meizu")]
    pub use push_provider_meizu as meizu;

    #[cfg(feature = "provider-oppo")]
    pub use push_provider_oppo as oppo;

    #[cfg(feature = "provider-tpns")]
    pub use push_provider_tpns as tpns;

    #[cfg(feature = "provider-vivo")]
    pub use push_provider_vivo as vivo;

    #[cfg(feature = "provider-webpush")]
    pub use push_provider_webpush as webpush;

    #[cfg(feature = "provider-xiaomi")]
    pub use push_provider_xiaomi as xiaomi;
}

/// The crates of the queue plugins that the features link, with their types.
pub mod queue {
    #[cfg(feature = "queue-memory")]
    pub use push_queue_memory as memory;

    #[cfg(feature = "queue-sqlite")]
    pub use push_queue_sqlite as sqlite;
}

/// The crates of the store plugins that the features link, with their types.
pub mod store {
    #[cfg(feature = "store-memory")]
    pub use push_store_memory as memory;

    #[cfg(feature = "store-sqlite")]
    pub use push_store_sqlite as sqlite;
}

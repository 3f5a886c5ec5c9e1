//! What the file of `serve` looks like: one table of all keys, with the plugins of the build.
use std::net::SocketAddr;

use offline_push::{
    Describe, Field, IngressKind, Kind, LayerKind, QueueKind, Registry, Secret, Shape, StoreKind,
    Table, Written,
    gateway::{Settings as GatewaySettings, http::HttpSettings},
};

/// The lines in front of the example.
const HEAD: &str = "\
# A complete configuration of `offline-push serve`. Keys behind `#` have the default that stands there, or an example.
#
# Any key can also stand in a file of the folder conf.d beside this one (read in order of name), or in the
# environment: OFFLINE_PUSH__LISTEN is `listen`, OFFLINE_PUSH__STORE__PATH is `path` in [store], and
# OFFLINE_PUSH__HTTP__KEYS__0__APP is `app` in the first [[http.keys]]. A later layer goes over an earlier one.
# A key that ends with `_file` names a file whose content becomes the value; it and the key without `_file` are one key.
# Relative paths start at the folder of this file.
# Editors check it with the output of `offline-push plugins --schema`.

";

/// Returns the description of the whole file.
pub(crate) fn table(registry: &Registry) -> Table {
    let mut fields = vec![
        Field::new(
            "listen",
            "Where the HTTP API listens.\n\n\
             The gateway speaks no TLS itself. To be reached from other machines it listens on 0.0.0.0 behind a proxy that does.",
            SocketAddr::shape(),
        )
        .with_example(Written::from("127.0.0.1:8710")),
        Field::new(
            "master_key",
            "Seals the credentials in the store: the output of `openssl rand -base64 32`. Keep a copy.",
            Secret::shape(),
        )
        .with_example_file("master.key"),
        Field::new(
            "behind_proxy",
            "Whether only a proxy that speaks TLS can reach `listen`. Required for an address that other machines reach.",
            bool::shape(),
        )
        .optional(Some(Written::from(false))),
        plugin::<StoreKind>(
            registry,
            "store",
            "Who is logged in where, with which token; credentials; traces.",
        ),
        plugin::<QueueKind>(registry, "queue", "Deliveries that are not done yet."),
    ];
    let layers = tables::<LayerKind>(registry);
    if !layers.is_empty() {
        let list = Shape::List(Box::new(Shape::Tagged(layers)));
        let about = "A layer around the store, the queue and every provider that it concerns.\n\n\
                     A call passes the layers in the order in which they are written.";
        fields.push(Field::new("layer", about, list).optional(None));
    }
    fields.push(Field::new("http", "The HTTP API.", HttpSettings::shape()).optional(None));
    let ingresses = tables::<IngressKind>(registry);
    if !ingresses.is_empty() {
        let list = Shape::List(Box::new(Shape::Tagged(ingresses)));
        let about = "A way into the gateway beside the HTTP API.";
        fields.push(Field::new("ingress", about, list).optional(None));
    }
    fields.push(
        Field::new(
            "gateway",
            "How the gateway decides and sends.",
            GatewaySettings::shape(),
        )
        .optional(None),
    );
    Table::new("The configuration of `offline-push serve`.", fields)
}

/// Returns a complete example, which `check-config` accepts.
pub(crate) fn example(registry: &Registry) -> String {
    format!("{HEAD}{}", table(registry).example())
}

/// A table whose `type` names a plugin.
fn plugin<K: Kind>(registry: &Registry, key: &'static str, about: &'static str) -> Field {
    // The one for production, if it is linked.
    Field::new(key, about, Shape::Tagged(tables::<K>(registry)))
        .with_example(Written::from("sqlite"))
}

fn tables<K: Kind>(registry: &Registry) -> Vec<(&'static str, Table)> {
    let of_kind = registry.iter().filter(|plugin| plugin.kind() == K::LABEL);
    of_kind
        .map(|plugin| (plugin.name(), plugin.table()))
        .collect()
}

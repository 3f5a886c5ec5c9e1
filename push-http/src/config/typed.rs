//! The configuration as a program writes it in Rust.
use super::HttpConfig;

push_core::config_values!(HttpConfig {
    extra_ca_pem,
    only_extra_ca,
    proxy,
    resolve,
    connect_timeout,
    request_deadline,
    ping_interval,
    ping_timeout,
    idle_ping_interval,
    idle_timeout,
    max_connections,
    max_streams,
    max_waiting,
    max_response_bytes,
} without {
    client_certificate,
    protocols,
    addresses,
    operator_proxy,
    most_response_bytes,
    most_waiting,
} default Self::default());

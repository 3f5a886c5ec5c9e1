//! What most programs and apps name: `use offline_push::prelude::*;`.

#[cfg(feature = "client")]
pub use push_client::{HttpGateway, Navigate, PushClient};
#[doc(no_inline)]
pub use push_core::{
    Account, AppId, Audience, CertificateId, Channel, Click, DeviceId, DeviceToken, Environment,
    Error, ErrorKind, Gateway as _, Handled, Interceptor, Message, MessageId, Opened, Presence,
    PresenceChange, RouteHandler, Secret, Slot, UserId, certificate_id, interceptor,
    register_plugin, route_handler,
};
#[cfg(feature = "gateway")]
pub use push_gateway::{Gateway, MasterKey, Settings, Upload};

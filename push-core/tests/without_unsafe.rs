//! What an app leaves for the linker compiles in a crate that forbids unsafe code.
#![forbid(unsafe_code)]
use push_core::{
    CertificateIds, Click, Handled, Interceptor, Opened, RouteHandler, Slot, certificate_id,
    interceptor, linked_interceptors, linked_route_handlers,
    payload::{ClickTarget, Payload},
    route_handler,
};

#[derive(Debug)]
struct Anything;

impl RouteHandler for Anything {
    fn matches(&self, _: &ClickTarget) -> bool {
        true
    }
    fn open(&self, _: &Click) -> Opened {
        Opened::Done
    }
}

impl Interceptor for Anything {
    fn intercept(&self, _: &Payload) -> Handled {
        Handled::No
    }
}

certificate_id!(sample, debug = 31287, release = 31288);
route_handler!("any", Anything);
interceptor!("any", Anything);

#[test]
fn a_crate_that_forbids_unsafe_code_registers_what_it_has() {
    let ids = CertificateIds::linked().unwrap();
    assert!(ids.get("sample", Slot::Alert).is_ok());
    assert_eq!(linked_route_handlers().unwrap().len(), 1);
    assert_eq!(linked_interceptors().unwrap().len(), 1);
}

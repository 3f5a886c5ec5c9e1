//! The port of a URL, which `http` does not check.
use http::Uri;

/// Returns the port that `url` names, or that its scheme (`https` or `http`) implies. `None` if it names one that is not a number from
/// 1 to 65535, which [`Uri`] accepts, or has no host or another scheme.
pub fn port_of(url: &Uri) -> Option<u16> {
    let usual = match url.scheme_str() {
        Some("https") => 443,
        Some("http") => 80,
        _ => return None,
    };
    let authority = url.authority()?;
    let address = authority.as_str().rsplit('@').next()?;
    match address.strip_prefix(authority.host())? {
        "" => Some(usual),
        port => number(port.strip_prefix(':')?),
    }
}

/// Reads a port: digits, and not 0.
pub(crate) fn number(port: &str) -> Option<u16> {
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|port| is_number && *port != 0)
}

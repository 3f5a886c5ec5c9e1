//! Who may send: the JWT of each request ("push-jwt-token").
use push_core::{Secret, Timestamp};
use push_testkit::{
    jwt::{Algorithm, Verifier},
    simulator::bearer,
};

use super::{ACCOUNT, KEY_ID, check::Refusal};

pub(super) const AUDIENCE: &str = "https://oauth-login.cloud.huawei.com/oauth2/v3/token";

/// The longest life of a JWT, in seconds.
const LONGEST_LIFE: i64 = 24 * 60 * 60;

/// How far the sender's clock may be ahead, in seconds.
const AHEAD: i64 = 5 * 60;

/// The algorithms that are accepted, with the account's public key.
pub(super) struct Access(Vec<Verifier>);

impl Access {
    pub(super) fn new(key: &Secret, rs256: bool) -> Self {
        let algorithms = [Algorithm::Ps256, Algorithm::Rs256];
        let accepted = algorithms.into_iter().take(1 + usize::from(rs256));
        let verifier = |algorithm| Verifier::of_private_pem(algorithm, key.expose());
        Self(accepted.map(verifier).collect())
    }

    /// Checks the header `authorization` at `now`.
    pub(super) fn check(&self, headers: &http::HeaderMap, now: Timestamp) -> Result<(), Refusal> {
        let refused = |what: &str| Refusal::new("80200001", what);
        let token = bearer(headers).ok_or_else(|| refused("the JWT is missing"))?;
        let jwt = self
            .0
            .iter()
            .find_map(|verifier| verifier.verify(token).ok());
        let jwt =
            jwt.ok_or_else(|| refused("the JWT is not signed as PS256 by the account's key"))?;
        let claims = &jwt.claims;
        let is_known = jwt.header["kid"] == KEY_ID
            && claims["iss"] == ACCOUNT
            && claims["aud"] == AUDIENCE
            && jwt.header["typ"] == "JWT";
        if !is_known {
            return Err(refused("kid, iss or aud is not known"));
        }
        let (Some(issued), Some(expires)) = (claims["iat"].as_i64(), claims["exp"].as_i64()) else {
            return Err(refused("iat or exp is missing"));
        };
        let now = now.unix_seconds();
        if expires - issued > LONGEST_LIFE {
            Err(Refusal::new(
                "80300036",
                "the JWT is valid for more than a day",
            ))
        } else if expires <= now {
            Err(Refusal::new("80200005", "the JWT has expired"))
        } else if issued > now + AHEAD {
            Err(refused("the JWT is issued in the future"))
        } else {
            Ok(())
        }
    }
}

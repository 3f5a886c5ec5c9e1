//! Checking JSON Web Tokens (RFC 7515, RFC 7519) as a vendor would.
use std::fmt;

use aws_lc_rs::{
    rsa,
    signature::{
        self, EcdsaKeyPair, KeyPair as _, RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use push_core::Timestamp;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, pem::PemObject};
use serde_json::Value;

/// A signature algorithm of RFC 7518.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// RSA-PSS with SHA-256.
    Ps256,
}

impl Algorithm {
    /// The name in a token's header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        }
    }
}

/// A public key that checks tokens.
#[derive(Clone)]
pub struct Verifier {
    algorithm: Algorithm,
    key: Vec<u8>,
}

impl Verifier {
    /// The public half of a PKCS#8 private key, PEM.
    ///
    /// # Panics
    /// If it is no such key.
    pub fn of_private_pem(algorithm: Algorithm, pem: &str) -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).expect("a PKCS#8 PEM key");
        let der = der.secret_pkcs8_der();
        let key = match algorithm {
            Algorithm::Es256 => {
                let curve = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                let key = EcdsaKeyPair::from_pkcs8(curve, der).expect("a P-256 key");
                key.public_key().as_ref().to_vec()
            }
            Algorithm::Rs256 | Algorithm::Ps256 => {
                let key = RsaKeyPair::from_pkcs8(der).expect("an RSA key");
                let key: &rsa::PublicKey = key.public_key();
                key.as_ref().to_vec()
            }
        };
        Self { algorithm, key }
    }

    /// A public key, PEM (`BEGIN PUBLIC KEY`).
    ///
    /// # Panics
    /// If it is no such key.
    pub fn of_public_pem(algorithm: Algorithm, pem: &str) -> Self {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).expect("a PEM key");
        Self {
            algorithm,
            key: der.as_ref().to_vec(),
        }
    }

    /// Checks form, algorithm and signature, and reads header and claims. Dates are for [`Jwt::check_dates`].
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn verify(&self, token: &str) -> Result<Jwt, JwtError> {
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwtError("the token has not three parts"));
        };
        let decode = |part: &str| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| JwtError("a part is not base64url without padding"))
        };
        let object = |part: &str| match serde_json::from_slice(&decode(part)?) {
            Ok(it @ Value::Object(_)) => Ok(it),
            _ => Err(JwtError("a part is not a JSON object")),
        };
        let jwt = Jwt {
            header: object(header)?,
            claims: object(claims)?,
        };
        if jwt.header["alg"] != self.algorithm.name() {
            return Err(JwtError("the header names another algorithm"));
        }
        let signed = &token.as_bytes()[..header.len() + 1 + claims.len()];
        UnparsedPublicKey::new(self.algorithm.verification(), &self.key)
            .verify(signed, &decode(signature)?)
            .map_err(|_| JwtError("the signature does not fit"))?;
        Ok(jwt)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({})", self.algorithm.name())
    }
}

/// A token whose signature fits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Jwt {
    /// The header.
    pub header: Value,
    /// The claims.
    pub claims: Value,
}

impl Jwt {
    /// Checks `iat` and `exp` against `now`: both there, issued no later than `now`, not expired, and valid for at most
    /// `lifetime` seconds; each with `skew` seconds of grace.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check_dates(&self, now: Timestamp, lifetime: i64, skew: i64) -> Result<(), JwtError> {
        let (Some(iat), Some(exp)) = (self.claims["iat"].as_i64(), self.claims["exp"].as_i64())
        else {
            return Err(JwtError("iat or exp is missing"));
        };
        let now = now.unix_seconds();
        if iat > now + skew {
            Err(JwtError("the token is issued in the future"))
        } else if exp <= now - skew {
            Err(JwtError("the token has expired"))
        } else if exp - iat > lifetime {
            Err(JwtError("the token is valid for too long"))
        } else {
            Ok(())
        }
    }
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwtError(pub &'static str);

impl fmt::Display for JwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for JwtError {}

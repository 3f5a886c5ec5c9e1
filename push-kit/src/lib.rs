//! What providers share, so that each vendor's crate holds only what is particular to the vendor.
//!
//! | module | what it does |
//! |---|---|
//! | [`access`] | caches the access token of a vendor's token service |
//! | [`account`] | reads key files of service accounts and the RSA keys in them |
//! | [`answer`] | reads a vendor's JSON, numbers and times |
//! | [`click`] | collects what an app reads with a click |
//! | [`collapse`] | turns a collapse key into the number or the short word that a vendor wants |
//! | [`endpoint`] | checks the URL of a vendor's service |
//! | [`form`] | writes and reads `application/x-www-form-urlencoded` bodies |
//! | [`health`] | turns the verdict on a trial request into a [`Health`](push_core::Health) |
//! | [`input`] | reads what operators hand over: files, secrets, passwords, JSON |
//! | [`intent`] | reads and writes Android's intent URIs |
//! | [`key`] | says what kind of private key there is, and whether it is damaged |
//! | [`md5`] | computes the MD5 digest that some vendors sign requests with |
//! | [`overlay`] | checks vendor fields and lays them over a rendered payload |
//! | [`payload`] | cuts texts until a payload fits |
//! | [`pem`] | reads keys and certificates as people paste them |
//! | [`quota`] | computes when a daily quota is reset |
//! | [`scrub`] | removes secrets and message texts from a vendor's message |
//! | [`token`] | brings device tokens into their canonical form |
//! | [`verdict`] | classifies transport errors, foreign answers and unknown codes |
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod access;
pub mod account;
pub mod answer;
pub mod click;
pub mod collapse;
pub mod endpoint;
pub mod form;
pub mod health;
pub mod input;
pub mod intent;
pub mod key;
pub mod md5;
pub mod overlay;
pub mod payload;
pub mod pem;
pub mod quota;
pub mod scrub;
pub mod token;
pub mod verdict;

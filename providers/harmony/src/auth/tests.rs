use push_core::Faults;
use push_kit::account::KeyFile;
use push_testkit::{
    fixtures,
    jwt::{Algorithm, Verifier},
    sample,
};
use serde_json::Value;

use super::*;
use crate::config::account;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/fixtures/vectors.json")).expect("JSON")
}

fn account_of(key: &str) -> Account {
    let file = json!({
        "project_id": "101653523863440882",
        "key_id": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        "private_key": key,
        "sub_account": "100000001",
    });
    account(&KeyFile::from_json(file.to_string()), &mut Faults::new()).expect("a key file")
}

/// PS256 is randomised: what is signed is compared, and the signature verified.
#[test]
fn a_jwt_signs_byte_for_byte_what_the_vectors_sign() {
    let vectors = vectors();
    let known = vectors["harmony_jwt"][0]["jwt"].as_str().expect("text");
    let account = account_of(&fixtures::rsa_key());
    let own = jwt(&account, sample::NOW).expect("it is signed");
    let signed = |jwt: &str| jwt.rsplit_once('.').expect("three parts").0.to_owned();
    assert_eq!(signed(&own), signed(known));
    let public = vectors["rsa_pub"].as_str().expect("text");
    let verifier = Verifier::of_public_pem(Algorithm::Ps256, public);
    for jwt in [own.as_str(), known] {
        let read = verifier.verify(jwt).expect("the signature fits");
        assert_eq!(read.claims, vectors["harmony_jwt"][0]["claims"]);
        let life = read.check_dates(sample::NOW, 3600, 0);
        assert_eq!(life, Ok(()));
    }
    assert_ne!(
        own,
        jwt(&account, sample::NOW).expect("it is signed"),
        "no salt"
    );
}

#[test]
fn a_key_of_4096_bits_signs_as_well() {
    let pem = include_str!("../../tests/fixtures/rsa-4096.pem");
    let own = jwt(&account_of(pem), sample::NOW).expect("it is signed");
    let verifier = Verifier::of_private_pem(Algorithm::Ps256, pem);
    assert!(verifier.verify(&own).is_ok());
}

//! Which of OPPO's services knows a registration id.
//!
//! An id is 32 hexadecimal digits, perhaps behind a region (`CN_`, `US_`, `EUEX_`), perhaps behind a brand (`OPPO_CN_`). Only the
//! rule below reads it, which is that of OPPO's server library 2.3.1; everywhere else an id is any text.

/// Returns `true` for an id of the service outside of mainland China.
pub(crate) fn is_overseas(id: &str) -> bool {
    let mut parts = id.split('_');
    let place = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_), None, ..) => return false,
        (Some(region), Some(_), None, _) | (Some(_), Some(region), Some(_), None) => region,
        _ => return true,
    };
    place != "CN"
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_id_on_record_belongs_to_its_region() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/vectors.json"))
                .expect("the vectors are JSON");
        let cases = vectors["oppo_regid"].as_array().expect("an array");
        let mut known = 0;
        for case in cases {
            let id = case[0].as_str().expect("text");
            if let Some(region) = case[2].as_str() {
                known += 1;
                assert_eq!(is_overseas(id), region == "intl", "{case}");
            }
        }
        assert_eq!(known, 9);
    }

    #[test]
    fn text_of_another_form_has_a_region_too() {
        for (id, overseas) in [
            ("", false),
            ("a_b_c_d", true),
            ("CN_a_b", true),
            ("_", true),
        ] {
            assert_eq!(is_overseas(id), overseas, "{id}");
        }
    }
}

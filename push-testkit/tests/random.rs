//! Random cases: a failure names its seed and is tried first the next time.
use std::{cell::RefCell, fs, path::Path};

use proptest::test_runner::{Config, TestCaseError};
use push_testkit::{Place, RandomCases};

/// Tries numbers, of which those above 9,000 are wrong: what was tried, and what is said.
fn numbers(file: &Path, seed: u64, cases: u32) -> (Vec<u32>, Result<(), String>) {
    let tried = RefCell::new(Vec::new());
    let config = Config {
        cases,
        ..Config::default()
    };
    let result = RandomCases::new("numbers", config)
        .kept_in(file)
        .with_seed(seed)
        .check(&(0..10_000_u32), |number| {
            tried.borrow_mut().push(number);
            match number {
                0..=9_000 => Ok(()),
                _ => Err(TestCaseError::fail("the number is too large")),
            }
        });
    (tried.into_inner(), result)
}

#[test]
fn a_failure_says_its_seed_and_the_seed_repeats_it() {
    let place = Place::new();
    let (first, result) = numbers(&place.path("first.txt"), 7, 1000);
    let said = result.expect_err("a large number is tried");
    assert!(said.contains("the number is too large"), "{said}");
    assert!(said.contains("minimal failing input: 9001"), "{said}");
    assert!(said.contains("OFFLINE_PUSH_SEED=7;"), "{said}");
    let (again, _) = numbers(&place.path("second.txt"), 7, 1000);
    assert_eq!(first, again);
    let (other, _) = numbers(&place.path("third.txt"), 8, 1000);
    assert_ne!(first, other);
}

#[test]
fn a_case_that_failed_once_is_kept_and_tried_first() {
    let place = Place::new();
    let file = place.path("kept/numbers.txt");
    let (tried, _) = numbers(&file, 7, 1000);
    let failed = *tried.iter().find(|number| **number > 9_000).expect("one");
    let kept = fs::read_to_string(&file).expect("a file");
    assert!(kept.contains("shrinks to 9001"), "{kept}");
    // Another seed, and no new case at all.
    let (tried, result) = numbers(&file, 8, 0);
    assert_eq!(tried.first(), Some(&failed));
    assert!(result.is_err());
}

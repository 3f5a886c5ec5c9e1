//! Random cases that can be repeated.
use std::{
    cell::Cell,
    env,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use proptest::{
    strategy::Strategy,
    test_runner::{
        Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestCaseResult, TestRng,
        TestRunner,
    },
};

/// The variable that sets the seed, to repeat a run.
const SEED: &str = "OFFLINE_PUSH_SEED";

/// The variable that sets the most cases to try, where the test is run very often.
const CASES: &str = "OFFLINE_PUSH_CASES";

/// The folder of a crate in which failed cases are kept, as proptest names it.
const FOLDER: &str = "proptest-regressions";

/// Random cases of one test, with a seed that `OFFLINE_PUSH_SEED` sets; `OFFLINE_PUSH_CASES` limits how many.
///
/// A case that fails is kept in the file `proptest-regressions/NAME.txt` of the crate under test, and tried first from then
/// on. Commit the file together with the change that fixes the failure.
#[derive(Debug)]
pub struct RandomCases {
    config: Config,
    file: PathBuf,
    seed: u64,
}

impl RandomCases {
    /// The cases of the test `name`. The configuration says how many they are and how long a failure is reduced.
    ///
    /// # Panics
    /// If `OFFLINE_PUSH_SEED` or `OFFLINE_PUSH_CASES` is no number.
    pub fn new(name: &str, mut config: Config) -> Self {
        // Where cargo runs a test; the crate that was compiled here may be another one.
        let root = env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from);
        let seed = match env::var(SEED) {
            Ok(text) => text
                .parse()
                .unwrap_or_else(|_| panic!("{SEED} is `{text}`, which is no number")),
            Err(_) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |now| now.as_nanos() as u64),
        };
        if let Ok(text) = env::var(CASES) {
            let most = text
                .parse()
                .unwrap_or_else(|_| panic!("{CASES} is `{text}`, which is no number"));
            config.cases = config.cases.min(most);
        }
        Self {
            config,
            file: root.join(FOLDER).join(format!("{name}.txt")),
            seed,
        }
    }

    /// With another seed than the clock's.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Keeps failed cases in another file.
    #[must_use]
    pub fn kept_in(mut self, file: &Path) -> Self {
        file.clone_into(&mut self.file);
        self
    }

    /// Tries the cases that failed once, and then new ones.
    ///
    /// Prints the seed before the first case and the first failure when it happens, so that a run that is ended from
    /// outside can be repeated.
    ///
    /// # Errors
    /// The shortest case that fails, how, and the seed that repeats it.
    #[expect(clippy::print_stderr, reason = "a failed test shows it")]
    pub fn check<S: Strategy>(
        self,
        cases: &S,
        test: impl Fn(S::Value) -> TestCaseResult,
    ) -> Result<(), String> {
        // Before the cases, because a case that hangs is ended from outside and returns no error.
        eprintln!("the cases of this run: {SEED}={}", self.seed);
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        // The path must live as long as the program, which ends with the test.
        let file = Box::leak(self.file.to_string_lossy().into_owned().into_boxed_str());
        let config = Config {
            failure_persistence: Some(Box::new(FileFailurePersistence::Direct(file))),
            ..self.config
        };
        let mut runner = TestRunner::new_with_rng(config, rng);
        let is_reducing = Cell::new(false);
        let test = |case| {
            let result = test(case);
            if let Err(TestCaseError::Fail(reason)) = &result
                && !is_reducing.replace(true)
            {
                eprintln!("a case failed; looking for a shorter one: {reason}");
            }
            result
        };
        runner.run(cases, test).map_err(|error| {
            format!(
                "{error}\nrepeat it with {SEED}={}; the case is kept in {file}",
                self.seed
            )
        })
    }
}

//! The generated sources of the bindings.

use std::path::Path;

use crate::{Failure, Result, run};

pub(crate) const HELP: &str = "\
cargo xtask bindings [--check]

Builds push-bindings and writes the Swift, Kotlin and Python sources that follow from it, below push-bindings/.

--check writes nothing and fails if those in the repository are not current.
";

pub(crate) fn task(root: &Path, args: &[&str]) -> Result {
    if !matches!(args, [] | ["--check"]) {
        return Err(Failure::Usage(
            "bindings takes nothing but `--check`; see `cargo xtask bindings --help`".to_owned(),
        ));
    }
    let mut command = run::cargo(root);
    command
        .args(["run", "--quiet", "--package=push-bindings-generate", "--"])
        .args(args);
    run::succeed(&mut command)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Failure, task};

    #[test]
    fn what_is_not_understood_is_refused_before_anything_is_built() {
        let refused = task(Path::new("."), &["--verify"]);
        assert!(matches!(refused, Err(Failure::Usage(words)) if words.contains("--check")));
    }
}

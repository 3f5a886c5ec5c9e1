use std::{env, path::PathBuf};

/// Returns the static library that cargo built for this test, in the folder of the test.
pub(crate) fn library() -> PathBuf {
    let program = env::current_exe().expect("a test has a program");
    let library = program.with_file_name("libpush_bindings.a");
    assert!(
        library.is_file(),
        "cargo has not built {}",
        library.display()
    );
    library
}

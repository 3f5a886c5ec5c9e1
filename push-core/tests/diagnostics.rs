//! What the compiler says to the author of a plugin who has not implemented its contract.
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A crate whose type is none of what it is used as.
const CRATE: &str = r"
use std::sync::Arc;

#[derive(Debug)]
pub struct Sample;

push_core::register_plugin!(Sample);

pub fn provider() -> push_core::DynProvider { Arc::new(Sample) }
pub fn store() -> Arc<dyn push_core::Store> { Arc::new(Sample) }
pub fn registrations() -> Arc<dyn push_core::RegistrationStore> { Arc::new(Sample) }
pub fn credentials() -> Arc<dyn push_core::CredentialStore> { Arc::new(Sample) }
pub fn traces() -> Arc<dyn push_core::TraceStore> { Arc::new(Sample) }
pub fn queue() -> Arc<dyn push_core::Queue> { Arc::new(Sample) }
pub fn bridge() -> Arc<dyn push_core::LoginBridge> { Arc::new(Sample) }
pub fn way_in() -> Arc<dyn push_core::Ingress> { Arc::new(Sample) }
pub fn route() -> Arc<dyn push_core::RouteHandler> { Arc::new(Sample) }
pub fn interceptor() -> Arc<dyn push_core::Interceptor> { Arc::new(Sample) }
";

/// The library that cargo built for this test: the newest, because cargo keeps those of other features beside it.
fn library(folder: &Path) -> PathBuf {
    let entries = fs::read_dir(folder).expect("the folder of this test");
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libpush_core-") && name.ends_with(".rlib")
        })
        .max_by_key(|path| fs::metadata(path).and_then(|it| it.modified()).ok())
        .expect("cargo builds the library before its tests")
}

/// What the compiler says of [`CRATE`].
fn errors() -> String {
    let program = env::current_exe().expect("this test is a file");
    let folder = program.parent().expect("a file is in a folder");
    let scratch = env::temp_dir().join(format!("push-core-diagnostics-{}", std::process::id()));
    fs::create_dir_all(&scratch).expect("the temporary folder can be written to");
    let source = scratch.join("lib.rs");
    fs::write(&source, CRATE).expect("the temporary folder can be written to");
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition=2024", "--crate-type=lib", "--emit=metadata"])
        .args(["--color=never", "--crate-name=sample"])
        .arg("--out-dir")
        .arg(&scratch)
        .arg("-L")
        .arg(format!("dependency={}", folder.display()))
        .arg("--extern")
        .arg(format!("push_core={}", library(folder).display()))
        .arg(&source)
        .output()
        .expect("the compiler that built this test runs");
    fs::remove_dir_all(&scratch).expect("the folder is there");
    assert!(!output.status.success(), "the crate compiles");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_compiler_says_which_contract_to_implement() {
    let errors = errors();
    for (what, advice) in [
        ("a plugin", "implement `Plugin` for it"),
        ("a provider", "implement `Provider` for it"),
        ("a store", "a store implements"),
        ("a store of registrations", "a store implements"),
        ("a store of credentials", "a store implements"),
        ("a store of traces", "a store implements"),
        ("a queue", "implement `Queue` for it"),
        ("a login bridge", "implement `LoginBridge` for it"),
        ("a way in (an ingress)", "implement `Ingress` for it"),
        ("a route handler", "implement `RouteHandler` for it"),
        ("an interceptor", "implement `Interceptor` for it"),
    ] {
        let message = format!("error[E0277]: `Sample` is not {what}\n");
        let (_, rest) = errors
            .split_once(&message)
            .unwrap_or_else(|| panic!("`{message}` is not in:\n{errors}"));
        let own = rest.split("\nerror").next().unwrap_or_default();
        assert!(own.contains(advice), "`{advice}` is not in:\n{own}");
    }
    // The compiler's own words would name a bound that the author has not written.
    assert!(!errors.contains("the trait bound"), "{errors}");
}

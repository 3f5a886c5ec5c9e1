//! A disk that takes no more. The test runs itself again in a process whose files may not grow beyond a limit, which needs no
//! rights and fills no disk.
#![cfg(unix)]
use std::{env, io::Write as _, path::Path, process::Command};

use push_core::ErrorKind;
use push_sqlite::{Database, Options, Schema};
use push_testkit::{Place, block_on};

static SCHEMA: Schema = Schema::new(
    "drawer",
    0x6472_6177,
    &["CREATE TABLE thing (id INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT"],
);

/// The file, for the process with the limit.
const LIMITED: &str = "PUSH_SQLITE_LIMITED_FILE";
const NAME: &str = "a_disk_that_takes_no_more_is_named_and_loses_nothing_acknowledged";

/// How the process with the limit reports how many writes succeeded.
const REPORT: &str = "acknowledged=";

fn put(database: &Database, id: i64) -> push_core::Result<()> {
    block_on(database.write(1, move |db| {
        db.execute(
            "INSERT INTO thing (id, content) VALUES (?1, zeroblob(10000))",
            [id],
        )?;
        Ok(())
    }))
}

fn count(database: &Database) -> i64 {
    let found = database.read(|db| {
        let count = "SELECT count(*) FROM thing WHERE id < (SELECT count(*) FROM thing)";
        Ok(db.query_row(count, [], |row| row.get(0))?)
    });
    block_on(found).expect("reads")
}

#[test]
fn a_disk_that_takes_no_more_is_named_and_loses_nothing_acknowledged() {
    if let Some(path) = env::var_os(LIMITED) {
        return fill(Path::new(&path));
    }
    let place = Place::new();
    let path = place.path("drawer.db");
    // Without the trap the signal of the limit ends the process.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\""])
        .arg(env::current_exe().expect("this program"))
        .args(["--exact", NAME, "--nocapture"])
        .env(LIMITED, &path)
        .output()
        .expect("the test runs again");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{failed}");
    let report = said.split_once(REPORT).expect("a report").1;
    let digits = report.split(|character: char| !character.is_ascii_digit());
    let acknowledged: i64 = digits
        .into_iter()
        .next()
        .unwrap_or_default()
        .parse()
        .expect("a number");
    let database = Database::new(&SCHEMA, Options::new(&path));
    assert_eq!(count(&database), acknowledged);
    put(&database, acknowledged).expect("there is room again");
}

/// Writes until nothing can be written any more.
fn fill(path: &Path) {
    let database = Database::new(&SCHEMA, Options::new(path));
    let failed = (0..10_000).find_map(|id| Some((id, put(&database, id).err()?)));
    let (acknowledged, error) = failed.expect("the limit is reached");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let text = error.to_string();
    for words in [
        "drawer.db",
        "cannot be written to",
        "make room",
        "nothing that was acknowledged is lost",
    ] {
        assert!(text.contains(words), "{words:?} not in: {text}");
    }
    assert!(!text.contains("os error"), "{text}");
    // It still fails in the same words, and what is there can be read.
    let again = put(&database, acknowledged).expect_err("there is no room");
    assert_eq!(again.to_string(), text);
    assert_eq!(count(&database), acknowledged);
    writeln!(std::io::stdout(), "{REPORT}{acknowledged}").expect("the other process reads");
}

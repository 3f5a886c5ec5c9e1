//! Which files are opened, which are refused, and who may read them.
use std::{
    fs,
    path::{Path, PathBuf},
};

use push_core::ErrorKind;
use push_sqlite::{Database, Options, Schema, rusqlite::Connection};
use push_testkit::{Place, block_on};

static V1: Schema = Schema::new(
    "drawer",
    0x6472_6177,
    &["CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT"],
)
.with_on_open("");

static V2: Schema = Schema::new("drawer", 0x6472_6177, &[
        "CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT",
        "ALTER TABLE thing ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'; UPDATE thing SET name = name || '!'",
    ]).with_on_open("UPDATE thing SET colour = 'opened'");

fn open(schema: &'static Schema, path: &Path) -> push_core::Result<Database> {
    let database = Database::new(schema, Options::new(path));
    block_on(database.open())?;
    Ok(database)
}

fn put(database: &Database, name: &'static str) {
    let done = block_on(database.write(1, move |db| {
        Ok(db.execute("INSERT INTO thing (name) VALUES (?1)", [name])?)
    }));
    assert_eq!(done.expect("writes"), 1);
}

fn first(database: &Database, column: &'static str) -> String {
    let found = database.read(move |db| {
        Ok(db.query_row(&format!("SELECT {column} FROM thing"), [], |row| row.get(0))?)
    });
    block_on(found).expect("reads")
}

/// The path of a file with one thing in it.
fn filled(place: &Place) -> PathBuf {
    let path = place.path("drawer.db");
    put(&open(&V1, &path).expect("opens"), "spoon");
    path
}

#[test]
fn making_a_database_touches_nothing() {
    let place = Place::new();
    let path = place.path("deep/drawer.db");
    let database = Database::new(&V1, Options::new(&path));
    assert!(!place.path("deep").exists());
    put(&database, "spoon");
    assert!(path.exists());
}

#[test]
fn what_was_written_is_there_when_the_file_is_opened_again() {
    let place = Place::new();
    let path = filled(&place);
    assert!(!place.path("drawer.db-wal").exists(), "closing tidies up");
    assert_eq!(first(&open(&V1, &path).unwrap(), "name"), "spoon");
}

#[test]
fn an_older_file_is_migrated_and_keeps_what_it_has() {
    let place = Place::new();
    let path = filled(&place);
    {
        let database = open(&V2, &path).unwrap();
        assert_eq!(first(&database, "name"), "spoon!");
        assert_eq!(first(&database, "colour"), "opened");
    }
    // Once.
    assert_eq!(first(&open(&V2, &path).unwrap(), "name"), "spoon!");
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_not_touched() {
    let place = Place::new();
    let path = place.path("drawer.db");
    put(&open(&V2, &path).unwrap(), "spoon");
    let before = fs::read(&path).unwrap();
    let error = open(&V1, &path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let text = error.to_string();
    assert!(text.contains("newer version"), "{text}");
    assert!(text.contains("drawer.db"), "{text}");
    assert!(text.contains("not touched"), "{text}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(place.directory()).unwrap().count(), 1);
}

#[test]
fn a_newer_version_that_is_still_in_the_log_is_refused_and_not_touched() {
    let place = Place::new();
    let path = filled(&place);
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 7).unwrap();
    // As a crash leaves it: copied before it is closed.
    let copy = place.path("copy.db");
    let log = place.path("copy.db-wal");
    fs::copy(&path, &copy).unwrap();
    fs::copy(place.path("drawer.db-wal"), &log).unwrap();
    let before = (fs::read(&copy).unwrap(), fs::read(&log).unwrap());
    let error = open(&V1, &copy).unwrap_err();
    assert!(error.to_string().contains("schema is 7"), "{error}");
    assert_eq!((fs::read(&copy).unwrap(), fs::read(&log).unwrap()), before);
}

#[test]
fn a_file_that_is_something_else_is_refused_and_not_touched() {
    let place = Place::new();
    let path = place.path("drawer.db");
    for (content, said) in [
        (b"# notes\n".to_vec(), "no SQLite database"),
        (vec![0; 4096], "no SQLite database"),
        (b"SQLite format 3\0".to_vec(), "no SQLite database"),
    ] {
        fs::write(&path, &content).unwrap();
        let error = open(&V1, &path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(said), "{error}");
        assert!(error.to_string().contains("drawer.db"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    // A database of another program, with and without a mark.
    for mark in [0, 0x1234_5678] {
        fs::remove_file(&path).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE secret (x)").unwrap();
        other.pragma_update(None, "application_id", mark).unwrap();
        drop(other);
        let before = fs::read(&path).unwrap();
        let error = open(&V1, &path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("no drawer"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_damaged_file_says_so_and_which() {
    let place = Place::new();
    let path = filled(&place);
    let mut content = fs::read(&path).unwrap();
    let page = 4096;
    content[page..].fill(0xa5);
    fs::write(&path, content).unwrap();
    let error = block_on(
        Database::new(&V1, Options::new(&path))
            .read(|db| Ok(db.query_row("SELECT name FROM thing", [], |row| row.get(0))?)),
    )
    .map(|name: String| name)
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("drawer.db"), "{error}");
    assert!(error.to_string().contains("backup"), "{error}");
}

#[test]
fn an_empty_file_is_taken_over() {
    let place = Place::new();
    let path = place.path("drawer.db");
    fs::write(&path, b"").unwrap();
    put(&open(&V1, &path).unwrap(), "spoon");
}

#[test]
fn after_a_failure_the_next_call_tries_again() {
    let place = Place::new();
    let path = place.path("drawer.db");
    fs::write(&path, b"# notes\n").unwrap();
    let database = Database::new(&V1, Options::new(&path));
    block_on(database.open()).unwrap_err();
    fs::remove_file(&path).unwrap();
    put(&database, "spoon");
}

#[test]
fn a_path_that_cannot_be_is_an_error_that_names_it() {
    let place = Place::new();
    fs::write(place.path("file"), b"").unwrap();
    let error = open(&V1, &place.path("file/drawer.db")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("file/drawer.db"), "{error}");
    let error = open(&V1, place.directory()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[test]
fn of_two_that_want_a_file_for_themselves_the_second_is_refused() {
    let place = Place::new();
    let exclusive = || {
        Database::new(
            &V1,
            Options::new(place.path("drawer.db")).with_exclusive(true),
        )
    };
    let (first, second) = (exclusive(), exclusive());
    put(&first, "spoon");
    let error = block_on(second.open()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("another process"), "{error}");
    drop(first);
    put(&second, "fork");
}

#[test]
fn two_can_share_a_file() {
    let place = Place::new();
    let path = filled(&place);
    let (first, second) = (open(&V1, &path).unwrap(), open(&V1, &path).unwrap());
    put(&first, "fork");
    put(&second, "knife");
    for it in [&first, &second] {
        let count =
            it.read(|db| Ok(db.query_row("SELECT count(*) FROM thing", [], |row| row.get(0))?));
        assert_eq!(block_on(count).map(|it: i64| it).unwrap(), 3);
    }
}

#[cfg(unix)]
#[test]
fn files_belong_to_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let directory = place.path("deep/er");
    let database = Database::new(
        &V1,
        Options::new(directory.join("drawer.db")).with_exclusive(true),
    );
    put(&database, "spoon");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut names = Vec::new();
    for it in fs::read_dir(&directory).unwrap() {
        let path = it.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    names.sort();
    assert_eq!(
        names,
        [
            "drawer.db",
            "drawer.db-shm",
            "drawer.db-wal",
            "drawer.db.lock"
        ]
    );
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&place.path("deep")), 0o700);
}

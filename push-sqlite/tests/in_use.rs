//! What happens to files while they are in use: another process, a removal, an overwritten or shortened log.
use std::{
    fs::{self, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use push_core::{Error, ErrorKind};
use push_sqlite::{Database, Options, Schema, rusqlite::Connection};
use push_testkit::{Place, block_on};

static SCHEMA: Schema = Schema::new(
    "drawer",
    0x6472_6177,
    &["CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT"],
)
.with_on_open("");

fn open(path: &Path, is_exclusive: bool) -> Result<Database, Error> {
    let options = Options::new(path)
        .with_exclusive(is_exclusive)
        // Long enough for nothing to be copied from the log meanwhile.
        .with_checkpoint_every(std::time::Duration::from_secs(3600));
    let database = Database::new(&SCHEMA, options);
    block_on(database.open())?;
    Ok(database)
}

fn put(database: &Database) -> Result<usize, Error> {
    block_on(database.write(1, |db| {
        Ok(db.execute("INSERT INTO thing (name) VALUES ('spoon')", [])?)
    }))
}

fn count(database: &Database) -> Result<i64, Error> {
    block_on(
        database.read(|db| Ok(db.query_row("SELECT count(*) FROM thing", [], |row| row.get(0))?)),
    )
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

/// An open database with ten things, to which `harm` is done.
fn harmed(harm: impl Fn(&Path)) -> (Place, Database) {
    let place = Place::new();
    let path = place.path("drawer.db");
    let database = open(&path, true).expect("the folder is new");
    for _ in 0..10 {
        put(&database).expect("nothing is wrong yet");
    }
    harm(&path);
    (place, database)
}

#[cfg(target_os = "linux")]
#[test]
fn a_removed_lock_file_does_not_let_a_second_process_in() {
    let place = Place::new();
    let path = place.path("drawer.db");
    let first = open(&path, true).unwrap();
    fs::remove_file(beside(&path, ".lock")).unwrap();
    let error = open(&path, true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(
        error
            .to_string()
            .contains("another process has this drawer open"),
        "{error}"
    );
    put(&first).unwrap();
    drop(first);
    open(&path, true).unwrap();
}

#[test]
fn a_file_that_is_removed_or_replaced_is_noticed_by_the_next_write() {
    for (suffix, what) in [
        ("", "drawer.db:"),
        ("-wal", "drawer.db-wal:"),
        ("-shm", "drawer.db-shm:"),
    ] {
        let (_place, database) = harmed(|path| fs::remove_file(beside(path, suffix)).unwrap());
        let error = put(&database).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let text = error.to_string();
        assert!(
            text.contains("is gone, while it was in use"),
            "{suffix}: {text}"
        );
        assert!(text.contains(what), "{text}");
        let (_place, database) = harmed(|path| {
            let file = beside(path, suffix);
            let copy = beside(path, ".copy");
            fs::copy(&file, &copy).unwrap();
            fs::rename(copy, file).unwrap();
        });
        let text = put(&database).unwrap_err().to_string();
        assert!(text.contains("was replaced"), "{suffix}: {text}");
    }
}

#[test]
fn a_log_that_is_cut_off_or_overwritten_is_noticed_by_the_next_write() {
    let change = |path: &Path, change: &dyn Fn(&mut fs::File)| {
        let mut log = OpenOptions::new()
            .write(true)
            .open(beside(path, "-wal"))
            .unwrap();
        change(&mut log);
    };
    let harms: [&dyn Fn(&mut fs::File); 3] = [
        &|log| log.set_len(0).unwrap(),
        &|log| log.set_len(log.metadata().unwrap().len() - 1).unwrap(),
        &|log| {
            let length = log.metadata().unwrap().len();
            log.seek(SeekFrom::Start(0)).unwrap();
            log.write_all(&vec![0x55; usize::try_from(length).unwrap()])
                .unwrap();
        },
    ];
    for harm in harms {
        let (_place, database) = harmed(|path| change(path, harm));
        let error = put(&database).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(
            error.to_string().contains("was cut off or overwritten"),
            "{error}"
        );
    }
}

#[test]
fn a_health_check_and_a_search_notice_it_too() {
    let (_place, database) = harmed(|path| fs::remove_file(path).unwrap());
    let text = block_on(database.check()).unwrap_err().to_string();
    assert!(text.contains("is gone"), "{text}");
    assert!(
        count(&database)
            .unwrap_err()
            .to_string()
            .contains("is gone")
    );
    let (_place, database) = harmed(|path| {
        let mut file = OpenOptions::new().write(true).open(path).unwrap();
        file.write_all(&[0x55; 4096]).unwrap();
    });
    let text = block_on(database.check()).unwrap_err().to_string();
    assert!(text.contains("was overwritten"), "{text}");
}

#[test]
fn checkpoints_and_other_processes_are_no_harm() {
    let place = Place::new();
    let path = place.path("drawer.db");
    let database = open(&path, false).unwrap();
    put(&database).unwrap();
    // Another connection begins the log again, and cuts it off when all of it is in the file.
    let other = Connection::open(&path).unwrap();
    for n in 0..5 {
        other
            .execute("INSERT INTO thing (name) VALUES ('fork')", [])
            .unwrap();
        other
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
        block_on(database.check()).unwrap();
        put(&database).unwrap();
        assert_eq!(count(&database).unwrap(), 3 + 2 * n);
    }
}

//! The tables.
use push_sqlite::Schema;

/// The file of registrations and credentials. To change it, append a migration; never edit one that was released.
pub(crate) static MAIN: Schema = Schema {
    what: "store",
    application_id: 0x6f70_7374, // "opst"
    migrations: &[MAIN_V1],
    on_open: "",
};

/// The file of traces, likewise.
pub(crate) static TRACES: Schema = Schema {
    what: "trace store",
    application_id: 0x6f70_7472, // "optr"
    migrations: &[TRACES_V1],
    on_open: "",
};

// Statements name the index they need: without statistics the planner sometimes prefers to read a whole app.
// Devices and registrations are clustered by user, because that is how a push looks for them.
const MAIN_V1: &str = "
CREATE TABLE device (
    app TEXT NOT NULL,
    user TEXT NOT NULL,
    device TEXT NOT NULL,
    platform TEXT,
    presence TEXT NOT NULL,
    presence_at INTEGER NOT NULL,
    badge INTEGER NOT NULL,
    PRIMARY KEY (app, user, device)
) STRICT, WITHOUT ROWID;
-- A device belongs to one user at a time.
CREATE UNIQUE INDEX device_by_id ON device (app, device);

CREATE TABLE registration (
    app TEXT NOT NULL,
    user TEXT NOT NULL,
    device TEXT NOT NULL,
    slot TEXT NOT NULL,
    channel TEXT NOT NULL,
    certificate INTEGER NOT NULL,
    environment TEXT NOT NULL,
    token TEXT NOT NULL,
    told_at INTEGER NOT NULL,
    -- Set while the token is set aside.
    quarantine_reason TEXT,
    quarantine_at INTEGER,
    PRIMARY KEY (app, user, device, slot),
    FOREIGN KEY (app, user, device) REFERENCES device (app, user, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX registration_by_token ON registration (app, channel, token);
CREATE INDEX registration_aside ON registration (app, certificate) WHERE quarantine_at IS NOT NULL;

-- How many registrations an app has: counting them takes seconds when there are millions.
CREATE TABLE tally (
    app TEXT PRIMARY KEY,
    registrations INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER registration_added AFTER INSERT ON registration BEGIN
    INSERT INTO tally VALUES (new.app, 1) ON CONFLICT DO UPDATE SET registrations = registrations + 1;
END;
CREATE TRIGGER registration_removed AFTER DELETE ON registration BEGIN
    UPDATE tally SET registrations = registrations - 1 WHERE app = old.app;
END;

CREATE TABLE credential (
    app TEXT NOT NULL,
    id INTEGER NOT NULL,
    provider TEXT NOT NULL,
    channel TEXT NOT NULL,
    environment TEXT,
    label TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    rotated_at INTEGER NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (app, id)
) STRICT;
";

const TRACES_V1: &str = "
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    app TEXT NOT NULL,
    message TEXT NOT NULL,
    delivery BLOB,
    user TEXT,
    device TEXT,
    channel TEXT,
    certificate INTEGER,
    at INTEGER NOT NULL,
    stage TEXT NOT NULL,
    reason TEXT,
    attempt INTEGER,
    -- The vendor's answer as JSON.
    answer TEXT
) STRICT;
CREATE INDEX event_by_message ON event (app, message, at);
CREATE INDEX event_by_delivery ON event (delivery) WHERE delivery IS NOT NULL;
CREATE INDEX event_without_delivery ON event (app, message, user) WHERE delivery IS NULL;
";

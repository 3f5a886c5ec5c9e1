//! The tables.
use push_sqlite::Schema;

/// The file of registrations and credentials. To change it, append a migration; never edit one that was released.
pub(crate) static MAIN: Schema = Schema::new(
    "store",
    0x6f70_7374, // "opst"
    &[MAIN_V1, MAIN_V2, MAIN_V3, MAIN_V4, MAIN_V5, MAIN_V6],
)
.with_on_open("");

/// The file of traces, likewise.
pub(crate) static TRACES: Schema = Schema::new(
    "trace store",
    0x6f70_7472, // "optr"
    &[TRACES_V1, TRACES_V2],
)
.with_on_open("");

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

// Version 2: what devices report of themselves, revisions, several channels and instances in a slot, tags, removed
// credentials, and which message changed which badge. Every device gets the time of the migration as its revision, in
// microseconds as later ones are, so that it is higher than any that was given before.
const MAIN_V2: &str = "
ALTER TABLE device ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device ADD COLUMN language TEXT;
ALTER TABLE device ADD COLUMN time_zone TEXT;
ALTER TABLE device ADD COLUMN permission TEXT;
ALTER TABLE device ADD COLUMN brand TEXT;
ALTER TABLE device ADD COLUMN app_version TEXT;
UPDATE device SET revision = CAST(unixepoch('subsec') * 1000000 AS INTEGER);

CREATE TABLE new_registration (
    app TEXT NOT NULL,
    user TEXT NOT NULL,
    device TEXT NOT NULL,
    slot TEXT NOT NULL,
    channel TEXT NOT NULL,
    -- Empty for the only one.
    instance TEXT NOT NULL,
    rank INTEGER NOT NULL,
    certificate INTEGER NOT NULL,
    environment TEXT NOT NULL,
    token TEXT NOT NULL,
    reported_at INTEGER NOT NULL,
    -- Set while the token is quarantined.
    quarantine_reason TEXT,
    quarantine_at INTEGER,
    PRIMARY KEY (app, user, device, slot, channel, instance),
    FOREIGN KEY (app, user, device) REFERENCES device (app, user, device)
) STRICT, WITHOUT ROWID;
INSERT INTO new_registration
    SELECT app, user, device, slot, channel, '', 0, certificate, environment, token, told_at, quarantine_reason, quarantine_at
    FROM registration;
-- With its indexes and triggers. The tally stays right: the number of registrations does not change.
DROP TABLE registration;
ALTER TABLE new_registration RENAME TO registration;
CREATE INDEX registration_by_token ON registration (app, channel, token);
CREATE INDEX registration_in_quarantine ON registration (app, certificate) WHERE quarantine_at IS NOT NULL;
CREATE TRIGGER registration_added AFTER INSERT ON registration BEGIN
    INSERT INTO tally VALUES (new.app, 1) ON CONFLICT DO UPDATE SET registrations = registrations + 1;
END;
CREATE TRIGGER registration_removed AFTER DELETE ON registration BEGIN
    UPDATE tally SET registrations = registrations - 1 WHERE app = old.app;
END;

CREATE TABLE tag (
    app TEXT NOT NULL,
    user TEXT NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (app, user, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_by_name ON tag (app, tag, user);

-- Which message changed which badge, and the number that it led to.
CREATE TABLE badge_change (
    -- Since 1970.
    day INTEGER NOT NULL,
    -- Fingerprints of app and message, and of app, user and device.
    message INTEGER NOT NULL,
    device INTEGER NOT NULL,
    badge INTEGER NOT NULL,
    PRIMARY KEY (day, message, device)
) STRICT, WITHOUT ROWID;

-- The ids of removed credentials, which are not given again.
CREATE TABLE removed_credential (
    app TEXT NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (app, id)
) STRICT, WITHOUT ROWID;
";

// Version 3: tickets are bound to a device, and revoked by a kick or logout. Devices that are offline were kicked or logged out
// before: the time of their presence is when.
const MAIN_V3: &str = "
CREATE TABLE ticket (
    app TEXT NOT NULL,
    id BLOB NOT NULL,
    device TEXT NOT NULL,
    ends_at INTEGER NOT NULL,
    PRIMARY KEY (app, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX ticket_by_end ON ticket (ends_at);

-- Tickets of the user issued before `at` are refused.
CREATE TABLE revocation (
    app TEXT NOT NULL,
    user TEXT NOT NULL,
    -- Empty for all.
    device TEXT NOT NULL,
    -- Empty for all.
    platform TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (app, user, device, platform)
) STRICT, WITHOUT ROWID;
CREATE INDEX revocation_by_time ON revocation (at);
INSERT INTO revocation SELECT app, user, device, '', presence_at FROM device WHERE presence = 'offline';
";

// Version 4: what last ended push for users, devices and slots. Of what ended before, nothing is known.
const MAIN_V4: &str = "
CREATE TABLE ending (
    app TEXT NOT NULL,
    user TEXT NOT NULL,
    -- Empty for the user as a whole.
    device TEXT NOT NULL,
    -- Empty for the device as a whole.
    slot TEXT NOT NULL,
    cause TEXT NOT NULL,
    -- Of a refused registration.
    reason TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY (app, user, device, slot)
) STRICT, WITHOUT ROWID;
";

// Version 5: the sealed value by which the gateway knows its master key again.
const MAIN_V5: &str = "
CREATE TABLE key_check (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    sealed BLOB NOT NULL
) STRICT;
";

// Version 6: a report that a device is offline is compared with the time of its login, and not with that of its presence.
const MAIN_V6: &str = "
-- From when on such a report ends the login.
ALTER TABLE device ADD COLUMN ends_from INTEGER NOT NULL DEFAULT 0;
UPDATE device SET ends_from = presence_at;
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

// Version 2: the fingerprint of the token, and searches by user, device and time. Events of one delivery and message come
// together, so the indexes grow at few places at a time.
const TRACES_V2: &str = "
ALTER TABLE event ADD COLUMN token TEXT;
CREATE INDEX event_by_user ON event (app, user, at) WHERE user IS NOT NULL;
CREATE INDEX event_by_device ON event (app, device, at) WHERE device IS NOT NULL;
CREATE INDEX event_by_time ON event (app, at);
";

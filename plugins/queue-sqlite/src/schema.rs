//! The tables.
use push_sqlite::Schema;

/// The file's schema. To change it, append a migration; never edit one that was released.
pub(crate) static SCHEMA: Schema = Schema::new("queue", 0x6f70_7175, // "opqu"
&[V1, V2, V3, V4])
// Only one process has the file, so nothing that is leased is still held. It is due before everything else.
.with_on_open("UPDATE delivery INDEXED BY delivery_by_lease SET lease = NULL, due = 0 WHERE lease IS NOT NULL");

// Statements name the index they need: without statistics the planner sometimes prefers to read a whole app.
// Without foreign keys: each would cost a look-up for every delivery, and an index to delete by. Every row is written
// in this crate's transactions alone.
const V1: &str = "
-- The next number of everything that is counted, one row.
CREATE TABLE counter (
    delivery INTEGER NOT NULL,
    message INTEGER NOT NULL,
    notification INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    -- How many rows `delivery` has.
    depth INTEGER NOT NULL,
    -- The date of the newest delivery that was ever put.
    newest INTEGER NOT NULL
) STRICT;
INSERT INTO counter VALUES (1, 1, 1, 1, 0, 0);

CREATE TABLE lane (
    id INTEGER PRIMARY KEY,
    app TEXT NOT NULL,
    certificate INTEGER NOT NULL,
    depth INTEGER NOT NULL,
    UNIQUE (app, certificate)
) STRICT;

-- Messages with deliveries that are remembered.
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    app TEXT NOT NULL,
    message TEXT NOT NULL,
    -- The date of its newest delivery.
    newest INTEGER NOT NULL,
    UNIQUE (app, message)
) STRICT;

-- Deliveries that are remembered. `delivery` is a row of that table, or was one. By message, so that new ones are
-- appended at one end and old ones removed from the other.
CREATE TABLE seen (
    message INTEGER NOT NULL,
    user TEXT NOT NULL,
    device TEXT NOT NULL,
    slot TEXT NOT NULL,
    delivery INTEGER NOT NULL,
    PRIMARY KEY (message, user, device, slot)
) STRICT, WITHOUT ROWID;

-- Notifications that deliveries of one message share, and how many do.
CREATE TABLE notification (
    id INTEGER PRIMARY KEY,
    message INTEGER NOT NULL,
    body TEXT NOT NULL,
    deliveries INTEGER NOT NULL
) STRICT;
CREATE INDEX notification_by_message ON notification (message);

-- Deliveries that are not done. `lease` is set while it is held, and `due` is when it is due or its lease ends.
-- It has a row of `notification`, or a body of its own.
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY,
    lane INTEGER NOT NULL,
    due INTEGER NOT NULL,
    lease INTEGER,
    attempts INTEGER NOT NULL,
    uuid BLOB NOT NULL,
    message INTEGER NOT NULL,
    user TEXT NOT NULL,
    device TEXT NOT NULL,
    slot TEXT NOT NULL,
    channel TEXT NOT NULL,
    environment TEXT NOT NULL,
    token TEXT NOT NULL,
    told_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    notification INTEGER,
    body TEXT
) STRICT;
CREATE INDEX delivery_by_due ON delivery (lane, due);
CREATE UNIQUE INDEX delivery_by_lease ON delivery (lease) WHERE lease IS NOT NULL;
CREATE INDEX delivery_by_device ON delivery (user, device);
";

// Without an index: only lanes that stand still are searched, and every other delivery would pay for it.
const V2: &str = "
-- When its time to live ends, if ever.
ALTER TABLE delivery ADD COLUMN expires_at INTEGER;
";

// The rows of the tables that end in `_v2` are moved by `upgrade`, which needs more than SQL.
const V3: &str = "
DROP INDEX notification_by_message;
DROP INDEX delivery_by_due;
DROP INDEX delivery_by_lease;
DROP INDEX delivery_by_device;
ALTER TABLE lane RENAME TO lane_v2;
ALTER TABLE seen RENAME TO seen_v2;
ALTER TABLE notification RENAME TO notification_v2;
ALTER TABLE delivery RENAME TO delivery_v2;
ALTER TABLE counter RENAME TO counter_v2;

-- One row: the next number of everything that is counted, and what is true of the whole queue.
CREATE TABLE counter (
    delivery INTEGER NOT NULL,
    message INTEGER NOT NULL,
    content INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    -- How many rows `delivery` has.
    depth INTEGER NOT NULL,
    -- The latest time of the clock that was used.
    latest INTEGER NOT NULL,
    -- How many deliveries were found damaged.
    damaged INTEGER NOT NULL,
    -- Messages before this one may have rows of `seen` that were made without the channel.
    first_message INTEGER NOT NULL
) STRICT;
INSERT INTO counter SELECT delivery, message, 1, lease, 0, iif(depth > 0, 9223372036854775807, 0), 0, message FROM counter_v2;
DROP TABLE counter_v2;

CREATE TABLE lane (
    id INTEGER PRIMARY KEY,
    app TEXT NOT NULL,
    certificate INTEGER NOT NULL,
    class TEXT NOT NULL,
    depth INTEGER NOT NULL,
    UNIQUE (app, certificate, class)
) STRICT;

-- `newest` is now when a delivery of it was put, or it was recalled, last. `recalled` is set if it was recalled: its rows
-- of `seen` up to this identity have no deliveries any more.
ALTER TABLE message ADD COLUMN recalled BLOB;
CREATE INDEX message_by_newest ON message (newest);

-- Deliveries that are remembered: see `identity`. `delivery` is a row of that table, or was one.
CREATE TABLE seen (
    message INTEGER NOT NULL,
    identity BLOB NOT NULL,
    delivery INTEGER NOT NULL,
    PRIMARY KEY (message, identity)
) STRICT, WITHOUT ROWID;

-- The contents of deliveries, and how many deliveries have each.
CREATE TABLE content (
    id INTEGER PRIMARY KEY,
    message INTEGER NOT NULL,
    uuid BLOB NOT NULL,
    expires_at INTEGER,
    deliveries INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX content_by_uuid ON content (message, uuid);

-- Deliveries that are not done. `lease` is set while it is held, and `due` is when it is due or its lease ends; of those
-- that are due at the same time the one of the lowest `rank` goes first. It has a user, device and instance, or an
-- environment and token. The badge is NULL to leave it, a number to set it, or -1 - n to add n.
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY,
    lane INTEGER NOT NULL,
    due INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    lease INTEGER,
    attempts INTEGER NOT NULL,
    uuid BLOB NOT NULL,
    content INTEGER NOT NULL,
    user TEXT,
    device TEXT,
    slot TEXT NOT NULL,
    instance TEXT,
    environment TEXT,
    token TEXT,
    channel TEXT NOT NULL,
    badge INTEGER,
    scheduled INTEGER,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    batch BLOB,
    batch_size INTEGER
) STRICT;
CREATE INDEX delivery_by_due ON delivery (lane, due, rank);
CREATE INDEX delivery_by_age ON delivery (lane, created_at);
CREATE UNIQUE INDEX delivery_by_lease ON delivery (lease) WHERE lease IS NOT NULL;
-- Of the user alone: few deliveries wait for one user, and the shorter index costs half the bytes for each push.
CREATE INDEX delivery_by_user ON delivery (user) WHERE user IS NOT NULL;

-- Logouts: deliveries of an earlier revision than `before` are not queued any more. An empty slot means all of them.
CREATE TABLE fence (
    app TEXT NOT NULL,
    user TEXT NOT NULL,
    device TEXT NOT NULL,
    slot TEXT NOT NULL,
    before INTEGER NOT NULL,
    set_at INTEGER NOT NULL,
    PRIMARY KEY (app, user, device, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX fence_by_time ON fence (set_at);

-- The last deliveries that could not be read, without tokens and texts.
CREATE TABLE damaged (
    id INTEGER PRIMARY KEY,
    found_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    delivery INTEGER NOT NULL,
    lane INTEGER,
    uuid BLOB,
    content INTEGER,
    user TEXT,
    device TEXT,
    slot TEXT,
    channel TEXT
) STRICT;
";

const V4: &str = "
-- Deliveries that were removed without an acknowledgement, until it is confirmed that their end is recorded elsewhere.
CREATE TABLE removed (
    uuid BLOB PRIMARY KEY,
    app TEXT NOT NULL,
    cause TEXT NOT NULL,
    message TEXT,
    user TEXT,
    device TEXT,
    certificate INTEGER
) STRICT, WITHOUT ROWID;
";

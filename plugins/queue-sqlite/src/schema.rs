//! The tables.
use push_sqlite::Schema;

/// The file's schema. To change it, append a migration; never edit one that was released.
pub(crate) static SCHEMA: Schema = Schema {
    what: "queue",
    application_id: 0x6f70_7175, // "opqu"
    migrations: &[V1, V2],
    on_open: "UPDATE delivery INDEXED BY delivery_by_lease SET lease = NULL, due = min(due, created_at) WHERE lease IS NOT NULL",
};

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

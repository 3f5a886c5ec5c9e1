-- A file of registrations and credentials as version 1 of the schema wrote it. Never changed: such files exist.
PRAGMA application_id = 0x6f707374;
PRAGMA user_version = 1;

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

INSERT INTO device VALUES
    ('im', 'alice', 'phone', 'ios', 'background', 1700000060000, 7),
    ('im', 'alice', 'tablet', NULL, 'online', 1700000000000, 0),
    ('im', 'bob', 'tv', 'android', 'offline', 1700000030000, 0),
    ('other', 'alice', 'phone', NULL, 'push-online', 1700000000000, 1);
INSERT INTO registration VALUES
    ('im', 'alice', 'phone', 'alert', 'sample', 31287, 'sandbox', 'a1', 1700000000000, NULL, NULL),
    ('im', 'alice', 'phone', 'voip', 'sample', 31288, 'sandbox', 'v1', 1700000001000, 'token-of-another-app', 1700000002000),
    ('im', 'alice', 'tablet', 'alert', 'second', 5, 'production', 'f1', 1700000000000, NULL, NULL),
    ('other', 'alice', 'phone', 'live-activity', 'sample', 1, 'production', 'a1', 1700000000000, NULL, NULL);
INSERT INTO credential VALUES
    ('im', 31287, 'sample', 'sample', 'sandbox', 'debug', x'00ff', 1700000000000, 1700000001000, 1800000000000),
    ('im', 5, 'second', 'second', NULL, '', x'', 1700000000000, 1700000000000, NULL);

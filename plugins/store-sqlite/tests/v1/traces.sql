-- A file of traces as version 1 of the schema wrote it. Never changed: such files exist.
PRAGMA application_id = 0x6f707472;
PRAGMA user_version = 1;

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

INSERT INTO event (app, message, delivery, user, device, channel, certificate, at, stage, reason, attempt, answer) VALUES
    ('im', 'm1', NULL, NULL, NULL, NULL, NULL, 1700000000000, 'accepted', NULL, NULL, NULL),
    ('im', 'm1', x'018bcfe568007000800000000000000a', 'alice', 'phone', 'sample', 31287, 1700000001000, 'queued', NULL, NULL, NULL),
    ('im', 'm1', x'018bcfe568007000800000000000000a', 'alice', 'phone', 'sample', 31287, 1700000002000, 'answered', 'token-dead', 1,
     '{"status":410,"code":"Unregistered","text":"","request_id":"r-1"}');

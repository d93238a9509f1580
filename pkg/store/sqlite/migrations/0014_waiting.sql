-- serves: 14
-- What waits for its webhook: on hold, disabled automatically, or slower than its
-- events come. A row names the event, which the event stream keeps.
CREATE TABLE waiting (
    webhook_id     TEXT    NOT NULL,
    event_sequence INTEGER NOT NULL,
    delivery_id    TEXT    NOT NULL,
    event_id       TEXT    NOT NULL,
    event_type     TEXT    NOT NULL,
    event_stored   INTEGER NOT NULL,
    PRIMARY KEY (webhook_id, event_sequence)
) STRICT, WITHOUT ROWID;

-- Which replica delivers what waits for a webhook. It is no part of the webhook's
-- row, which outcomes lock.
CREATE TABLE waiting_leases (
    webhook_id   TEXT    NOT NULL PRIMARY KEY,
    lease_holder TEXT    NOT NULL,
    lease_until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Whether rows may wait for it.
ALTER TABLE webhooks ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0;

CREATE INDEX webhooks_waiting ON webhooks (hold_until) WHERE waiting AND auto_disabled = '';

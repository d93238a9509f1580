-- The same as in Postgres.
ALTER TABLE attempts ADD COLUMN request_body BLOB;

CREATE TABLE recoveries (
    id              TEXT NOT NULL PRIMARY KEY
                    CONSTRAINT id_shape CHECK (length(id) = 30 AND id GLOB 'rec_[0-7]*'
                        AND substr(id, 5) NOT GLOB '*[^0-9abcdefghjkmnpqrstvwxyz]*'),
    organization_id TEXT NOT NULL,
    webhook_id      TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_type      TEXT NOT NULL
                    CONSTRAINT event_type_known CHECK (event_type IN ('call.completed', 'recording.completed', 'note.created')),
    since           INTEGER NOT NULL,
    until           INTEGER NOT NULL,
    dry_run         INTEGER NOT NULL,
    status          TEXT NOT NULL CONSTRAINT status_known CHECK (status IN ('running', 'done', 'cancelled', 'failed')),
    message         TEXT NOT NULL CONSTRAINT message_of_failure CHECK ((message <> '') = (status = 'failed')),
    total           INTEGER NOT NULL,
    examined        INTEGER NOT NULL,
    queued          INTEGER NOT NULL CONSTRAINT queued_was_examined CHECK (queued BETWEEN 0 AND examined),
    position        INTEGER NOT NULL CONSTRAINT position_positive CHECK (position >= 0), -- of the last event examined
    created_at      INTEGER NOT NULL,
    ended_at        INTEGER CONSTRAINT ended_unless_running CHECK ((ended_at IS NULL) = (status = 'running')),
    lease_holder    TEXT NOT NULL DEFAULT '',
    lease_until     INTEGER NOT NULL,
    CONSTRAINT since_before_until CHECK (since < until)
) STRICT;

CREATE INDEX recoveries_webhook ON recoveries (webhook_id);
CREATE INDEX recoveries_age ON recoveries (created_at);
CREATE INDEX recoveries_running ON recoveries (lease_until) WHERE status = 'running';

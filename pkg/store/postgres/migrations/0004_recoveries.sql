-- The body that a test sent: no event stream keeps it. NULL for any other attempt.
ALTER TABLE attempts ADD COLUMN request_body bytea;

-- Jobs that deliver what a webhook missed. Whoever holds the lease works on one.
CREATE TABLE recoveries (
    id              text COLLATE "C" PRIMARY KEY
                    CONSTRAINT id_shape CHECK (id ~ '^rec_[0-7][0-9abcdefghjkmnpqrstvwxyz]{25}$'),
    organization_id text COLLATE "C" NOT NULL,
    webhook_id      text COLLATE "C" NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_type      text NOT NULL
                    CONSTRAINT event_type_known CHECK (event_type IN ('call.completed', 'recording.completed', 'note.created')),
    since           timestamptz NOT NULL,
    until           timestamptz NOT NULL,
    dry_run         boolean NOT NULL,
    status          text NOT NULL CONSTRAINT status_known CHECK (status IN ('running', 'done', 'cancelled', 'failed')),
    message         text NOT NULL CONSTRAINT message_of_failure CHECK ((message <> '') = (status = 'failed')),
    total           bigint NOT NULL,
    examined        bigint NOT NULL,
    queued          bigint NOT NULL CONSTRAINT queued_was_examined CHECK (queued BETWEEN 0 AND examined),
    position        bigint NOT NULL CONSTRAINT position_positive CHECK (position >= 0), -- of the last event examined
    created_at      timestamptz NOT NULL,
    ended_at        timestamptz CONSTRAINT ended_unless_running CHECK ((ended_at IS NULL) = (status = 'running')),
    lease_holder    text NOT NULL DEFAULT '',
    lease_until     timestamptz NOT NULL,
    CONSTRAINT since_before_until CHECK (since < until)
);

CREATE INDEX recoveries_webhook ON recoveries (webhook_id);
CREATE INDEX recoveries_age ON recoveries (created_at);
CREATE INDEX recoveries_running ON recoveries (lease_until) WHERE status = 'running';

-- The same tables as in Postgres. Times are integers: microseconds since 1970.
CREATE TABLE webhooks (
    id              TEXT NOT NULL PRIMARY KEY
                    CONSTRAINT id_shape CHECK (length(id) = 29 AND id GLOB 'wh_[0-7]*'
                        AND substr(id, 4) NOT GLOB '*[^0-9abcdefghjkmnpqrstvwxyz]*'),
    organization_id TEXT NOT NULL
                    CONSTRAINT organization_shape CHECK (length(organization_id) BETWEEN 1 AND 64
                        AND organization_id NOT GLOB '*[^A-Za-z0-9_-]*'),
    name            TEXT NOT NULL
                    CONSTRAINT name_length CHECK (length(name) <= 100 AND length(trim(name)) >= 1)
                    CONSTRAINT name_text CHECK (name NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    provider        TEXT NOT NULL CONSTRAINT provider_known CHECK (provider IN ('custom', 'zapier')),
    url             TEXT NOT NULL
                    CONSTRAINT url_length CHECK (length(CAST(url AS BLOB)) <= 2048)
                    CONSTRAINT url_scheme CHECK (lower(url) GLOB 'http://?*' OR lower(url) GLOB 'https://?*'),
    event           TEXT NOT NULL
                    CONSTRAINT event_known CHECK (event IN ('call.completed', 'recording.completed', 'note.created', 'disabled')),
    secret          BLOB NOT NULL CONSTRAINT secret_present CHECK (length(secret) > 0), -- sealed, bound to id
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    ordered_from    INTEGER NOT NULL CONSTRAINT ordered_from_positive CHECK (ordered_from >= 0), -- 0: not ordered
    version         INTEGER NOT NULL CONSTRAINT version_positive CHECK (version >= 1),

    -- Health: written with every batch of outcomes.
    failure_count   INTEGER NOT NULL CONSTRAINT failure_count_positive CHECK (failure_count >= 0),
    outages         TEXT NOT NULL CONSTRAINT outages_list CHECK (json_type(outages) = 'array'),
    count_from      INTEGER,
    last_sent_at    INTEGER,
    last_error      TEXT CONSTRAINT last_error_object CHECK (json_type(last_error) = 'object'),
    hold_until      INTEGER,
    auto_disabled   TEXT NOT NULL CONSTRAINT auto_disabled_known CHECK (auto_disabled IN ('', 'failures', 'gone')),
    CONSTRAINT auto_disabled_ends_hold CHECK (auto_disabled = '' OR hold_until IS NULL)
) STRICT;

CREATE INDEX webhooks_newest ON webhooks (organization_id, id DESC);

-- Deleted webhooks whose log is still to be removed.
CREATE TABLE removed_webhooks (
    id TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- The log. There are no checks on what came from outside: one odd answer must
-- not keep a whole batch of outcomes from being written.
CREATE TABLE attempts (
    id                 TEXT NOT NULL,
    delivery_id        TEXT NOT NULL,
    webhook_id         TEXT NOT NULL,
    organization_id    TEXT NOT NULL,
    event_id           TEXT NOT NULL,
    event_type         TEXT NOT NULL,
    event_sequence     INTEGER NOT NULL,
    number             INTEGER NOT NULL,
    test               INTEGER NOT NULL,
    url                TEXT NOT NULL,
    started_at         INTEGER NOT NULL,
    ended_at           INTEGER NOT NULL,
    result             TEXT NOT NULL,
    reason             TEXT NOT NULL,
    message            TEXT NOT NULL,
    status_code        INTEGER NOT NULL,
    retry_after_ns     INTEGER NOT NULL,
    response_header    TEXT NOT NULL,
    response_body      BLOB NOT NULL,
    response_truncated INTEGER NOT NULL,
    remote_addr        TEXT NOT NULL,
    resolve_ns         INTEGER NOT NULL,
    connect_ns         INTEGER NOT NULL,
    tls_ns             INTEGER NOT NULL,
    first_byte_ns      INTEGER NOT NULL,
    total_ns           INTEGER NOT NULL,
    status             TEXT NOT NULL,
    next_at            INTEGER,
    PRIMARY KEY (id, started_at)
) STRICT;

CREATE INDEX attempts_newest ON attempts (webhook_id, started_at DESC, id DESC);
CREATE INDEX attempts_delivery ON attempts (delivery_id);
CREATE INDEX attempts_event ON attempts (event_id);
CREATE INDEX attempts_age ON attempts (started_at);

CREATE TABLE idempotency_keys (
    key         TEXT NOT NULL PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    claimed_at  INTEGER NOT NULL,
    status      INTEGER NOT NULL DEFAULT 0, -- 0 while the first request is being handled
    header      TEXT NOT NULL DEFAULT '{}',
    body        BLOB -- sealed, bound to key
) STRICT;

CREATE INDEX idempotency_keys_age ON idempotency_keys (claimed_at);

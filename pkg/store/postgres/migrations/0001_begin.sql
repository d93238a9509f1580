-- Ids are compared byte by byte (COLLATE "C"): a ULID's order is the order of
-- time, and no locale may change it.
CREATE TABLE webhooks (
    id              text COLLATE "C" PRIMARY KEY
                    CONSTRAINT id_shape CHECK (id ~ '^wh_[0-7][0-9abcdefghjkmnpqrstvwxyz]{25}$'),
    organization_id text COLLATE "C" NOT NULL
                    CONSTRAINT organization_shape CHECK (organization_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    name            text NOT NULL
                    CONSTRAINT name_length CHECK (char_length(name) <= 100 AND char_length(btrim(name)) >= 1)
                    CONSTRAINT name_text CHECK (name !~ '[\u0001-\u001f\u007f-\u009f]'),
    provider        text NOT NULL CONSTRAINT provider_known CHECK (provider IN ('custom', 'zapier')),
    url             text NOT NULL
                    CONSTRAINT url_length CHECK (octet_length(url) <= 2048)
                    CONSTRAINT url_scheme CHECK (url ~* '^https?://.'),
    event           text NOT NULL
                    CONSTRAINT event_known CHECK (event IN ('call.completed', 'recording.completed', 'note.created', 'disabled')),
    secret          bytea NOT NULL CONSTRAINT secret_present CHECK (octet_length(secret) > 0), -- sealed, bound to id
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    ordered_from    bigint NOT NULL CONSTRAINT ordered_from_positive CHECK (ordered_from >= 0), -- 0: not ordered
    version         bigint NOT NULL CONSTRAINT version_positive CHECK (version >= 1),

    -- Health: written with every batch of outcomes.
    failure_count   integer NOT NULL CONSTRAINT failure_count_positive CHECK (failure_count >= 0),
    outages         json NOT NULL CONSTRAINT outages_list CHECK (json_typeof(outages) = 'array'),
    count_from      timestamptz,
    last_sent_at    timestamptz,
    last_error      json CONSTRAINT last_error_object CHECK (json_typeof(last_error) = 'object'),
    hold_until      timestamptz,
    auto_disabled   text NOT NULL CONSTRAINT auto_disabled_known CHECK (auto_disabled IN ('', 'failures', 'gone')),
    CONSTRAINT auto_disabled_ends_hold CHECK (auto_disabled = '' OR hold_until IS NULL)
) WITH (fillfactor = 70); -- room for health to be updated in place, without touching an index

CREATE INDEX webhooks_newest ON webhooks (organization_id, id DESC);

-- Deleted webhooks whose log is still to be removed.
CREATE TABLE removed_webhooks (
    id         text COLLATE "C" PRIMARY KEY,
    removed_at timestamptz NOT NULL DEFAULT now()
);

-- The log. There are no checks on what came from outside: one odd answer must
-- not keep a whole batch of outcomes from being written.
CREATE TABLE attempts (
    id                 text COLLATE "C" NOT NULL,
    delivery_id        text COLLATE "C" NOT NULL,
    webhook_id         text COLLATE "C" NOT NULL,
    organization_id    text COLLATE "C" NOT NULL,
    event_id           text COLLATE "C" NOT NULL,
    event_type         text NOT NULL,
    event_sequence     bigint NOT NULL,
    number             integer NOT NULL,
    test               boolean NOT NULL,
    url                text NOT NULL,
    started_at         timestamptz NOT NULL,
    ended_at           timestamptz NOT NULL,
    result             text NOT NULL,
    reason             text NOT NULL,
    message            text NOT NULL,
    status_code        integer NOT NULL,
    retry_after_ns     bigint NOT NULL,
    response_header    json NOT NULL,
    response_body      bytea NOT NULL,
    response_truncated boolean NOT NULL,
    remote_addr        text NOT NULL,
    resolve_ns         bigint NOT NULL,
    connect_ns         bigint NOT NULL,
    tls_ns             bigint NOT NULL,
    first_byte_ns      bigint NOT NULL,
    total_ns           bigint NOT NULL,
    status             text NOT NULL,
    next_at            timestamptz,
    PRIMARY KEY (id, started_at)
) PARTITION BY RANGE (started_at);

CREATE INDEX attempts_newest ON attempts (webhook_id, started_at DESC, id DESC);
CREATE INDEX attempts_delivery ON attempts (delivery_id);
CREATE INDEX attempts_event ON attempts (event_id);

-- Catches what belongs to a day that has no partition: no insert ever fails
-- for want of one.
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;

CREATE TABLE idempotency_keys (
    key         text COLLATE "C" PRIMARY KEY,
    fingerprint bytea NOT NULL,
    claimed_at  timestamptz NOT NULL,
    status      integer NOT NULL DEFAULT 0, -- 0 while the first request is being handled
    header      json NOT NULL DEFAULT '{}',
    body        bytea -- sealed, bound to key
);

CREATE INDEX idempotency_keys_age ON idempotency_keys (claimed_at);

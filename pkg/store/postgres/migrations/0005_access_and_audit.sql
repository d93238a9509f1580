-- What opens an organization. A credential is kept as its SHA-256; only the
-- Zapier key, which is shown again, also sealed.
CREATE TABLE api_keys (
    id              text COLLATE "C" PRIMARY KEY
                    CONSTRAINT id_shape CHECK (id ~ '^key_[0-7][0-9abcdefghjkmnpqrstvwxyz]{25}$'),
    organization_id text COLLATE "C" NOT NULL
                    CONSTRAINT organization_shape CHECK (organization_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    name            text NOT NULL
                    CONSTRAINT name_length CHECK (char_length(name) <= 100 AND char_length(btrim(name)) >= 1)
                    CONSTRAINT name_text CHECK (name !~ '[\u0001-\u001f\u007f-\u009f]'),
    digest          bytea NOT NULL UNIQUE CONSTRAINT digest_length CHECK (octet_length(digest) = 32),
    last_characters text NOT NULL CONSTRAINT last_characters_length CHECK (char_length(last_characters) = 4),
    created_at      timestamptz NOT NULL,
    last_used_at    timestamptz,
    revoked_at      timestamptz
);

CREATE INDEX api_keys_newest ON api_keys (organization_id, id DESC) WHERE revoked_at IS NULL;
CREATE INDEX api_keys_revoked ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE zapier_keys (
    organization_id text COLLATE "C" PRIMARY KEY
                    CONSTRAINT organization_shape CHECK (organization_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    digest          bytea NOT NULL UNIQUE CONSTRAINT digest_length CHECK (octet_length(digest) = 32),
    sealed          bytea NOT NULL CONSTRAINT sealed_present CHECK (octet_length(sealed) > 0), -- bound to organization_id
    created_at      timestamptz NOT NULL
);

CREATE TABLE portal_links (
    digest          bytea PRIMARY KEY CONSTRAINT digest_length CHECK (octet_length(digest) = 32),
    id              text COLLATE "C" NOT NULL
                    CONSTRAINT id_shape CHECK (id ~ '^lnk_[0-7][0-9abcdefghjkmnpqrstvwxyz]{25}$'),
    organization_id text COLLATE "C" NOT NULL
                    CONSTRAINT organization_shape CHECK (organization_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    person          text NOT NULL CONSTRAINT person_length CHECK (char_length(person) <= 100),
    via             text NOT NULL,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL
);

CREATE INDEX portal_links_expiry ON portal_links (expires_at);

CREATE TABLE portal_sessions (
    digest          bytea PRIMARY KEY CONSTRAINT digest_length CHECK (octet_length(digest) = 32),
    id              text COLLATE "C" NOT NULL
                    CONSTRAINT id_shape CHECK (id ~ '^ses_[0-7][0-9abcdefghjkmnpqrstvwxyz]{25}$'),
    organization_id text COLLATE "C" NOT NULL
                    CONSTRAINT organization_shape CHECK (organization_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    person          text NOT NULL CONSTRAINT person_length CHECK (char_length(person) <= 100),
    via             text NOT NULL,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL
);

CREATE INDEX portal_sessions_expiry ON portal_sessions (expires_at);

-- Who changed what, written in the transaction of the change. It has no
-- foreign keys: an entry outlives what it is about.
CREATE TABLE audit_log (
    id              text COLLATE "C" PRIMARY KEY
                    CONSTRAINT id_shape CHECK (id ~ '^aud_[0-7][0-9abcdefghjkmnpqrstvwxyz]{25}$'),
    at              timestamptz NOT NULL,
    organization_id text COLLATE "C" NOT NULL
                    CONSTRAINT organization_shape CHECK (organization_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    actor_kind      text NOT NULL
                    CONSTRAINT actor_known CHECK (actor_kind IN ('service_token', 'api_key', 'zapier_key', 'portal', 'operator', 'system')),
    actor_name      text COLLATE "C" NOT NULL,
    actor_key_id    text NOT NULL,
    actor_via       text NOT NULL,
    action          text NOT NULL CONSTRAINT action_shape CHECK (action ~ '^[a-z_]+[.][a-z_]+$'),
    target_kind     text NOT NULL CONSTRAINT target_kind_present CHECK (target_kind <> ''),
    target_id       text COLLATE "C" NOT NULL,
    webhook_id      text COLLATE "C" NOT NULL, -- that the target is or belongs to, '' for none
    before          json CONSTRAINT before_object CHECK (json_typeof(before) = 'object'),
    after           json CONSTRAINT after_object CHECK (json_typeof(after) = 'object')
);

-- One for each way to ask; ids are in the order of time.
CREATE INDEX audit_log_newest ON audit_log (organization_id, id DESC);
CREATE INDEX audit_log_action ON audit_log (organization_id, action, id DESC);
CREATE INDEX audit_log_actor ON audit_log (organization_id, actor_name, id DESC) WHERE actor_name <> '';
CREATE INDEX audit_log_target ON audit_log (organization_id, target_id, id DESC) WHERE target_id <> '';
CREATE INDEX audit_log_webhook ON audit_log (organization_id, webhook_id, id DESC) WHERE webhook_id <> '';

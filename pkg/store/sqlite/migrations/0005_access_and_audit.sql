-- The same as in Postgres.
CREATE TABLE api_keys (
    id              TEXT NOT NULL PRIMARY KEY
                    CONSTRAINT id_shape CHECK (length(id) = 30 AND id GLOB 'key_[0-7]*'
                        AND substr(id, 5) NOT GLOB '*[^0-9abcdefghjkmnpqrstvwxyz]*'),
    organization_id TEXT NOT NULL
                    CONSTRAINT organization_shape CHECK (length(organization_id) BETWEEN 1 AND 64
                        AND organization_id NOT GLOB '*[^A-Za-z0-9_-]*'),
    name            TEXT NOT NULL
                    CONSTRAINT name_length CHECK (length(name) <= 100 AND length(trim(name)) >= 1)
                    CONSTRAINT name_text CHECK (name NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    digest          BLOB NOT NULL UNIQUE CONSTRAINT digest_length CHECK (length(digest) = 32),
    last_characters TEXT NOT NULL CONSTRAINT last_characters_length CHECK (length(last_characters) = 4),
    created_at      INTEGER NOT NULL,
    last_used_at    INTEGER,
    revoked_at      INTEGER
) STRICT;

CREATE INDEX api_keys_newest ON api_keys (organization_id, id DESC) WHERE revoked_at IS NULL;
CREATE INDEX api_keys_revoked ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE zapier_keys (
    organization_id TEXT NOT NULL PRIMARY KEY
                    CONSTRAINT organization_shape CHECK (length(organization_id) BETWEEN 1 AND 64
                        AND organization_id NOT GLOB '*[^A-Za-z0-9_-]*'),
    digest          BLOB NOT NULL UNIQUE CONSTRAINT digest_length CHECK (length(digest) = 32),
    sealed          BLOB NOT NULL CONSTRAINT sealed_present CHECK (length(sealed) > 0), -- bound to organization_id
    created_at      INTEGER NOT NULL
) STRICT;

CREATE TABLE portal_links (
    digest          BLOB NOT NULL PRIMARY KEY CONSTRAINT digest_length CHECK (length(digest) = 32),
    id              TEXT NOT NULL
                    CONSTRAINT id_shape CHECK (length(id) = 30 AND id GLOB 'lnk_[0-7]*'
                        AND substr(id, 5) NOT GLOB '*[^0-9abcdefghjkmnpqrstvwxyz]*'),
    organization_id TEXT NOT NULL
                    CONSTRAINT organization_shape CHECK (length(organization_id) BETWEEN 1 AND 64
                        AND organization_id NOT GLOB '*[^A-Za-z0-9_-]*'),
    person          TEXT NOT NULL CONSTRAINT person_length CHECK (length(person) <= 100),
    via             TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL
) STRICT;

CREATE INDEX portal_links_expiry ON portal_links (expires_at);

CREATE TABLE portal_sessions (
    digest          BLOB NOT NULL PRIMARY KEY CONSTRAINT digest_length CHECK (length(digest) = 32),
    id              TEXT NOT NULL
                    CONSTRAINT id_shape CHECK (length(id) = 30 AND id GLOB 'ses_[0-7]*'
                        AND substr(id, 5) NOT GLOB '*[^0-9abcdefghjkmnpqrstvwxyz]*'),
    organization_id TEXT NOT NULL
                    CONSTRAINT organization_shape CHECK (length(organization_id) BETWEEN 1 AND 64
                        AND organization_id NOT GLOB '*[^A-Za-z0-9_-]*'),
    person          TEXT NOT NULL CONSTRAINT person_length CHECK (length(person) <= 100),
    via             TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL
) STRICT;

CREATE INDEX portal_sessions_expiry ON portal_sessions (expires_at);

CREATE TABLE audit_log (
    id              TEXT NOT NULL PRIMARY KEY
                    CONSTRAINT id_shape CHECK (length(id) = 30 AND id GLOB 'aud_[0-7]*'
                        AND substr(id, 5) NOT GLOB '*[^0-9abcdefghjkmnpqrstvwxyz]*'),
    at              INTEGER NOT NULL,
    organization_id TEXT NOT NULL
                    CONSTRAINT organization_shape CHECK (length(organization_id) BETWEEN 1 AND 64
                        AND organization_id NOT GLOB '*[^A-Za-z0-9_-]*'),
    actor_kind      TEXT NOT NULL
                    CONSTRAINT actor_known CHECK (actor_kind IN ('service_token', 'api_key', 'zapier_key', 'portal', 'operator', 'system')),
    actor_name      TEXT NOT NULL,
    actor_key_id    TEXT NOT NULL,
    actor_via       TEXT NOT NULL,
    action          TEXT NOT NULL CONSTRAINT action_shape CHECK (action GLOB '?*.?*' AND action NOT GLOB '*[^a-z_.]*'),
    target_kind     TEXT NOT NULL CONSTRAINT target_kind_present CHECK (target_kind <> ''),
    target_id       TEXT NOT NULL,
    webhook_id      TEXT NOT NULL, -- that the target is or belongs to, '' for none
    before          TEXT CONSTRAINT before_object CHECK (json_type(before) = 'object'),
    after           TEXT CONSTRAINT after_object CHECK (json_type(after) = 'object')
) STRICT;

CREATE INDEX audit_log_newest ON audit_log (organization_id, id DESC);
CREATE INDEX audit_log_action ON audit_log (organization_id, action, id DESC);
CREATE INDEX audit_log_actor ON audit_log (organization_id, actor_name, id DESC) WHERE actor_name <> '';
CREATE INDEX audit_log_target ON audit_log (organization_id, target_id, id DESC) WHERE target_id <> '';
CREATE INDEX audit_log_webhook ON audit_log (organization_id, webhook_id, id DESC) WHERE webhook_id <> '';

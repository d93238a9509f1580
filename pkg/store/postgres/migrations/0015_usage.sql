-- serves: 14
-- How many bytes of events each stream keeps of an organization, by the hour in which
-- they were stored. Programs of the version before count nothing and refuse nothing.
CREATE TABLE usage_hours (
    organization_id text COLLATE "C" NOT NULL,
    stream          text COLLATE "C" NOT NULL,
    hour            timestamptz NOT NULL,
    bytes           bigint      NOT NULL,
    PRIMARY KEY (organization_id, stream, hour)
);

CREATE INDEX usage_hours_oldest ON usage_hours (stream, hour);

-- Up to which message each stream is counted. What was stored before counted_until
-- is counted; NULL for a stream that holds no events.
CREATE TABLE usage_positions (
    stream        text COLLATE "C" PRIMARY KEY,
    sequence      bigint      NOT NULL,
    counted_until timestamptz
);

-- Which replica counts: one row.
CREATE TABLE usage_lease (
    id           integer PRIMARY KEY CONSTRAINT usage_lease_once CHECK (id = 1),
    lease_holder text        NOT NULL,
    lease_until  timestamptz NOT NULL
);

-- Organizations that have reached a quota.
CREATE TABLE usage_over (
    organization_id text COLLATE "C" NOT NULL,
    quota           text COLLATE "C" NOT NULL,
    bytes           bigint NOT NULL,
    PRIMARY KEY (organization_id, quota)
);

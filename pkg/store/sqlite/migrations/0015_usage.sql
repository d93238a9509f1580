-- serves: 14
-- How many bytes of events each stream keeps of an organization, by the hour in which
-- they were stored. Programs of the version before count nothing and refuse nothing.
CREATE TABLE usage_hours (
    organization_id TEXT    NOT NULL,
    stream          TEXT    NOT NULL,
    hour            INTEGER NOT NULL,
    bytes           INTEGER NOT NULL,
    PRIMARY KEY (organization_id, stream, hour)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_hours_oldest ON usage_hours (stream, hour);

-- Up to which message each stream is counted. What was stored before counted_until
-- is counted; NULL for a stream that holds no events.
CREATE TABLE usage_positions (
    stream        TEXT    NOT NULL PRIMARY KEY,
    sequence      INTEGER NOT NULL,
    counted_until INTEGER
) STRICT, WITHOUT ROWID;

-- Which replica counts: one row.
CREATE TABLE usage_lease (
    id           INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    lease_holder TEXT    NOT NULL,
    lease_until  INTEGER NOT NULL
) STRICT;

-- Organizations that have reached a quota.
CREATE TABLE usage_over (
    organization_id TEXT    NOT NULL,
    quota           TEXT    NOT NULL,
    bytes           INTEGER NOT NULL,
    PRIMARY KEY (organization_id, quota)
) STRICT, WITHOUT ROWID;

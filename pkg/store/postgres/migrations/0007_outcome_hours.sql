-- How many requests of a webhook succeeded and failed, and how many deliveries
-- were skipped, hour by hour: written with the log, for the charts of the
-- settings page, which show many webhooks at once. Tests are not counted.
-- During an upgrade, what replicas of the version before record is not in it.
CREATE TABLE outcome_hours (
    webhook_id text COLLATE "C" NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    hour       timestamptz NOT NULL,
    succeeded  bigint NOT NULL,
    failed     bigint NOT NULL,
    skipped    bigint NOT NULL,
    PRIMARY KEY (webhook_id, hour),
    CONSTRAINT counts_positive CHECK (succeeded >= 0 AND failed >= 0 AND skipped >= 0 AND succeeded + failed + skipped > 0)
) WITH (fillfactor = 70); -- room for the hour that has begun to be updated in place

CREATE INDEX outcome_hours_age ON outcome_hours (hour);

INSERT INTO outcome_hours (webhook_id, hour, succeeded, failed, skipped)
    SELECT a.webhook_id, date_bin('1 hour', a.started_at, timestamptz 'epoch'),
        count(*) FILTER (WHERE result = 'succeeded'), count(*) FILTER (WHERE result = 'failed'), count(*) FILTER (WHERE result = 'skipped')
    FROM attempts a JOIN webhooks w ON w.id = a.webhook_id
    WHERE NOT test AND result IN ('succeeded', 'failed', 'skipped') GROUP BY 1, 2;

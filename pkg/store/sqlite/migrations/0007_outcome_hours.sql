-- How many requests of a webhook succeeded and failed, and how many deliveries
-- were skipped, hour by hour: written with the log, for the charts of the
-- settings page, which show many webhooks at once. Tests are not counted.
CREATE TABLE outcome_hours (
    webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    hour       INTEGER NOT NULL,
    succeeded  INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    skipped    INTEGER NOT NULL,
    PRIMARY KEY (webhook_id, hour),
    CONSTRAINT counts_positive CHECK (succeeded >= 0 AND failed >= 0 AND skipped >= 0 AND succeeded + failed + skipped > 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX outcome_hours_age ON outcome_hours (hour);

INSERT INTO outcome_hours (webhook_id, hour, succeeded, failed, skipped)
    SELECT a.webhook_id, a.started_at / 3600000000 * 3600000000,
        sum(result = 'succeeded'), sum(result = 'failed'), sum(result = 'skipped')
    FROM attempts a JOIN webhooks w ON w.id = a.webhook_id
    WHERE NOT test AND result IN ('succeeded', 'failed', 'skipped') GROUP BY 1, 2;

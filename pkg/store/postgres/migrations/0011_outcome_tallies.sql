-- serves: 7
-- Why the requests of an hour failed, and how many milliseconds all of its requests
-- took: each word with its count, all between spaces. The statistics of a webhook
-- are then read from its hours and not from the log. During an upgrade, what
-- replicas of the version before record is counted and not in these two.
ALTER TABLE outcome_hours
    ADD COLUMN reasons text NOT NULL DEFAULT '',
    ADD COLUMN took    text NOT NULL DEFAULT '';

UPDATE outcome_hours h SET reasons = r.reasons FROM (
    SELECT webhook_id, hour, string_agg(reason || ' ' || n, ' ') AS reasons FROM (
        SELECT webhook_id, date_bin('1 hour', started_at, timestamptz 'epoch') AS hour, reason, count(*) AS n
        FROM attempts WHERE NOT test AND result = 'failed' GROUP BY 1, 2, 3
    ) c GROUP BY 1, 2
) r WHERE r.webhook_id = h.webhook_id AND r.hour = h.hour;

UPDATE outcome_hours h SET took = r.took FROM (
    SELECT webhook_id, hour, string_agg(ms || ' ' || n, ' ') AS took FROM (
        SELECT webhook_id, date_bin('1 hour', started_at, timestamptz 'epoch') AS hour, (total_ns + 999999) / 1000000 AS ms, count(*) AS n
        FROM attempts WHERE NOT test AND number > 0 GROUP BY 1, 2, 3
    ) c GROUP BY 1, 2
) r WHERE r.webhook_id = h.webhook_id AND r.hour = h.hour;

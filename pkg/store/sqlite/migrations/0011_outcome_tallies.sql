-- serves: 7
-- Why the requests of an hour failed, and how many milliseconds all of its requests
-- took: each word with its count, all between spaces. The statistics of a webhook
-- are then read from its hours and not from the log.
ALTER TABLE outcome_hours ADD COLUMN reasons TEXT NOT NULL DEFAULT '';
ALTER TABLE outcome_hours ADD COLUMN took TEXT NOT NULL DEFAULT '';

UPDATE outcome_hours SET reasons = r.reasons FROM (
    SELECT webhook_id, hour, group_concat(reason || ' ' || n, ' ') AS reasons FROM (
        SELECT webhook_id, started_at / 3600000000 * 3600000000 AS hour, reason, count(*) AS n
        FROM attempts WHERE NOT test AND result = 'failed' GROUP BY 1, 2, 3
    ) GROUP BY 1, 2
) r WHERE r.webhook_id = outcome_hours.webhook_id AND r.hour = outcome_hours.hour;

UPDATE outcome_hours SET took = r.took FROM (
    SELECT webhook_id, hour, group_concat(ms || ' ' || n, ' ') AS took FROM (
        SELECT webhook_id, started_at / 3600000000 * 3600000000 AS hour, (total_ns + 999999) / 1000000 AS ms, count(*) AS n
        FROM attempts WHERE NOT test AND number > 0 GROUP BY 1, 2, 3
    ) GROUP BY 1, 2
) r WHERE r.webhook_id = outcome_hours.webhook_id AND r.hour = outcome_hours.hour;

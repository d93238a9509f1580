-- serves: 7
-- The same as in Postgres.
DROP INDEX attempts_event;
DROP INDEX attempts_newest;
CREATE INDEX attempts_newest ON attempts (webhook_id, started_at, id, number, test, result, reason, total_ns);
DROP INDEX attempts_open;
CREATE INDEX attempts_open ON attempts (webhook_id, started_at, id, status) WHERE status <> 'delivered';

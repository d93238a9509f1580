-- serves: 7
-- Five indexes took more than half of what it costs to add to the log. Nothing
-- asks by the event alone: the delivery's id follows from it. The first statement
-- locks the whole log: taken later, the lock could wait for somebody who waits for
-- us.
DROP INDEX attempts_event;

-- Ascending, as rows come: at the right end of an index Postgres leaves full
-- pages behind, elsewhere half-empty ones. Lists read it backwards.
DROP INDEX attempts_newest;
CREATE INDEX attempts_newest ON attempts (webhook_id, started_at, id)
    INCLUDE (number, test, result, reason, total_ns);

DROP INDEX attempts_open;
CREATE INDEX attempts_open ON attempts (webhook_id, started_at, id, status) WHERE status <> 'delivered';

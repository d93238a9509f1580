-- serves: 7
-- The webhook or API key that an answer is about, whose secret it holds: when that is
-- gone, the answer is removed. NULL for any other answer.
ALTER TABLE idempotency_keys ADD COLUMN about TEXT;

CREATE INDEX idempotency_keys_about ON idempotency_keys (about) WHERE about IS NOT NULL;

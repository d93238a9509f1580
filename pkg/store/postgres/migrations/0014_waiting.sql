-- serves: 14
-- What waits for its webhook: on hold, disabled automatically, or slower than its
-- events come. A row names the event, which the event stream keeps.
CREATE TABLE waiting (
    webhook_id     text COLLATE "C" NOT NULL,
    event_sequence bigint      NOT NULL,
    delivery_id    text COLLATE "C" NOT NULL,
    event_id       text COLLATE "C" NOT NULL,
    event_type     text COLLATE "C" NOT NULL,
    event_stored   timestamptz NOT NULL,
    PRIMARY KEY (webhook_id, event_sequence)
);

-- Which replica delivers what waits for a webhook. It is no part of the webhook's
-- row, which outcomes lock.
CREATE TABLE waiting_leases (
    webhook_id   text COLLATE "C" PRIMARY KEY,
    lease_holder text        NOT NULL,
    lease_until  timestamptz NOT NULL
);

-- Whether rows may wait for it.
ALTER TABLE webhooks ADD COLUMN waiting boolean NOT NULL DEFAULT false;

CREATE INDEX webhooks_waiting ON webhooks (hold_until) WHERE waiting AND auto_disabled = '';

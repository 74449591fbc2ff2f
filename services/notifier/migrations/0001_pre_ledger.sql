-- A page is one row, its ways to the person are deliveries, each send an attempt. All of it is committed before a send.

CREATE TABLE pages (
    page text PRIMARY KEY,
    incident text NOT NULL,
    incident_name text NOT NULL,
    ack_epoch int NOT NULL,
    kind text NOT NULL,
    request jsonb NOT NULL,
    requested_at timestamptz NOT NULL,
    look_at timestamptz,
    undeliverable_at timestamptz
);
CREATE INDEX pages_of_incident ON pages (incident, ack_epoch);
CREATE INDEX pages_of_name ON pages (incident_name);
CREATE INDEX pages_newest ON pages (requested_at);
CREATE INDEX pages_to_look_at ON pages (look_at) WHERE look_at IS NOT NULL;

CREATE TABLE deliveries (
    delivery text PRIMARY KEY,
    page text NOT NULL REFERENCES pages,
    position int NOT NULL,
    channel text NOT NULL,
    address text NOT NULL,
    reports boolean NOT NULL,
    state text NOT NULL,
    started_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    due_at timestamptz,
    attempts int NOT NULL DEFAULT 0,
    provider text,
    provider_id text,
    reason text,
    claimed_by text
);
CREATE INDEX deliveries_of_page ON deliveries (page);
CREATE INDEX deliveries_due ON deliveries (channel, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_claimed ON deliveries (claimed_by) WHERE claimed_by IS NOT NULL;

CREATE TABLE attempts (
    delivery text NOT NULL REFERENCES deliveries,
    number int NOT NULL,
    provider text NOT NULL,
    claimed_by text NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz,
    outcome text,
    reason text,
    provider_id text,
    PRIMARY KEY (delivery, number)
);

-- The first acknowledgement of an epoch counts; it and every older epoch stop ringing.
CREATE TABLE acks (
    incident text NOT NULL,
    ack_epoch int NOT NULL,
    person text NOT NULL,
    page text,
    delivery text,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (incident, ack_epoch)
);

-- A cancel, kept also when it comes before the pages it cancels.
CREATE TABLE tombstones (
    incident text NOT NULL,
    ack_epoch int NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (incident, ack_epoch)
);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_key text NOT NULL,
    subject text NOT NULL,
    headers text NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE INDEX outbox_unpublished ON outbox (stream_key, id) WHERE published_at IS NULL;

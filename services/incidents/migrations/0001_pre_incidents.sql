-- Incidents, their breaches, pages, answers, timeline and due work; what sources last said; the outbox.
-- The adapter writes rows out of JSON: a column added later must be nullable, or the code before it could not write.

CREATE TABLE incidents (
    id text PRIMARY KEY,
    name text NOT NULL UNIQUE,
    service text NOT NULL,
    symptom text NOT NULL,
    severity text NOT NULL,
    stage text NOT NULL,
    opened_at timestamptz NOT NULL,
    stage_entered_at timestamptz NOT NULL,
    stage_due_at timestamptz,
    closed_at timestamptz,
    summary text NOT NULL,
    runbook text,
    acknowledged_by text,
    acknowledged_at timestamptz,
    ack_epoch integer NOT NULL,
    round integer NOT NULL,
    rung integer NOT NULL,
    rounds_left integer NOT NULL,
    paging_severity text NOT NULL,
    is_exhausted boolean NOT NULL,
    messages_sent integer NOT NULL,
    sequence integer NOT NULL,
    timeline_length integer NOT NULL,
    timeline_hash text NOT NULL,
    watch jsonb
);

-- One open incident per service and symptom.
CREATE UNIQUE INDEX incidents_one_open ON incidents (service, symptom)
    WHERE stage IN ('alert', 'assessment', 'response', 'resolution');
CREATE INDEX incidents_by_age ON incidents (opened_at DESC, id DESC);

-- What is known of a key: the row with the highest rev. One row per incident it ever belonged to ('' for none).
CREATE TABLE breaches (
    source text NOT NULL,
    service text NOT NULL,
    rule text NOT NULL,
    "check" text NOT NULL,
    location text NOT NULL,
    incident text NOT NULL,
    rev bigint NOT NULL,
    is_open boolean NOT NULL,
    stated jsonb,
    absent_as_of bigint,
    ended text,
    changed_at timestamptz,
    PRIMARY KEY (source, service, rule, "check", location, incident)
);
CREATE INDEX breaches_of_incident ON breaches (incident);
CREATE INDEX breaches_open ON breaches (source, service) WHERE is_open;

CREATE TABLE pages (
    id text PRIMARY KEY,
    incident text NOT NULL REFERENCES incidents (id),
    addressee jsonb NOT NULL,
    kind text NOT NULL,
    ack_epoch integer NOT NULL,
    round integer NOT NULL,
    rung integer NOT NULL,
    severity text NOT NULL,
    title text NOT NULL,
    lines jsonb NOT NULL,
    requested_at timestamptz NOT NULL,
    runbook text,
    issue integer NOT NULL,
    state text,
    handed_over_at timestamptz,
    is_undeliverable boolean NOT NULL,
    is_stand_in boolean NOT NULL
);
CREATE INDEX pages_of_incident ON pages (incident);

CREATE TABLE answers (
    incident text NOT NULL REFERENCES incidents (id),
    stage text NOT NULL,
    question text NOT NULL,
    answer text NOT NULL,
    by text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (incident, stage, question)
);

CREATE TABLE due (
    incident text NOT NULL REFERENCES incidents (id),
    kind text NOT NULL,
    subject text NOT NULL,
    at timestamptz NOT NULL,
    awaits_open_set boolean NOT NULL,
    PRIMARY KEY (incident, kind, subject)
);
CREATE INDEX due_next ON due (at);

CREATE TABLE timeline (
    incident text NOT NULL REFERENCES incidents (id),
    sequence integer NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    text text NOT NULL,
    actor text NOT NULL,
    hash text NOT NULL,
    PRIMARY KEY (incident, sequence)
);

-- Append-only is not a habit of the code but a rule of the table.
CREATE FUNCTION timeline_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the timeline is append-only'; END $$;
CREATE TRIGGER timeline_append_only BEFORE UPDATE OR DELETE ON timeline
    FOR EACH ROW EXECUTE FUNCTION timeline_is_append_only();

CREATE TABLE sources (
    source text PRIMARY KEY,
    as_of bigint NOT NULL,
    at timestamptz NOT NULL
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

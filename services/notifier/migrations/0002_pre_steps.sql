-- Every state a delivery has entered, for people: the row of the delivery itself keeps only the present one.
CREATE TABLE steps (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery text NOT NULL REFERENCES deliveries,
    state text NOT NULL,
    at timestamptz NOT NULL,
    reason text,
    attempt int NOT NULL
);
CREATE INDEX steps_of_delivery ON steps (delivery, id);

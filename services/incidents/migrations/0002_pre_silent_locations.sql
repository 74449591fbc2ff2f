-- The silence of a location is one incident, however many services it watches; the others are as before.

ALTER TABLE incidents ADD COLUMN location text;

CREATE UNIQUE INDEX incidents_one_silent_location ON incidents (location)
    WHERE location IS NOT NULL AND stage IN ('alert', 'assessment', 'response', 'resolution');
CREATE UNIQUE INDEX incidents_one_open_of_service ON incidents (service, symptom)
    WHERE location IS NULL AND stage IN ('alert', 'assessment', 'response', 'resolution');
DROP INDEX incidents_one_open;

-- Append-only also where somebody would empty the table at once.

CREATE TRIGGER timeline_not_emptied BEFORE TRUNCATE ON timeline
    FOR EACH STATEMENT EXECUTE FUNCTION timeline_is_append_only();

-- Revision 0003: property columns; none is recorded.
CREATE TABLE _metadata (
    table_name VARCHAR PRIMARY KEY,
    type VARCHAR NOT NULL,
    fetched_at TIMESTAMP NOT NULL,
    from_date DATE,
    to_date DATE,
    row_count BIGINT NOT NULL,
    filter_events VARCHAR[],
    filter_where VARCHAR
);
CREATE TABLE _property_columns (
    table_name VARCHAR,
    property VARCHAR NOT NULL,
    column_name VARCHAR,
    "type" VARCHAR NOT NULL,
    PRIMARY KEY (table_name, column_name)
);
CREATE TABLE _stale_columns (
    table_name VARCHAR NOT NULL,
    column_name VARCHAR NOT NULL
);
CREATE TABLE events_jan (
    event_name VARCHAR NOT NULL,
    event_time TIMESTAMP NOT NULL,
    distinct_id VARCHAR NOT NULL,
    insert_id VARCHAR PRIMARY KEY,
    properties JSON
);
CREATE TABLE users (
    distinct_id VARCHAR NOT NULL,
    properties JSON,
    last_seen TIMESTAMP
);
CREATE TABLE events_feb (
    event_name VARCHAR NOT NULL,
    event_time TIMESTAMP NOT NULL,
    distinct_id VARCHAR NOT NULL,
    insert_id VARCHAR PRIMARY KEY,
    properties JSON
);
INSERT INTO events_jan VALUES
    ('Sign Up', '2025-01-01 00:00:00.123456', 'user-1', 'a1', '{"$browser": "Firefox", "plan name": "pro"}'),
    ('Purchase', '2025-01-31 23:59:59', 'user-1', 'a2', '{"amount": 123456789012345678901234567890}'),
    ('Purchase', '2025-01-15 12:00:00', 'Zoë', 'a3', NULL);
INSERT INTO users VALUES
    ('user-1', '{"$city": "Zürich"}', '2025-01-31 23:59:59'),
    ('Zoë', '{}', NULL);
INSERT INTO events_feb VALUES ('Page View', '2025-02-01 00:00:00', 'user-1', 'b1', '{}');
INSERT INTO _metadata VALUES
    ('events_jan', 'events', '2025-02-01 08:30:00', '2025-01-01', '2025-01-31', 3, ['Sign Up', 'Purchase'], 'properties["plan name"] == "pro"'),
    ('users', 'profiles', '2025-02-01 08:31:00', NULL, NULL, 2, NULL, NULL);
CREATE TABLE _mixpanel_data_version (version_num VARCHAR(32) NOT NULL);
INSERT INTO _mixpanel_data_version VALUES ('0003');

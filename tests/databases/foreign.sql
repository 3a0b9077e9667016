-- An application's own table that happens to have the name of our internal one.
CREATE TABLE _metadata (key VARCHAR PRIMARY KEY, value VARCHAR);
INSERT INTO _metadata VALUES ('owner', 'somebody else');

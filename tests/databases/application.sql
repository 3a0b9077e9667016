-- An application's own tables, with an Alembic history of its own and nothing of ours.
CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('app7');
CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id));
CREATE INDEX orders_by_customer ON orders (customer);
CREATE VIEW busy AS SELECT customer, count(*) AS orders FROM orders GROUP BY customer;
INSERT INTO customers VALUES (1, 'Zoë');
INSERT INTO orders VALUES (1, 1), (2, 1);

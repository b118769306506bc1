-- Indexes.

create index on orders (customer_id)

create index orders_c on orders (customer_id)

create unique index on orders (customer_id, id)

create index on orders using hash (status)

create index on orders (lower(status), amount desc nulls last) include (id) where amount > 10

create index if not exists orders_status on orders (customer_id)

create index if not exists orders_new on orders (customer_id)

create index on public.orders (customer_id)

create index on app.orders (note)

create index on "Odd Name" ("a column")

create index on totals (total)

create index on empty (a)

create index on logs (level)

create index on events (body)

create index on only logs (level)

create unique index on logs (at, level)

create index on logs_1 (level)

create index on base (a)

-- outside
create index concurrently orders_c on orders (customer_id)
-- cleanup: drop index orders_c

-- outside
create unique index concurrently orders_c on orders (customer_id, id)
-- cleanup: drop index orders_c

-- outside
create index concurrently if not exists orders_c on orders (lower(note)) where amount > 1
-- cleanup: drop index orders_c

-- outside
create index concurrently totals_total on totals (total)
-- cleanup: drop index totals_total

-- fails: 0A000
-- outside
create index concurrently logs_level on logs (level)

-- fails: 25001
create index concurrently orders_c on orders (customer_id)

-- setup: create table pt(at int) partition by range (at); create table pt_1 partition of pt for values from (0) to (10000); insert into pt select g from generate_series(1, 1000) g; create index pt_at on only pt (at); create index pt_1_at on pt_1 (at)
alter index pt_at attach partition pt_1_at

drop index orders_status

drop index if exists orders_status

drop index if exists nosuch

drop index orders_status, orders_paid

-- alarm: CASCADE takes along what depends on it, which is not listed
drop index orders_status cascade

drop index public.orders_status

drop index keyless_a restrict

drop index events_region

-- fails: 2BP01
drop index orders_pkey

-- fails: 2BP01
drop index events_1_region_idx

-- outside
-- setup: create table doomed(a int); create index doomed_a on doomed (a); insert into doomed select g from generate_series(1, 1000) g
drop index concurrently doomed_a

-- outside
drop index concurrently if exists nosuch

-- fails: 0A000
-- outside
drop index concurrently events_region

reindex index orders_status

reindex table orders

reindex table totals

reindex index orders_pkey

reindex (verbose) table orders

-- outside
-- more: its partitions one after the other; the parent only until they are listed
reindex table events

-- outside
-- more: its partitions one after the other, and from 18 the parent for a moment
reindex index events_region

-- outside
reindex index concurrently orders_status

-- outside
reindex table concurrently orders

-- outside
reindex (concurrently) table orders

-- outside
reindex table concurrently events

-- outside
-- setup: create table rebuilt(a int primary key); insert into rebuilt select g from generate_series(1, 1000) g
-- more: whatever is in it
reindex schema own

-- outside
-- setup: create table rebuilt(a int primary key); insert into rebuilt select g from generate_series(1, 1000) g
reindex schema concurrently own

alter index orders_status rename to orders_by_status

alter index orders_status set (fillfactor = 70)

alter index orders_status reset (fillfactor)

alter index orders_lower_title alter column 1 set statistics 200

alter index orders_status set tablespace pg_default

alter index if exists nosuch rename to other

alter index events_region rename to events_by_region

alter table orders cluster on orders_status

alter table orders set without cluster

-- setup: create function plus_one(int) returns int language sql immutable as 'select $1 + 1'
create index on orders (plus_one(quantity))

alter index orders_status depends on extension plpgsql

alter index orders_status no depends on extension plpgsql

reindex (concurrently, concurrently off) table keyless

-- outside
reindex (concurrently off, concurrently) table keyless

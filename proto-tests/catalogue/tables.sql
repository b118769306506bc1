-- ALTER TABLE of the whole, CREATE, DROP and what locks or writes tables.

-- harm: breaks
alter table orders rename to purchases

-- harm: breaks
alter table orders rename column extra to remark

-- harm: breaks
alter table orders rename extra to remark

-- harm: breaks
alter table events rename column body to text

-- harm: breaks
alter table base rename column b to c2

-- harm: breaks
alter view paid rename to settled

-- harm: breaks
alter view paid rename column amount to sum

-- harm: breaks
alter materialized view totals rename to sums

-- harm: breaks
alter table orders set schema app
-- setup: create schema elsewhere
-- cleanup: drop schema elsewhere
-- fails: 42P07

-- harm: breaks
alter table keyless set schema app

-- harm: breaks
alter schema app rename to application

-- harm: breaks
alter sequence counter rename to tally

-- harm: breaks
alter table if exists orders rename to purchases

alter table if exists nosuch rename to other

-- harm: rights
alter table orders owner to alice

-- harm: rights
alter table orders owner to current_user

alter table orders set (fillfactor = 70)

alter table orders set (autovacuum_enabled = false, autovacuum_vacuum_scale_factor = 0.01)

alter table orders set (toast.autovacuum_enabled = false)

alter table orders set (parallel_workers = 2)

alter table orders set (toast_tuple_target = 200)

alter table orders set (user_catalog_table = true)

alter table orders reset (fillfactor)

alter table scratch set unlogged

alter table unlogged set logged

alter table scratch set logged

alter table unlogged set unlogged

alter table orders set tablespace pg_default

-- from: 15
alter table orders set access method heap

-- from: 17
-- alarm: the access method a table has is not in the facts
alter table orders set access method default

-- outside
-- alarm: what is in a tablespace is not looked up
alter table all in tablespace pg_default set tablespace pg_default

alter table orders set without oids

alter table typed of pair
-- fails: 42804

-- setup: create type row_of as (a int, b text); create table rows_of(a int, b text); insert into rows_of select g, g from generate_series(1, 1000) g
alter table rows_of of row_of

-- setup: create type row_of as (a int, b text); create table rows_of of row_of; insert into rows_of select g, g from generate_series(1, 1000) g
alter table rows_of not of

-- harm: guards
alter table orders replica identity nothing

alter table orders replica identity full

alter table orders replica identity default

alter table keyless replica identity using index keyless_a

alter table heir no inherit base

-- setup: create table stray(id int, a int, b text); insert into stray select g, g, g from generate_series(1, 1000) g
alter table stray inherit base

alter table orders enable trigger orders_touch

alter table orders enable always trigger orders_touch

-- harm: guards
alter table orders enable replica trigger orders_touch

-- harm: guards
alter table orders disable trigger orders_touch

-- harm: guards
alter table orders disable trigger all

-- harm: guards
alter table orders disable trigger user

alter table orders enable trigger user

-- setup: create table ruled(a int); create rule none as on delete to ruled do instead nothing
alter table ruled enable rule none

-- setup: create table ruled(a int); create rule none as on delete to ruled do instead nothing
-- harm: guards
alter table ruled disable rule none

-- harm: rights
alter table orders enable row level security

-- harm: rights
alter table orders disable row level security

-- harm: rights
alter table orders force row level security

-- harm: rights
alter table orders no force row level security

create trigger again after update on orders for each row execute function touch()

create trigger again after update of status on orders for each row when (new.status is null) execute function touch()

create constraint trigger later after insert on orders deferrable initially deferred for each row execute function touch()

create or replace trigger orders_touch before insert on orders for each row execute function touch()

create trigger again before insert on events for each row execute function touch()

create trigger again instead of insert on paid for each row execute function touch()

-- harm: guards
drop trigger orders_touch on orders

drop trigger if exists nosuch on orders

alter trigger orders_touch on orders rename to orders_touched

alter trigger orders_touch on orders depends on extension plpgsql

-- harm: guards
create rule quiet as on insert to keyless do instead nothing

-- harm: guards
create or replace rule quiet as on insert to keyless do also select 1

-- harm: guards
drop rule paid_rule on paid

alter rule paid_rule on paid rename to paid_rules

-- harm: rights
create policy own_rows on orders using (true)

-- setup: create table secured(a int); create policy own_rows on secured using (true)
-- harm: rights
alter policy own_rows on secured using (false)

-- setup: create table secured(a int); create policy own_rows on secured using (true)
alter policy own_rows on secured rename to other_rows

-- setup: create table secured(a int); create policy own_rows on secured using (true)
-- harm: rights
drop policy own_rows on secured

create table fresh(id bigint primary key, a int)

create table if not exists fresh(id bigint primary key, a int)

create table if not exists orders(id int)

create table fresh(id bigint primary key, customer_id bigint references customers)

create table fresh(id bigint primary key, c bigint references customers, o bigint references orders)

create table fresh(c int) inherits (base)

create table fresh(like orders including all)

create table fresh of pair

create unlogged table fresh(id int primary key)

create temporary table fresh(id int references customers)
-- fails: 42P16

create temporary table fresh(id int primary key, a int)

create table fresh as select * from orders

create table fresh as select 1 as one with no data

create table if not exists fresh as select id from orders where id < 10

create table fresh as table customers

select id, status into fresh from orders

create materialized view fresh as select id from orders

create materialized view fresh as select id from orders with no data

-- harm: loss
-- more: views that go along
drop table orders cascade

-- harm: loss
drop table keyless

-- harm: loss
drop table if exists keyless

drop table if exists nosuch

-- harm: loss
drop table empty

-- harm: loss
drop table events

-- harm: loss
drop table logs_1

-- harm: loss
drop table customers cascade

-- harm: loss
-- setup: create table child(id bigint primary key, c bigint references customers); insert into child select g, g from generate_series(1, 1000) g
drop table child

-- harm: loss
drop table keyless, "Odd Name"

-- fails: 2BP01
-- harm: loss
drop table customers

-- harm: loss
truncate keyless

-- harm: loss
truncate table keyless, typed restart identity

-- harm: loss
truncate customers cascade

-- harm: loss
truncate events

-- harm: loss
truncate only base

-- harm: loss
truncate base

truncate empty

-- outside
vacuum full keyless

-- outside
vacuum (full, analyze) keyless

-- outside
/* lockkeeper: compact */ vacuum full keyless

-- outside
vacuum full empty

-- outside
vacuum keyless

-- outside
vacuum (analyze) keyless

-- outside
vacuum (freeze, index_cleanup off) keyless

-- outside
vacuum (full false) keyless

analyze keyless

analyze keyless (a), typed (i)

cluster orders using orders_status

cluster (verbose) orders using orders_pkey

refresh materialized view totals

refresh materialized view loose

refresh materialized view totals with no data
-- harm: loss

-- fine: its readers go on, other refreshes wait
refresh materialized view concurrently totals

-- fails: 55000
refresh materialized view concurrently loose

-- harm: locks
lock table orders

-- harm: locks
lock table orders, customers in share mode

-- harm: locks
lock orders in exclusive mode

-- harm: locks
lock table events in share row exclusive mode

-- harm: locks
-- more: the tables of the view
lock table paid

lock table orders in share update exclusive mode

lock table orders in row exclusive mode

lock table orders in access share mode nowait

comment on table orders is 'what people bought'

comment on column orders.status is 'how far it is'

comment on constraint not_yet on orders is 'soon'

comment on index orders_status is 'by status'

comment on trigger orders_touch on orders is 'touches'

-- from: 16
create statistics on status, extra from orders

create statistics orders_s (ndistinct) on status, extra from orders

alter statistics orders_stats set statistics 200

alter statistics orders_stats rename to orders_stat

-- harm: breaks
drop statistics orders_stats

alter table orders alter status set (n_distinct = -0.5), set (fillfactor = 90)

alter table orders add column x int, alter column x set default 4

alter table orders add column x int, add constraint x_sane check (x > 0)

alter table orders add column x int, add constraint x_sane check (x > 0) not valid

alter table orders add column x int default 1, alter column x set not null

alter table orders add column x uuid, alter column x set default gen_random_uuid()

alter table orders alter column unproven set not null, alter column quantity set not null

alter table orders set (fillfactor = 80), alter column unproven set not null

alter table orders alter column unproven drop not null, alter column status set statistics 100

-- harm: loss
alter table orders add column x int, drop column extra

alter table if exists orders add column x int, add column if not exists y int

-- inside: create table mine(id int primary key, a int)
-- inside: insert into mine select g, g from generate_series(1, 1000) g
create index on mine (a)

-- inside: create table mine(id int primary key, a int)
-- inside: insert into mine select g, g from generate_series(1, 1000) g
alter table mine alter column a set not null

-- inside: create table mine(id int primary key, a int)
-- inside: insert into mine select g, g from generate_series(1, 1000) g
alter table mine alter column a type bigint

-- inside: create table mine(id int primary key, a int)
drop table mine

-- inside: create table mine(id serial primary key, a int generated always as identity, b text unique)
-- inside: create index on mine (a)
-- inside: create view seen as select id from mine
-- inside: create type of_mine as (one mine)
drop table mine cascade

-- inside: create table public.mine(id int primary key, a int)
-- inside: alter sequence counter owned by public.mine.a
-- harm: loss
-- more: the sequence
drop table public.mine

-- inside: create table public.mine(id int primary key, a int)
-- inside: alter sequence counter owned by public.mine.a
-- harm: loss
-- more: the sequence
alter table public.mine drop column a

-- inside: create table public.mine(id int primary key, a int)
-- inside: alter sequence counter owned by public.mine.a
-- fine: the lock is that of the statement before
alter table public.mine drop column id

-- inside: create table mine(id bigint primary key, a numeric)
-- inside: create or replace view public.paid as select id, a::numeric(10,2) as amount from mine
-- harm: breaks
-- more: the view
drop table mine cascade

-- inside: create table mine(id bigint primary key, a numeric)
-- inside: create or replace view public.paid as select id, a::numeric(10,2) as amount from mine
-- harm: breaks
-- more: the view
alter table mine drop column a cascade

-- inside: create table mine(id bigint primary key)
-- inside: alter table numbered add foreign key (id) references mine not valid
-- harm: locks
-- more: the table that refers to it
drop table mine cascade

-- inside: create table mine(id bigint primary key)
-- inside: alter table numbered add foreign key (id) references mine not valid
-- harm: locks
-- more: the table that refers to it
alter table mine drop constraint mine_pkey cascade

-- inside: create view mine as select 1::bigint as id, 1.0::numeric(10,2) as amount
-- inside: create or replace view public.paid as select * from mine
-- harm: breaks
-- more: the view
drop view mine cascade

-- session: create temp table mine(id int)
-- inside: create policy seen on scratch using (exists (select from mine))
-- harm: rights
-- more: the table of the policy
drop table mine cascade

-- inside: create table mine(id int primary key, a bigint)
-- inside: insert into mine select g, g from generate_series(1, 1000) g
alter table mine add foreign key (a) references customers

-- inside: create table mine(id int primary key, a bigint)
truncate mine

-- session: create temporary table mine(id int primary key, a int); insert into mine select g, g from generate_series(1, 1000) g
alter table mine alter column a type bigint

-- session: create temporary table mine(id int primary key, a int); insert into mine select g, g from generate_series(1, 1000) g
create index on mine (a)

-- session: create temporary table mine(id int primary key, a int); insert into mine select g, g from generate_series(1, 1000) g
drop table mine

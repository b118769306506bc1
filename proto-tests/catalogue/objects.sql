-- Everything that is not a table: views, sequences, types, functions, rights, and what reaches the server.

create view fresh as select 1 as one

create view fresh as select id, status from orders

create or replace view public.paid as select id, amount from orders where status = 'paid' and id > 0

create temporary view fresh as select 1 as one

create recursive view fresh(n) as select 1 union all select n + 1 from fresh where n < 3

alter view paid alter column amount set default 3

-- harm: rights
alter view paid set (security_barrier = true)

alter view if exists nosuch rename to other

-- harm: rights
alter view paid owner to alice

-- harm: breaks
alter view paid set schema app

-- harm: breaks
drop view paid

-- harm: breaks
drop view if exists paid cascade

drop view if exists nosuch

alter materialized view totals set (fillfactor = 80)

alter materialized view totals cluster on totals_customer

-- harm: loss
drop materialized view totals

-- harm: rights
alter materialized view totals owner to alice

create sequence fresh

create sequence if not exists public.fresh as int start 7 owned by numbered.a

alter sequence counter increment by 10

alter sequence counter owned by numbered.a

-- harm: keys
alter sequence counter increment by -10

-- harm: keys
alter sequence counter cycle

alter sequence counter no cycle cache 5

alter sequence counter as bigint

-- harm: keys
alter sequence counter restart with 1

-- harm: keys
alter sequence counter restart

-- harm: rights
alter sequence counter owner to alice

-- from: 15
alter sequence counter set unlogged

-- harm: breaks
drop sequence counter

drop sequence if exists nosuch

create type fresh as enum ('a', 'b')

create type fresh as (a int, b text)

create type fresh as range (subtype = float8)

create type fresh

create domain fresh as int check (value > 0)

create domain fresh as text

-- more: tables that use it
alter domain positive add constraint small check (value < 100000)

alter domain positive add constraint small check (value < 100000) not valid

-- setup: alter domain positive add constraint small check (value < 100000) not valid
-- cleanup: alter domain positive drop constraint small
-- more: tables that use it
alter domain positive validate constraint small

-- more: tables that use it
alter domain positive set not null

alter domain positive drop not null

alter domain positive set default 4

alter domain positive drop default

-- harm: loss
alter domain positive drop constraint positive_check

-- alarm: the constraints of domains are not looked up
alter domain positive drop constraint if exists nosuch

alter domain positive rename constraint positive_check to above_zero

-- harm: rights
alter domain positive owner to alice

-- harm: breaks
alter domain positive rename to above_zero

-- harm: breaks
-- more: tables that use it
drop domain positive cascade

alter type mood add value 'great'

alter type mood add value if not exists 'great' after 'fine'

-- harm: breaks
alter type mood rename value 'sad' to 'down'

-- harm: breaks
alter type mood rename to feeling

-- harm: rights
alter type mood owner to alice

-- harm: breaks
alter type mood set schema app

-- harm: breaks
-- more: tables that use it
drop type mood cascade

-- harm: breaks
-- more: tables that use it
drop type pair cascade

-- setup: create type lonely as (a int)
alter type lonely add attribute b int

-- setup: create type lonely as (a int)
alter type lonely add attribute b int cascade

-- setup: create type lonely as (a int)
-- setup: create domain lonelier as lonely
alter type lonely add attribute b positive cascade

-- setup: create domain unused as int
-- cleanup: drop domain unused
alter domain unused add constraint small check (value < 100000)

-- setup: create domain unused as int
-- cleanup: drop domain unused
alter domain unused set not null

-- setup: create type lonely as (a int, b int)
-- harm: breaks
alter type lonely drop attribute b

create function fresh() returns int language sql as 'select 1'

create or replace function touch() returns trigger language plpgsql as 'begin return null; end'

create procedure fresh() language plpgsql as 'begin null; end'

create function fresh() returns int language sql return 1

-- harm: code
create function fresh() returns int language sql security definer as 'select 1'

-- harm: code
create function fresh(internal) returns int language c as 'nosuch', 'nosuch'
-- fails: 58P01

alter function stable_one() immutable

alter function stable_one() cost 10

-- harm: code
alter function stable_one() security definer

-- harm: breaks
alter function stable_one() rename to one

-- harm: rights
alter function stable_one() owner to alice

-- harm: breaks
drop function stable_one()

-- harm: breaks
-- more: tables whose triggers call it
drop function touch() cascade

-- harm: breaks
drop procedure work()

drop function if exists nosuch()

drop function if exists volatile_one(int)

-- harm: breaks
drop function if exists volatile_one()

drop procedure if exists work(text, int)

drop cast if exists (mood as int)

drop operator if exists + (mood, int)

drop transform if exists for mood language plpgsql

create aggregate fresh(int) (sfunc = int4pl, stype = int)

-- harm: breaks
drop aggregate if exists sum(int)
-- fails: 2BP01

create operator === (leftarg = int, rightarg = int, function = int4eq)

alter operator = (int, int) owner to current_user
-- harm: rights

create operator family fresh using btree

create operator class fresh for type pair using btree as operator 1 < (pair, pair)
-- fails: 42883

-- harm: code
create cast (int as mood) with function volatile_one()
-- fails: 42P17

create collation fresh from "C"

create collation fresh (locale = 'C')

create conversion fresh for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8

-- alarm: every client of that encoding gets it
create default conversion fresh for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8

create text search configuration fresh (copy = simple)

create text search dictionary fresh (template = simple)

-- setup: create text search configuration fresh (copy = simple)
alter text search configuration fresh drop mapping for word

create schema fresh

create schema fresh create table inner_table(id int) create view inner_view as select 1 as one

create schema if not exists app

create schema fresh authorization alice

-- harm: rights
alter schema app owner to alice

-- harm: loss
-- more: what is in it
drop schema app cascade

drop schema if exists nosuch, nosuch_too cascade

drop type if exists nosuch

drop domain if exists public.nosuch

drop policy if exists nosuch on orders

drop rule if exists nosuch on orders

drop procedure if exists nosuch(int)

drop aggregate if exists nosuch(int)

drop publication if exists nosuch

drop statistics if exists nosuch

drop collation if exists nosuch

drop server if exists nosuch

drop user mapping if exists for current_user server nosuch

drop event trigger if exists nosuch

drop extension if exists nosuch

drop subscription if exists nosuch

drop language if exists nosuch

drop role if exists nosuch

drop function nosuch()
-- fails: 42883

-- harm: breaks
drop trigger if exists orders_touch on orders

-- harm: breaks
drop type if exists nosuch, pair
-- fails: 2BP01

create publication fresh

create publication fresh for table orders

-- harm: breaks
create publication fresh for all tables

create publication fresh for all tables with (publish = 'insert')

-- from: 15
-- harm: breaks
create publication fresh for table orders (customer_id, status)

-- from: 15
-- harm: breaks
create publication fresh for table orders where (amount > 10)

-- from: 15
create publication fresh for table orders (id, status) where (id > 10)

-- from: 15
-- setup: alter table public.orders replica identity full
-- cleanup: alter table public.orders replica identity default
-- harm: breaks
create publication fresh for table orders (id, note)

-- from: 15
-- setup: alter table public.orders replica identity full
-- cleanup: alter table public.orders replica identity default
create publication fresh for table orders where (amount > 10)

-- setup: alter table public.orders replica identity nothing
-- cleanup: alter table public.orders replica identity default
-- harm: breaks
create publication fresh for table orders

-- harm: breaks
create publication fresh for table keyless

create publication fresh for table keyless with (publish = 'insert, truncate')

-- setup: alter table public.keyless replica identity using index keyless_a
-- cleanup: alter table public.keyless replica identity default
alter publication feed add table keyless

alter publication feed add table orders

alter publication feed set (publish = 'insert')
-- harm: guards

-- harm: guards
alter publication feed drop table customers

-- harm: guards
alter publication feed set table orders

-- harm: breaks
drop publication feed

-- harm: code
create subscription fresh connection 'host=/nonexistent' publication feed with (connect = false)

create extension if not exists plpgsql

-- harm: code
create extension nosuch
-- fails: any

-- harm: breaks
-- more: whatever its objects are used by
drop extension plpgsql cascade

-- harm: code
alter extension plpgsql add table keyless

-- harm: code
create event trigger fresh on ddl_command_start execute function touch()
-- fails: 42P17

-- harm: code
create language fresh handler plpgsql_call_handler

-- harm: code
create access method fresh type table handler heap_tableam_handler

-- harm: code
create foreign data wrapper fresh

-- setup: create foreign data wrapper wrapper_1
-- cleanup: drop foreign data wrapper if exists wrapper_1 cascade
-- harm: code
create server fresh foreign data wrapper wrapper_1

-- setup: create foreign data wrapper wrapper_2; create server server_2 foreign data wrapper wrapper_2
-- cleanup: drop foreign data wrapper if exists wrapper_2 cascade
-- harm: code
create foreign table fresh(a int) server server_2

-- setup: create foreign data wrapper wrapper_3; create server server_3 foreign data wrapper wrapper_3; create foreign table far(a int) server server_3
-- cleanup: drop foreign data wrapper if exists wrapper_3 cascade
alter foreign table far add column b int

-- setup: create foreign data wrapper wrapper_4; create server server_4 foreign data wrapper wrapper_4; create foreign table far(a int) server server_4
-- cleanup: drop foreign data wrapper if exists wrapper_4 cascade
alter foreign table far options (add x 'y')

-- setup: create foreign data wrapper wrapper_5; create server server_5 foreign data wrapper wrapper_5; create foreign table far(a int) server server_5
-- cleanup: drop foreign data wrapper if exists wrapper_5 cascade
-- harm: loss
drop foreign table far

-- setup: create foreign data wrapper wrapper_6; create server server_6 foreign data wrapper wrapper_6
-- cleanup: drop foreign data wrapper if exists wrapper_6 cascade
-- harm: code
create user mapping for current_user server server_6 options (user 'x')

drop foreign data wrapper if exists nosuch_wrapper

-- harm: code
create transform for int language plpgsql (from sql with function int4recv(internal))
-- fails: 42P17

-- harm: rights
grant select on orders to reader

-- harm: rights
grant select on all tables in schema public to public

-- harm: rights
revoke select on orders from public

-- harm: rights
grant update (status) on orders to reader

-- harm: rights
grant usage on schema app to reader

-- harm: rights
grant reader to alice

-- harm: rights
alter default privileges in schema public grant select on tables to public

-- harm: rights
create role fresh

-- harm: rights
create user fresh superuser

-- harm: rights
alter role reader superuser

-- harm: rights
alter role reader set search_path = app

-- harm: rights
drop role if exists reader

-- harm: rights
reassign owned by alice to reader

-- harm: loss
drop owned by reader

-- harm: rights
security label on table orders is 'x'
-- fails: 22023

-- harm: rights
alter database template1 set work_mem = '1MB'

-- outside
-- harm: rights
alter system set work_mem = '4MB'
-- cleanup: alter system reset work_mem

-- outside
-- harm: code
create tablespace fresh location '/nonexistent'
-- fails: 58P01

-- outside
create database fresh_database template template0
-- cleanup: drop database if exists fresh_database

-- outside
drop database if exists nosuch_database

-- harm: breaks
alter database template1 rename to template3

-- alarm: limits of a database are everybody's
alter database template1 connection limit 50

-- harm: breaks
alter database template1 allow_connections false

-- from: 15
-- harm: guards
alter database template1 refresh collation version

-- alarm: a tablespace is everybody's
alter tablespace pg_default set (random_page_cost = 2)

-- alarm: a tablespace is everybody's
alter tablespace pg_default reset (random_page_cost)

-- setup: create type odd; create function odd_in(cstring) returns odd language internal immutable strict as 'textin'; create function odd_out(odd) returns cstring language internal immutable strict as 'textout'; create type odd (input = odd_in, output = odd_out, internallength = variable, storage = plain)
alter type odd set (storage = extended)

-- setup: create type odd; create function odd_in(cstring) returns odd language internal immutable strict as 'textin'; create function odd_out(odd) returns cstring language internal immutable strict as 'textout'; create type odd (input = odd_in, output = odd_out, internallength = variable, storage = plain); create function odd_recv(internal) returns odd language internal immutable strict as 'textrecv'
-- harm: code
alter type odd set (receive = odd_recv)

-- harm: code
do $$ begin null; end $$

-- harm: code
-- more: nobody reads code
do $$ begin alter table orders alter column unproven set not null; end $$

-- harm: code
call work()

-- harm: code
copy orders to program 'cat > /dev/null'

-- harm: code
copy orders to '/nonexistent/file'
-- fails: 58P01

-- harm: code
select lo_import('/nonexistent')
-- fails: 58P01

-- harm: code
select pg_read_file('/nonexistent')
-- fails: 58P01

-- harm: code
load 'nosuch'
-- fails: 58P01

import foreign schema x from server nosuch into public
-- harm: code
-- fails: 42704

set lock_timeout = '1s'

set local statement_timeout = '1s'

show work_mem

select count(*) from orders

select * from orders where id = 3 for update

insert into keyless values (100001, 100001, 'x')

checkpoint

listen news

notify news

discard plans

explain create table fresh as select * from orders

reset work_mem

prepare one as select 1

declare c cursor for select * from orders

set constraints all immediate

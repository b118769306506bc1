-- ALTER TABLE, columns. A case is a block of lines; see ../tests/catalogue.rs for what its header may say.

alter table orders add column x int

alter table orders add column x int default 5

alter table orders add column x int not null default 5

alter table orders add column x text not null default 'a' || 'b'

alter table orders add column x timestamptz default now()

alter table orders add column x timestamptz not null default current_timestamp

alter table orders add column x date default current_date

alter table orders add column x text default current_user

-- alarm: whether a function is stable is asked, whether the expression is folded is not
alter table orders add column x int default case when true then 1 else random()::int end

alter table orders add column x int default stable_one()

-- alarm: an inlined SQL function is volatile by its own label
alter table orders add column x int default inlined_one()

alter table orders add column x int default volatile_one()

alter table orders add column x double precision default random()

alter table orders add column x uuid default gen_random_uuid()

alter table orders add column x uuid not null default gen_random_uuid()

alter table orders add column x timestamptz default clock_timestamp()

alter table orders add column x timestamptz default statement_timestamp()

alter table orders add column x text default timeofday()

alter table orders add column x bigint default nextval('counter')

alter table orders add column x timestamptz default app.now()

alter table orders add column x int default 1 + volatile_one()

alter table orders add column x int default coalesce(null, volatile_one(), 3)

-- setup: create function lively(int) returns int language plpgsql as 'begin return $1; end'; create function calm(int default lively(1)) returns int language plpgsql immutable as 'begin return 1; end'
alter table orders add column x int default calm()

-- setup: create function calm(float default random()) returns int language plpgsql immutable as 'begin return 1; end'
alter table orders add column x int default calm()

-- setup: create function lively(int) returns int language plpgsql as 'begin return $1; end'; create function calm(int default lively(1)) returns int language plpgsql immutable as 'begin return 1; end'; create function calmer(int default calm()) returns int language plpgsql immutable as 'begin return 1; end'
alter table orders add column x int default calmer()

-- setup: create function calm(int default 7) returns int language plpgsql immutable as 'begin return 1; end'
alter table orders add column x int default calm()

-- setup: create type said as (x int, y text); create function say(text) returns said language plpgsql as 'begin return row(1, $1)::said; end'; create cast (text as said) with function say(text) as assignment
alter table orders add column x said default 'a'::text

-- setup: create type said as (x int, y text); create function say(text) returns said language plpgsql as 'begin return row(1, $1)::said; end'; create cast (text as said) with function say(text) as assignment
alter table orders add column x said default upper('a')

-- setup: create type said as (x int, y text); create function say(text) returns said language plpgsql as 'begin return row(1, $1)::said; end'; create cast (text as said) with function say(text) as assignment
alter table orders add column x said[] default array['a'::text]

-- setup: create type said as (x int, y text); create function say(text) returns said language plpgsql as 'begin return row(1, $1)::said; end'; create cast (text as said) with function say(text) as assignment
alter table orders add column x said default '(1,a)'

-- setup: create type said as (x int, y text); create function say(text) returns said language plpgsql as 'begin return row(1, $1)::said; end'; create cast (text as said) with function say(text) as assignment
alter table orders add column x said default '(1,a)'::said

-- setup: create type said as (x int, y text); create function say(text) returns said language plpgsql as 'begin return row(1, $1)::said; end'; create cast (text as said) with function say(text); create function calm(said) returns int language plpgsql immutable as 'begin return 1; end'
alter table orders add column x int default calm(upper('a')::said)

-- setup: create type said as (x int, y text); create function say(text) returns said language plpgsql as 'begin return row(1, $1)::said; end'; create cast (text as said) with function say(text) as implicit; create function calm(said) returns int language plpgsql immutable as 'begin return 1; end'
alter table orders add column x int default calm('a'::text)

-- setup: create type said as (x int, y text); create function say(text) returns said language plpgsql as 'begin return row(1, $1)::said; end'; create cast (text as said) with function say(text) as implicit
alter table orders add column x int default 5

-- setup: create type said as (x int, y text); create function say(text) returns said language plpgsql as 'begin return row(1, $1)::said; end'; create cast (text as said) with function say(text) as implicit
alter table orders add column x timestamptz default now()

-- setup: create type said as (x int, y text); create function same(said, said) returns boolean language plpgsql as 'begin return true; end'; create operator = (leftarg = said, rightarg = said, function = same)
alter table orders add column x boolean default (case row(1, 'x')::said when row(1, 'x')::said then true end)

-- setup: create type said as (x int, y text); create function more(said, said) returns boolean language plpgsql as 'begin return true; end'; create operator >= (leftarg = said, rightarg = said, function = more); create operator <= (leftarg = said, rightarg = said, function = more)
alter table orders add column x boolean default (row(1, 'x')::said between row(1, 'x')::said and row(1, 'x')::said)

-- setup: create type said as (x int, y text); create function told(said) returns int language plpgsql as 'begin return 1; end'
alter table orders add column x int default (row(1, 'x')::said).told

-- setup: create type odd; create function odd_in(cstring) returns odd language internal strict as 'textin'; create function odd_out(odd) returns cstring language internal strict as 'textout'; create type odd (input = odd_in, output = odd_out, like = text)
alter table orders add column x odd default 'a'

-- setup: create type odd; create function odd_in(cstring) returns odd language internal strict as 'textin'; create function odd_out(odd) returns cstring language internal strict as 'textout'; create type odd (input = odd_in, output = odd_out, like = text)
alter table orders add column x odd default 'a'::text::odd

-- setup: create type odd; create function odd_in(cstring) returns odd language internal strict as 'textin'; create function odd_out(odd) returns cstring language internal strict as 'textout'; create type odd (input = odd_in, output = odd_out, like = text)
alter table orders add column x text default 'a'::odd

-- setup: create type odd; create function odd_in(cstring) returns odd language internal strict as 'textin'; create function odd_out(odd) returns cstring language internal strict as 'textout'; create type odd (input = odd_in, output = odd_out, like = text); create function of_odd(text) returns odd language plpgsql immutable as $$begin return $1::odd; end$$
alter table orders add column x text default of_odd('a')

alter table orders add column x int default case 'a' when 'b' then 1 else 2 end

alter table orders add column x boolean default (3 between 1 and 5)

alter table orders add column x interval default interval '1 day'

alter table orders add column x bigint default 5::int

alter table orders add column x numeric(10) not null default 0

alter table orders add column x interval day not null default '1 day'

-- from: 18
alter table orders add column x uuid default uuidv7()

alter table orders add column x serial

alter table orders add column x bigserial

alter table orders add column x smallserial

alter table orders add column x serial not null

alter table orders add column x bigint generated always as identity

alter table orders add column x int generated by default as identity (start 100)

alter table orders add column x int generated always as (quantity * 2) stored

-- from: 18
alter table orders add column x int generated always as (quantity * 2) virtual

-- from: 18
alter table orders add column x int generated always as (quantity * 2)

-- from: 18
alter table orders add column x int not null generated always as (quantity * 2) virtual

-- from: 18
alter table orders add column x int generated always as (quantity * 2) virtual check (x > 0)

alter table orders add column x short

alter table orders add column x short default 'a'

alter table orders add column x positive

alter table orders add column x positive default 1

alter table orders add column x positive not null default 1

alter table orders add column x stamped

-- alarm: the default of a domain is not looked into
alter table orders add column x zero

alter table orders add column x pair

alter table orders add column x mood default 'fine'

alter table orders add column x int[] default '{}'

alter table orders add column x jsonb not null default '{}'

alter table orders add column x varchar(10) collate "C" default 'x'

alter table orders add column x int unique

alter table orders add column x int unique default 1
-- fails: 23505

alter table keyless add column x serial primary key

alter table keyless add column x bigint generated always as identity primary key

alter table keyless add column x uuid primary key default gen_random_uuid()

alter table orders add column x bigint references customers

alter table orders add column x bigint references customers (id) on delete cascade

alter table orders add column x bigint default null references customers

alter table orders add column x bigint default 7 references customers

alter table orders add column x bigint not null default 7 references customers

alter table orders add column x int check (x > 0)

alter table orders add column x int default 3 check (x > 0)

alter table orders add column x int constraint named check (x is null or x > 0)

alter table orders add column x bigint references orders

-- fails: 23502
-- harm: fails
alter table orders add column x int not null

alter table empty add column x int not null

alter table empty add column x uuid not null default gen_random_uuid()

alter table empty add column x serial

alter table orders add column if not exists extra text

alter table orders add column if not exists x text

-- fails: 42701
alter table orders add column extra text

alter table if exists nosuch add column x int

-- fails: 42P01
alter table nosuch add column x int

alter table orders add x int

alter table only orders add column x int

alter table "Odd Name" add column "another column" int

alter table public.orders add column x uuid default gen_random_uuid()

alter table app.orders add column x uuid default gen_random_uuid()

alter table base add column x int

alter table base add column x uuid default gen_random_uuid()

-- fails: 42P16
alter table only events add column x int

alter table events add column x int

alter table events add column x int not null default 4

alter table events add column x uuid default gen_random_uuid()

alter table logs add column x int check (x > 0)

alter table orders add column x int, add column y text, add column z timestamptz default now()

-- harm: loss
alter table orders drop column extra

-- harm: loss
alter table orders drop column if exists extra

alter table orders drop column if exists nosuch

-- fails: 42703
alter table orders drop column nosuch

-- harm: loss
-- more: views that go along
alter table orders drop column status cascade

-- harm: loss
-- setup: create table child(id int, c bigint references customers); insert into child select g, g from generate_series(1, 1000) g
alter table child drop column c

-- harm: loss
alter table events drop column body

-- harm: loss
alter table base drop column b

alter table orders alter column extra set default 'x'

alter table orders alter column extra set default gen_random_uuid()::text

alter table orders alter amount drop default

alter table numbered alter column s set default nextval('counter')

-- from: 18
-- setup: create table above(a int, t text); create table below() inherits (above); insert into below select g, 'x' from generate_series(1, 3000) g; alter table above add constraint filled not null a no inherit
alter table above alter constraint filled inherit

-- from: 18
-- setup: create table above(a int, t text); insert into above select g, 'x' from generate_series(1, 3000) g; alter table above add constraint filled not null a no inherit
alter table above alter constraint filled inherit

-- from: 18
-- setup: create table above(a int, t text); create table below() inherits (above); insert into below select g, 'x' from generate_series(1, 3000) g; alter table above add constraint filled not null a; 
alter table above alter constraint filled no inherit

alter table orders alter column quantity set not null

alter table orders alter column filled set not null

alter table orders alter column note set not null

alter table orders alter column status set not null

-- setup: create table proven(a int, b int, constraint both_there check (a is not null and b > 0)); insert into proven select g, g from generate_series(1, 1000) g
-- alarm: only a CHECK of exactly IS NOT NULL counts as proof
alter table proven alter column a set not null

-- setup: create table proven(a int, constraint there check (a > 0)); insert into proven select g from generate_series(1, 1000) g
alter table proven alter column a set not null

-- setup: create table proven(a int, constraint there check (a is not null) not valid); insert into proven select g from generate_series(1, 1000) g
alter table proven alter column a set not null

alter table events alter column body set not null

alter table logs alter column level set not null

alter table base alter column a set not null

alter table empty alter column a set not null

alter table orders alter column quantity set not null, drop constraint not_yet

-- setup: create table proven(a int, constraint there check (a is not null)); insert into proven select g from generate_series(1, 1000) g
-- harm: loss
alter table proven alter column a set not null, drop constraint there

alter table orders alter column note drop not null

alter table orders alter column extra drop not null

alter table orders alter column status set statistics 500

alter table orders alter column status set (n_distinct = 5)

alter table orders alter column status reset (n_distinct)

alter table orders alter column extra set storage external

alter table orders alter column extra set compression pglz

alter table numbered alter column a add generated always as identity

alter table numbered alter column id set generated always

-- harm: keys
alter table numbered alter column id restart with 100000

alter table numbered alter column id set increment by 10

alter table numbered alter column id drop identity

alter table numbered alter column s drop identity if exists

alter table generated alter column twice drop expression

-- from: 17
alter table generated alter column twice set expression as (a * 3)

-- from: 18
-- setup: create table virt(a int, twice int generated always as (a * 2) virtual); insert into virt select g from generate_series(1, 1000) g
-- alarm: whether the column is virtual is not in the facts
alter table virt alter column twice set expression as (a * 3)

-- setup: create table proven(a pair, constraint there check (a is not null)); insert into proven select row(g, g)::pair from generate_series(1, 1000) g
alter table proven alter column a set not null

-- setup: create domain paired as pair; create table unproven(a paired); insert into unproven select row(g, null)::pair from generate_series(1, 1000) g
alter table unproven alter column a set not null

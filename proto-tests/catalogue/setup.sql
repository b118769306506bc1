-- What every case finds: tables of some thousand rows, with one of everything that can hang on a table.
create type mood as enum ('sad', 'fine', 'glad');
create domain positive as int check (value > 0);
create domain short as varchar(20);
create domain millis as timestamp(3);
create domain stamped as timestamptz default clock_timestamp();
create domain zero as int default 0;
create type pair as (left_half int, right_half int);
create function volatile_one() returns int language plpgsql as 'begin return 1; end';
create function stable_one() returns int language plpgsql stable as 'begin return 1; end';
create function inlined_one() returns int language sql volatile as 'select 1';
create function touch() returns trigger language plpgsql as 'begin return new; end';
create procedure work() language plpgsql as 'begin null; end';
create schema app;
create function app.now() returns timestamptz language plpgsql volatile as 'begin return clock_timestamp(); end';

create table customers(id bigint primary key, name text not null, email varchar(50), region int not null default 1);
insert into customers select g, 'customer ' || g, g || '@example.org', 1 + g % 4 from generate_series(1, 2000) g;

create table orders(
  id bigint primary key, customer_id bigint not null references customers, status text, title varchar(20),
  amount numeric(10,2) default 0, quantity int, extra text, checked int check (checked > 0), filled text,
  placed timestamp, seen timestamptz, note text not null default '', unproven int,
  constraint filled_there check (filled is not null)
);
insert into orders select g, 1 + g % 2000, case g % 3 when 0 then 'new' else 'paid' end, 'title ' || g, g % 500, g, null,
  1 + g, 'x', now(), now(), '', g from generate_series(1, 3000) g;
create index orders_status on orders (status);
create index orders_lower_title on orders (lower(title));
create index orders_paid on orders (placed) where status = 'paid';
create unique index orders_quantity on orders (quantity);
create unique index orders_unproven on orders (unproven);
alter table orders add constraint not_yet check (quantity > 0) not valid;
alter table orders add constraint of_nobody foreign key (quantity) references customers not valid;
create trigger orders_touch before insert on orders for each row execute function touch();
create view paid as select id, amount from orders where status = 'paid';
create materialized view totals as select customer_id, sum(amount) as total from orders group by 1;
create unique index totals_customer on totals (customer_id);
create materialized view loose as select id, status from orders;
create rule paid_rule as on delete to paid do instead nothing;

-- One column of each type, each with a plain index or none, and nothing else.
create table typed(
  i int, i2 smallint, i8 bigint, num numeric(10,2), wide numeric, r real, d double precision, v20 varchar(20), v varchar,
  t text, c8 char(8), ts timestamp, ts3 timestamp(3), tz timestamptz, tz3 timestamptz(3), t3 time(3), iv3 interval(3),
  vb8 varbit(8), b8 bit(8), cd cidr, ip inet, js json, jb jsonb, nm name, bo bool, md mood, uid text, va varchar(10)[],
  ta text[], ia int[], po positive, sh short, pa pair, da date, by bytea, mo money, ob oid, ix int, vx varchar(20), tx text,
  tsx timestamp, tzx timestamptz, iv interval, ivd interval day, ivh interval hour, ivm interval month, ivx interval,
  tt2 timetz(2), n8 numeric(8), b1 bit, iva interval day[], ms millis
);
insert into typed(i, i2, i8, num, wide, r, d, v20, v, t, c8, ts, ts3, tz, tz3, t3, iv3, vb8, b8, cd, ip, js, jb, nm, bo, md,
    uid, va, ta, ia, po, sh, da, ob, ix, vx, tx, tsx, tzx, iv, ivd, ivh, ivm, ivx, tt2, n8, b1, iva, ms)
  select g, 1, g, g, g, g, g, g, g, g, g, now(), now(), now(), now(), now()::time, '1 s', '1', '10101010', '10.0.0.0/8',
    '10.0.0.1', '{}', '{}', 'n', true, 'fine', gen_random_uuid(), '{a}', '{a}', '{1}', g, 's', now(), g, g, g, g, now(), now(),
    '1 day 05:06:07', '1 day', '1 hour', '1 month', '1 day', '10:00', g, '1', '{1 day}', now()
  from generate_series(1, 2000) g;
create index typed_ix on typed (ix);
create index typed_vx on typed (vx);
create index typed_tx on typed (tx);
create index typed_tsx on typed (tsx);
create index typed_tzx on typed (tzx);
create index typed_ivx on typed (ivx);

create table keyless(a int not null, b int, c text);
insert into keyless select g, g, g from generate_series(1, 2000) g;
create unique index keyless_a on keyless (a);
create unique index keyless_b on keyless (b);
create unique index keyless_part on keyless (c) where a > 10;

create table empty(id bigint primary key, a int, t text);

create table events(id bigint, at int not null, region int, body text, primary key (id, at)) partition by range (at);
create table events_1 partition of events for values from (0) to (1000);
create table events_2 partition of events for values from (1000) to (2000);
create table events_rest partition of events default;
insert into events select g, g, 1, 'body' from generate_series(0, 2999) g;
create index events_region on events (region);

create table logs(at int not null, body text, level int) partition by range (at);
create table logs_1 partition of logs for values from (0) to (1000);
create table logs_2 partition of logs for values from (1000) to (2000);
insert into logs select g, 'body', g from generate_series(0, 1999) g;
create table logs_3(at int not null, body text, level int);
insert into logs_3 select g, 'body', g from generate_series(2000, 2999) g;
create table logs_4(at int not null, body text, level int, constraint bounds check (at >= 3000 and at < 4000));
insert into logs_4 select g, 'body', g from generate_series(3000, 3999) g;
create table events_3(like events including defaults including constraints);
insert into events_3 select g, g, 1, 'body' from generate_series(5000, 5999) g;

create table base(id int, a int, b text);
create table heir(c int) inherits (base);
insert into base select g, g, g from generate_series(1, 1000) g;
insert into heir select g, g, g, g from generate_series(1, 1000) g;

-- Widened in all its parts: the parent's own index, one of a partition only, none.
create table split(a int, v varchar(10), w varchar(10), x varchar(10), n int, k int) partition by range (a);
create table split_1 partition of split for values from (0) to (1000);
create table split_2 partition of split for values from (1000) to (2000);
insert into split select g, g, g, g, g, g from generate_series(0, 1999) g;
create index split_v on split (v);
create index split_1_w on split_1 (w);
create index split_2_n on split_2 (n);

create table generated(a int, twice int generated always as (a * 2) stored);
insert into generated select g from generate_series(1, 2000) g;
create table numbered(id bigint generated by default as identity primary key, s serial, a int not null);
insert into numbered(a) select g from generate_series(1, 2000) g;
create sequence counter;
create table scratch(id int primary key, body text);
insert into scratch select g, 'body' from generate_series(1, 2000) g;
create unlogged table unlogged(id int primary key, body text);
insert into unlogged select g, 'body' from generate_series(1, 2000) g;
create table "Odd Name"("a column" int, "select" text);
insert into "Odd Name" select g, g from generate_series(1, 2000) g;
create table app.orders(id int primary key, note text);
insert into app.orders select g, g from generate_series(1, 2000) g;
create publication feed for table customers;
create statistics orders_stats on status, title from orders;
create role reader;
analyze;

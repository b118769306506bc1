-- Partitions.

alter table logs attach partition logs_3 for values from (2000) to (3000)

-- alarm: what a CHECK proves of the bounds is not worked out
alter table logs attach partition logs_4 for values from (3000) to (4000)

-- fails: 23514
-- setup: create table stray(like events including all); insert into stray select g, g, 1, 'x' from generate_series(3000, 3999) g
alter table events attach partition stray for values from (5000) to (6000)

-- setup: create table stray(like events including all); insert into stray select g, g, 1, 'x' from generate_series(3000, 3999) g
alter table events attach partition stray for values from (3000) to (4000)

-- setup: create table stray(like events including all)
alter table events attach partition stray for values from (3000) to (4000)

-- setup: create table stray(like logs including all)
alter table logs attach partition stray for values from (3000) to (4000)

-- setup: create table stray(like logs including all); insert into stray select g, 'x', 1 from generate_series(3000, 3999) g
alter table logs attach partition stray default

-- setup: create table stray(like logs); insert into stray select g, 'x', 1 from generate_series(3000, 3999) g; alter table stray add constraint b check (at >= 3000 and at < 4000) not valid
alter table logs attach partition stray for values from (3000) to (4000)

-- harm: breaks
alter table logs detach partition logs_1

-- outside
-- fine: nobody reaches the partition by its parent any more
-- setup: create table pt(at int) partition by range (at); create table pt_1 partition of pt for values from (0) to (1000); insert into pt select g from generate_series(0, 999) g
alter table pt detach partition pt_1 concurrently

-- fails: 55000
-- outside
alter table events detach partition events_1 concurrently

-- harm: breaks
alter table events detach partition events_rest

create table logs_5 partition of logs for values from (5000) to (6000)

create table if not exists logs_5 partition of logs for values from (5000) to (6000)

create table if not exists public.events_2 partition of events for values from (1000) to (2000)

create table logs_rest partition of logs default

create table events_5 partition of events for values from (3000) to (4000)

create table logs_5 partition of logs(level default 3 check (level > 0)) for values from (5000) to (6000)

create table logs_5 partition of logs for values from (5000) to (6000) partition by range (at)

-- setup: create table pt(at int, c bigint references customers) partition by range (at)
create table pt_1 partition of pt for values from (0) to (1000)

-- harm: loss
drop table events_1

-- harm: loss
truncate logs_1

alter table logs alter column level set default 4

alter table logs_1 alter column level set default 4

alter table logs_1 set (fillfactor = 70)

-- fails: any
alter table logs set (fillfactor = 70)

alter table logs_1 alter column level set not null

alter table logs_1 add constraint c check (level >= 0)

alter table logs_1 add unique (level)

alter table logs add column c bigint references customers

-- harm: breaks
alter table logs rename to log

-- harm: breaks
alter table logs_1 rename to log_1

-- harm: rights
alter table logs owner to alice

-- from: 17
alter table logs set access method heap

alter table logs set tablespace pg_default

-- outside
vacuum full logs_1

analyze logs

-- setup: create table pt(at int, kind int) partition by list (kind); create table pt_1 partition of pt for values in (1) partition by range (at); create table pt_1_1 partition of pt_1 for values from (0) to (10000); insert into pt select g, 1 from generate_series(1, 1000) g
create index on pt (at)

-- setup: create table pt(at int, kind int) partition by list (kind); create table pt_1 partition of pt for values in (1) partition by range (at); create table pt_1_1 partition of pt_1 for values from (0) to (10000); insert into pt select g, 1 from generate_series(1, 1000) g
alter table pt add column x int

-- setup: create table pt(at int, kind int) partition by list (kind); create table pt_1 partition of pt for values in (1) partition by range (at); create table pt_1_1 partition of pt_1 for values from (0) to (10000); insert into pt select g, 1 from generate_series(1, 1000) g
alter table pt_1 add constraint c check (at > 0)

-- setup: create table pt(at int, kind int) partition by hash (at); create table pt_0 partition of pt for values with (modulus 2, remainder 0); create table pt_1 partition of pt for values with (modulus 2, remainder 1); insert into pt select g, 1 from generate_series(1, 1000) g
alter table pt alter column kind type bigint

-- ALTER TABLE, constraints.

alter table orders add constraint sane check (quantity > 0)

alter table orders add check (quantity > 0 and id > 0)

alter table orders add constraint sane check (quantity > 0) not valid

-- from: 18
alter table orders add constraint sane check (quantity > 0) not enforced

alter table orders add constraint sane check (quantity > 0) no inherit

alter table only orders add constraint sane check (quantity > 0) no inherit

alter table base add constraint sane check (a > 0)

alter table events add constraint sane check (id >= 0)

alter table logs add constraint sane check (level >= 0) not valid

-- setup: create table waiting(a int); insert into waiting select g from generate_series(1, 1000) g; alter table waiting add constraint later check (a > 0) not valid
alter table waiting validate constraint later

-- setup: create table waiting(a int); insert into waiting select g from generate_series(1, 1000) g; alter table waiting add constraint later check (a > 0) not valid, add constraint later_too check (a > -1) not valid
alter table waiting validate constraint later, validate constraint later_too

-- setup: create table waiting(a int, b int); insert into waiting select g from generate_series(1, 1000) g; alter table waiting add constraint later check (a > 0) not valid
-- harm: loss
alter table waiting validate constraint later, drop column b

-- setup: create table waiting(a int, b int); insert into waiting select g from generate_series(1, 1000) g; alter table waiting add constraint later check (a > 0) not valid
alter table waiting validate constraint later, add column c int

-- setup: create table waiting(a int, b int); insert into waiting select g from generate_series(1, 1000) g; alter table waiting add constraint later check (a > 0) not valid
alter table waiting validate constraint later, alter column a set statistics 10

-- setup: create table waiting(a int, b int); insert into waiting select g from generate_series(1, 1000) g; alter table waiting add constraint later check (a is not null) not valid
alter table waiting validate constraint later, alter column a set not null

alter table orders validate constraint not_yet

alter table orders validate constraint of_nobody
-- fails: 23503

-- setup: create table child(c bigint); insert into child select 1 from generate_series(1, 1000); alter table child add constraint later foreign key (c) references customers not valid
alter table child validate constraint later

alter table orders validate constraint filled_there

-- fails: 42704
alter table orders validate constraint nosuch

alter table orders add constraint to_customer foreign key (customer_id) references customers (id)

alter table orders add foreign key (customer_id) references customers on delete cascade on update restrict

alter table orders add constraint to_customer foreign key (customer_id) references customers (id) not valid

alter table orders add constraint to_customer foreign key (customer_id) references customers deferrable initially deferred

-- from: 18
alter table orders add constraint to_customer foreign key (customer_id) references customers (id) not enforced

alter table orders add constraint of_itself foreign key (quantity) references orders (id)

alter table empty add constraint to_customer foreign key (a) references customers (id)

alter table orders add constraint to_empty foreign key (unproven) references empty (id) not valid

alter table events add constraint to_customer foreign key (region) references customers (id)

-- from: 18
alter table events add constraint to_customer foreign key (region) references customers (id) not valid

-- fails: 42809
-- until: 17
alter table events add constraint to_customer foreign key (region) references customers (id) not valid

alter table keyless add constraint to_event foreign key (a, b) references events (id, at)

alter table orders alter constraint orders_customer_id_fkey deferrable initially deferred

alter table orders alter constraint orders_customer_id_fkey not deferrable

-- from: 18
-- setup: create table child(c bigint); insert into child select 1 from generate_series(1, 1000); alter table child add constraint slack foreign key (c) references customers not enforced
alter table child alter constraint slack enforced

-- from: 18
-- harm: loss
alter table orders alter constraint orders_customer_id_fkey not enforced

alter table orders add constraint one_title unique (customer_id, id)

alter table orders add unique (id, status)

alter table orders add constraint one_title unique (id) include (status) with (fillfactor = 70) deferrable

-- from: 15
alter table keyless add constraint one_c unique nulls not distinct (c)

alter table keyless add primary key (a)

alter table keyless add primary key (b)

alter table keyless add constraint k primary key (a, b)

alter table empty add unique (a)

alter table keyless add constraint k unique using index keyless_a

alter table keyless add constraint keyless_b unique using index keyless_b

alter table keyless add constraint k unique using index keyless_b deferrable initially deferred

alter table keyless add constraint k primary key using index keyless_a

alter table keyless add constraint k primary key using index keyless_b

-- fails: 42809
alter table keyless add constraint k unique using index keyless_part

-- fails: 42P16
alter table orders add primary key (quantity)

alter table customers drop constraint customers_pkey cascade, add primary key (id)
-- harm: loss

-- setup: create table swap(id int primary key, big bigint); insert into swap select g, g from generate_series(1, 1000) g
-- harm: loss
alter table swap drop constraint swap_pkey, add primary key (big)

-- setup: create table swap(id int primary key, big bigint not null); insert into swap select g, g from generate_series(1, 1000) g; create unique index swap_big on swap (big)
-- harm: loss
alter table swap drop constraint swap_pkey, add constraint swap_pkey primary key using index swap_big

alter table logs add constraint one unique (at, level)

alter table logs add primary key (at)

-- setup: create table attached(at int not null) partition by range (at); create table attached_1 partition of attached for values from (0) to (10000); insert into attached select g from generate_series(1, 1000) g
alter table only attached add constraint one unique (at)

alter table customers add constraint apart exclude using btree (id with =)

alter table customers add exclude using gist (int4range(region, region + 1) with &&)
-- fails: 23P01

-- from: 18
alter table orders add constraint there not null unproven

-- from: 18
alter table orders add constraint there not null unproven not valid

-- from: 18
-- setup: create table waiting(a int); insert into waiting select g from generate_series(1, 1000) g; alter table waiting add constraint later not null a not valid
alter table waiting validate constraint later

-- from: 18
-- setup: create table waiting(a int); insert into waiting select g from generate_series(1, 1000) g; alter table waiting add constraint later not null a not valid
alter table waiting alter column a set not null

-- from: 18
-- setup: create table spans(id int4range, during int4range not null); insert into spans select int4range(g, g + 1), int4range(g, g + 1) from generate_series(1, 300) g
alter table spans add primary key (id, during without overlaps)

-- from: 18
-- setup: create table spans(id int4range, during int4range not null); insert into spans select int4range(g, g + 1), int4range(g, g + 1) from generate_series(1, 300) g
alter table spans add constraint apart unique (id, during without overlaps)

-- from: 18
-- setup: create table spans(id int4range, during int4range, primary key (id, during without overlaps)); insert into spans select int4range(g, g + 1), int4range(g, g + 1) from generate_series(1, 300) g; create table part_of(span int4range, during int4range); insert into part_of select * from spans
alter table part_of add constraint within foreign key (span, period during) references spans (id, period during)

-- from: 18
-- setup: create table spans(id int4range, during int4range, primary key (id, during without overlaps)); insert into spans select int4range(g, g + 1), int4range(g, g + 1) from generate_series(1, 300) g; create table part_of(span int4range, during int4range); insert into part_of select * from spans
alter table part_of add constraint within foreign key (span, period during) references spans (id, period during) not enforced

-- from: 18
-- setup: create table spans(id int4range, during int4range, constraint apart primary key (id, during without overlaps)); insert into spans select int4range(g, g + 1), int4range(g, g + 1) from generate_series(1, 300) g
-- harm: loss
alter table spans drop constraint apart

-- from: 18
-- setup: create table spans(id int4range, during int4range not null); insert into spans select int4range(g, g + 1), int4range(g, g + 1) from generate_series(1, 300) g
alter table spans add not null id

-- from: 18
-- fails: 42809
alter table orders alter constraint not_yet not enforced

-- from: 18
-- setup: create table span(id int, during int4range not null); insert into span select g, int4range(g, g + 1) from generate_series(1, 300) g
alter table span add exclude using gist (during with &&)

-- harm: loss
alter table orders drop constraint not_yet

-- harm: loss
alter table orders drop constraint orders_customer_id_fkey

-- harm: loss
alter table orders drop constraint if exists orders_customer_id_fkey

alter table orders drop constraint if exists nosuch

-- harm: loss
alter table customers drop constraint customers_pkey cascade

alter table orders rename constraint not_yet to sane

alter table orders rename constraint orders_pkey to k

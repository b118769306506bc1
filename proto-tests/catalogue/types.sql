-- ALTER COLUMN TYPE: rows kept, indexes rebuilt, CHECKs verified, or all written anew.

alter table typed alter v20 type varchar(50)

alter table typed alter v20 type varchar(20)

alter table typed alter v20 type varchar

alter table typed alter v20 type text

alter table typed alter v type text

alter table typed alter t type varchar

alter table typed alter vx type varchar(40)

alter table typed alter vx type text

alter table typed alter tx type varchar

alter table typed alter num type numeric(12,2)

alter table typed alter num type numeric

alter table typed alter num type numeric(10,2)

alter table typed alter ts3 type timestamp(6)

alter table typed alter ts3 type timestamp

alter table typed alter tz3 type timestamptz

alter table typed alter t3 type time

alter table typed alter iv3 type interval

alter table typed alter vb8 type varbit(16)

alter table typed alter vb8 type varbit

alter table typed alter cd type inet

alter table typed alter sh type varchar(20)

alter table typed alter sh type varchar(30)

alter table typed alter sh type text

alter table typed alter po type int

alter table typed alter v20 type short

alter table typed alter i type int

alter table typed alter i type int using i

alter table typed alter i type int using i::int

alter table typed alter v20 type text using v20::text

alter table typed alter v20 type text using (v20)

alter table typed alter ts type timestamptz

alter table typed alter tz type timestamp

alter table typed alter tsx type timestamptz

alter table typed alter tzx type timestamp

-- session: set timezone = 'Europe/London'
alter table typed alter ts type timestamptz

-- session: set timezone = 'Europe/London'
alter table typed alter tz type timestamp

-- session: set timezone = 'America/New_York'
alter table typed alter tsx type timestamptz

alter table typed alter ts type timestamptz using ts at time zone 'UTC'

alter table typed alter i type oid

alter table typed alter ix type oid

alter table typed alter ob type int

alter table typed alter t type text collate "C"

alter table typed alter tx type text collate "C"

alter table typed alter i type bigint

alter table typed alter ix type bigint

alter table typed alter i8 type int

alter table typed alter i2 type int

alter table typed alter i type smallint

alter table typed alter i type numeric

alter table typed alter i type text using i::text

alter table typed alter r type double precision

alter table typed alter d type real

alter table typed alter num type numeric(9,2)

alter table typed alter num type numeric(12,3)

alter table typed alter wide type numeric(20,2)

alter table typed alter v20 type varchar(10)

alter table typed alter v type varchar(20)

alter table typed alter t type varchar(20)

alter table typed alter c8 type char(10)

alter table typed alter c8 type varchar(8)

alter table typed alter c8 type text

alter table typed alter v20 type char(20)

alter table typed alter ts type timestamp(3)

alter table typed alter tz type timestamptz(0)

alter table typed alter t3 type time(1)

alter table typed alter iv3 type interval(1)

alter table typed alter b8 type bit(16) using b8::bit(16)

alter table typed alter b8 type varbit

alter table typed alter vb8 type varbit(4)

alter table typed alter ip type cidr using network(ip)

alter table typed alter js type jsonb

alter table typed alter jb type json

alter table typed alter nm type text

alter table typed alter bo type int using bo::int

alter table typed alter md type text

alter table typed alter uid type uuid using uid::uuid

alter table typed alter ts type date

alter table typed alter da type timestamp

alter table typed alter va type varchar(20)[]

alter table typed alter va type text[]

alter table typed alter ia type bigint[]

alter table typed alter ta type varchar[]

alter table typed alter i type positive

alter table typed alter i type zero

alter table typed alter po type bigint

alter table typed alter by type text using encode(by, 'hex')

alter table typed alter mo type numeric using mo::numeric

alter table typed alter iv type interval day

alter table typed alter iv type interval year to month

alter table typed alter iv type interval hour

alter table typed alter iv type interval second(3)

alter table typed alter iv type interval second

alter table typed alter iv type interval day to second(6)

alter table typed alter ivx type interval day to second

alter table typed alter ivx type interval minute

alter table typed alter iv3 type interval day

alter table typed alter iv3 type interval second(3)

alter table typed alter iv3 type interval day to second(2)

alter table typed alter ivd type interval

alter table typed alter ivd type interval(0)

alter table typed alter ivd type interval hour

alter table typed alter ivd type interval month

alter table typed alter ivh type interval day to hour

alter table typed alter ivh type interval day

alter table typed alter ivm type interval day

alter table typed alter ivm type interval year

alter table typed alter iva type interval[]

alter table typed alter iva type interval hour[]

alter table typed alter iv type interval day using iv::interval day

alter table typed alter tz3 type timestamp(3)

alter table typed alter tz3 type timestamp(6)

alter table typed alter tz3 type timestamp

alter table typed alter ts3 type timestamptz(3)

alter table typed alter ts3 type timestamptz(4)

alter table typed alter ts3 type timestamptz(6)

alter table typed alter tz type millis

alter table typed alter ms type timestamptz

alter table typed alter ms type timestamp(3)

alter table typed alter ms type timestamp(6)

alter table typed alter ts type timestamp(6)

alter table typed alter t3 type timetz(3)

alter table typed alter tt2 type time

alter table typed alter tt2 type timetz(4)

alter table typed alter tt2 type timetz(1)

alter table typed alter n8 type numeric(10)

alter table typed alter n8 type numeric(7)

alter table typed alter n8 type numeric(10,1)

alter table typed alter b1 type bit(1)

alter table typed alter b8 type bit using b8::bit

alter table typed alter c8 type char(8)

alter table typed alter c8 type bpchar

alter table typed alter v20 type bpchar

alter table typed alter vx type bpchar

alter table typed alter va type varchar[]

alter table split alter v type varchar(30)

alter table split alter v type text

alter table split alter v type varchar(10)

alter table split alter w type varchar(30)

alter table split alter w type varchar(10) collate "C"

alter table split alter x type text

alter table split alter x type text collate "C"

alter table split alter n type oid

alter table split alter k type oid

-- setup: create table deep(a int, b int, v varchar(10)) partition by range (a); create table deep_1 partition of deep for values from (0) to (1000) partition by range (b); create table deep_11 partition of deep_1 for values from (0) to (1000); insert into deep select g, g, g from generate_series(0, 999) g; create index deep_1_v on deep_1 (v)
alter table deep alter v type varchar(20)

-- setup: create table deep(a int, v varchar(10), primary key (a, v)) partition by range (a); create table deep_1 partition of deep for values from (0) to (1000); insert into deep select g, g from generate_series(0, 999) g
alter table deep alter v type varchar(20)

-- setup: create table deep(a int, v varchar(10)) partition by range (a); create table deep_1 partition of deep for values from (0) to (1000); insert into deep select g, g from generate_series(0, 999) g; alter table deep_1 add unique (v)
alter table deep alter v type varchar(20)

-- setup: create table deep(a int, v varchar(10)) partition by range (a); create table deep_1 partition of deep for values from (0) to (1000); insert into deep select g, g from generate_series(0, 999) g; alter table deep_1 add exclude using btree (v with =)
alter table deep alter v type varchar(20)

-- setup: create table keys(v varchar(10) primary key); insert into keys select g from generate_series(0, 999) g; create table deep(a int, v varchar(10) references keys) partition by range (a); create table deep_1 partition of deep for values from (0) to (1000); insert into deep select g, g from generate_series(0, 999) g
alter table deep alter v type varchar(20)

-- setup: create table keys(v varchar(10) primary key); insert into keys select g from generate_series(0, 999) g; create table deep(a int, v varchar(10)) partition by range (a); create table deep_1 partition of deep for values from (0) to (1000); insert into deep select g, g from generate_series(0, 999) g; alter table deep_1 add foreign key (v) references keys
-- more: references of a partition alone are not named
alter table deep alter v type text

-- setup: create table keys(v timestamp primary key); insert into keys select now() + g * interval '1 s' from generate_series(0, 999) g; create table above(v timestamp); create table below(w int, foreign key (v) references keys) inherits (above); insert into below select v, 1 from keys
-- more: references of a child alone are not named
alter table above alter v type timestamptz

-- setup: create table above(v int); create table below(w int) inherits (above); insert into below select g, g from generate_series(0, 999) g; create index on below (v)
alter table above alter v type oid

-- setup: create table above(v varchar(10)); create table below(w int) inherits (above); insert into below select g, g from generate_series(0, 999) g; create index on below (v)
alter table above alter v type varchar(20)

-- setup: create domain over_int as int; create table listed(a over_int[], b positive[], c int[]); insert into listed select '{1}', '{1}', '{1}' from generate_series(1, 1000) g
alter table listed alter a type int[]

-- setup: create domain over_int as int; create table listed(a over_int[], b positive[], c int[]); insert into listed select '{1}', '{1}', '{1}' from generate_series(1, 1000) g
alter table listed alter b type int[]

-- setup: create domain over_int as int; create table listed(a over_int[], b positive[], c int[]); insert into listed select '{1}', '{1}', '{1}' from generate_series(1, 1000) g
alter table listed alter c type over_int[]

-- setup: create domain over_int as int; create table listed(a over_int[], b positive[], c int[]); insert into listed select '{1}', '{1}', '{1}' from generate_series(1, 1000) g
alter table listed alter b type bigint[]

-- setup: create domain over_int as int; create domain ints as int[]; create table listed(a over_int[], b ints, c int[]); insert into listed select '{1}', '{1}', '{1}' from generate_series(1, 1000) g
alter table listed alter b type int[]

-- setup: create table one(a int); create table two(b int) inherits (one); create table row_of(r two); insert into row_of select row(1, 2)::two from generate_series(1, 1000) g
alter table row_of alter r type one

-- setup: create table padded(c char(8), i text) partition by range (i); create table padded_1 partition of padded for values from ('a') to ('z'); insert into padded select g, 'b' from generate_series(1, 1000) g
alter table padded alter c type bpchar

alter table orders alter title type varchar(40)

alter table orders alter extra type varchar

alter table orders alter checked type bigint

alter table orders alter filled type varchar

alter table orders alter status type varchar
-- fails: 0A000

alter table customers alter email type varchar(80)

alter table customers alter name type varchar(80)

alter table customers alter id type int

-- fails: 0A000
alter table orders alter amount type numeric(14,4)

-- setup: create table priced(v varchar(10) check (length(v) > 0)); insert into priced select g from generate_series(1, 1000) g
alter table priced alter v type varchar(20)

-- setup: create table priced(v varchar(10), w int); insert into priced select g, g from generate_series(1, 1000) g; create index on priced (w) where v > 'a'
alter table priced alter v type varchar(20)

-- setup: create table priced(v varchar(10), w int); insert into priced select g, g from generate_series(1, 1000) g; create index on priced (lower(v))
alter table priced alter v type text

-- setup: create table priced(v varchar(10), w int); insert into priced select g, g from generate_series(1, 1000) g; create index on priced (v varchar_pattern_ops)
alter table priced alter v type varchar(20)

-- setup: create table priced(v varchar(10), w int); insert into priced select g, g from generate_series(1, 1000) g; create index on priced (v varchar_pattern_ops)
alter table priced alter v type text

-- setup: create table priced(v varchar(10) unique, w int); insert into priced select g, g from generate_series(1, 1000) g
alter table priced alter v type varchar(20)

-- setup: create table priced(v varchar(10) primary key, w int); insert into priced select g, g from generate_series(1, 1000) g
alter table priced alter v type text

-- setup: create table priced(v int primary key); insert into priced select g from generate_series(1, 1000) g; create table of_priced(v int references priced); insert into of_priced select v from priced
alter table priced alter v type bigint

-- setup: create table priced(v int primary key); insert into priced select g from generate_series(1, 1000) g; create table of_priced(v int references priced); insert into of_priced select v from priced
alter table of_priced alter v type bigint

-- setup: create table priced(v varchar(10) primary key); insert into priced select g from generate_series(1, 1000) g; create table of_priced(v varchar(10) references priced); insert into of_priced select v from priced
alter table of_priced alter v type varchar(20)

-- setup: create table priced(r int4range, exclude using gist (r with &&)); insert into priced select int4range(g, g + 1) from generate_series(1, 500) g
-- alarm: held by its types alone
alter table priced alter r type int4range

-- setup: create table priced(v varchar(10), w int); insert into priced select g, g from generate_series(1, 1000) g; create statistics on v, w from priced
-- from: 16
alter table priced alter v type varchar(20)

-- setup: create table priced(v varchar(10) default 'x'); insert into priced select g from generate_series(1, 1000) g
alter table priced alter v type varchar(20)

-- setup: create table priced(v int, w int generated always as (v + 1) stored); insert into priced select g from generate_series(1, 1000) g
-- fails: any
alter table priced alter v type bigint

alter table events alter body type varchar

alter table events alter region type bigint

-- fails: 42P16
alter table events alter at type bigint

alter table base alter b type varchar

alter table base alter a type bigint

alter table empty alter a type bigint

alter table orders alter extra type varchar, alter title type varchar(30)

alter table orders alter extra type varchar, alter quantity type bigint

alter table if exists typed alter column if_missing type int
-- fails: 42703

alter foreign table if exists nosuch alter a type int

alter type pair alter attribute left_half type bigint
-- fails: 0A000

alter type pair add attribute third int

-- setup: create type row_of as (a int, b text); create table rows_of of row_of; insert into rows_of select g, g from generate_series(1, 1000) g
-- alarm: the tables of a type are not looked up
alter type row_of add attribute c int cascade

-- setup: create type row_of as (a int, b text); create table rows_of of row_of; insert into rows_of select g, g from generate_series(1, 1000) g
-- more: tables of the type
alter type row_of alter attribute a type bigint cascade

-- setup: create type row_of as (a int, b text); create table rows_of of row_of; insert into rows_of select g, g from generate_series(1, 1000) g
-- fails: 2BP01
alter type row_of alter attribute a type bigint

-- setup: create type row_of as (a int, b text); create table rows_of of row_of; insert into rows_of select g, g from generate_series(1, 1000) g
-- harm: loss
-- more: tables of the type
alter type row_of drop attribute b cascade

alter type pair rename attribute left_half to first_half cascade
-- harm: breaks

-- setup: create domain by_bytes as text collate "C"; create table coded(v text primary key); insert into coded select g from generate_series(1, 1000) g
alter table coded alter v type by_bytes

-- setup: create domain by_bytes as text collate "C"; create table coded(v by_bytes primary key); insert into coded select g from generate_series(1, 1000) g
alter table coded alter v type text

-- setup: create domain by_bytes as text collate "C"; create table coded(v text collate "C" primary key); insert into coded select g from generate_series(1, 1000) g
alter table coded alter v type by_bytes

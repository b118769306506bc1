-- Writes of all rows.

-- harm: mass
update scratch set body = 'x'

-- harm: mass
update scratch set body = 'x' where true

-- harm: mass
update scratch set body = 'x' where 1 = 1

-- harm: mass
update only scratch set body = 'x' where 'a' = 'a' or body = 'y'

update scratch set body = 'x' where id = 5

update scratch set body = 'x' where id between 1 and 3 and body > ''

-- harm: mass
delete from keyless

-- harm: mass
delete from keyless where not false

delete from keyless where a = 4

-- harm: mass
with gone as (delete from keyless returning *) select count(*) from gone

-- harm: mass
with changed as (update scratch set body = 'y' returning id) insert into scratch select id + 100000, 'x' from changed

with gone as (delete from keyless where a = 3 returning *) select count(*) from gone

-- harm: mass
explain analyze delete from keyless

-- harm: mass
explain (analyze true, costs off) update scratch set body = 'x'

explain delete from keyless

explain update scratch set body = 'x'

-- harm: mass
copy (delete from keyless returning *) to stdout

-- from: 15
merge into keyless k using typed t on k.a = t.i and k.a = 5 when matched then update set c = 'x'

-- fails: 26000
execute nosuch

insert into scratch select g, 'x' from generate_series(100000, 100100) g

insert into scratch values (1, 'x') on conflict (id) do update set body = 'y'

select pg_sleep(0)

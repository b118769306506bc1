#!/bin/sh
# psql as a person and as a script uses it. $PSQL is the program; the PG* variables say where.
set -eu
say() { printf '%s\n' "$*" >&2; exit 1; }
q() { "$PSQL" -X -q -t -A -v ON_ERROR_STOP=1 "$@"; }

[ "$(q -c 'select 6 * 7')" = 42 ] || say "a query"
q -c '\d orders' | grep -q customer_id || say '\d'
q -c '\dt' -c '\di' -c '\df' -c '\dn' -c '\conninfo' >/dev/null || say 'the other backslash commands'
printf '1\tone\n2\ttwo\n' | q -c '\copy note from stdin' || say '\copy in'
[ "$(q -c '\copy (select count(*) from note) to stdout')" = 2 ] || say '\copy out'
[ "$(q -c 'begin' -c 'insert into note values (3)' -c 'rollback' -c 'select count(*) from note')" = 2 ] || say "a transaction"
printf 'insert into note values (4);\ninsert into note values (5);\n' | q -1 -f - || say '-1 -f'
# \watch goes on until an error: here the fourth time, by a division by zero.
printf 'create temp sequence turn;\nselect 12 / (4 - nextval($$turn$$)) \\watch 0.05\n' | "$PSQL" -X -q -t -A >/tmp/watch.$$ 2>&1 || true
[ "$(grep -c -x -e 4 -e 6 -e 12 /tmp/watch.$$)" = 3 ] || say "\\watch: $(cat /tmp/watch.$$)"
grep -q 'division by zero' /tmp/watch.$$ || say "\\watch: $(cat /tmp/watch.$$)"
rm -f /tmp/watch.$$

# Ctrl-C cancels the statement, not the session: the next command of the same psql still runs.
printf 'select pg_sleep(60);\nselect 7 * 6;\n' | "$PSQL" -X -q -t -A >/tmp/cancel.$$ 2>&1 &
sleeper=$!
tries=0
until [ "$(q -c "select count(*) from pg_stat_activity where query like 'select pg_sleep(60)%' and state = 'active'")" = 1 ]; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || say "pg_sleep never ran"
done
kill -INT "$(pgrep -P $sleeper -x psql || echo $sleeper)"
wait $sleeper || true
grep -q 'canceling statement' /tmp/cancel.$$ || say "Ctrl-C: $(cat /tmp/cancel.$$)"
rm -f /tmp/cancel.$$

"$PSQL" -X -q -v ON_ERROR_STOP=1 -c 'create index on orders (customer_id)' >/dev/null 2>&1 || say "a rewritten change"
[ "$(q -c "select indisvalid from pg_index where indexrelid = 'orders_customer_id_idx'::regclass")" = t ] || say "its index"

if printf 'insert into note values (6);\ncreate index refused on orders (amount);\n' | q -v VERBOSITY=verbose -1 -f - 2>/tmp/refused.$$; then
    say "a change in a transaction was not refused"
fi
grep -q 'LK' /tmp/refused.$$ || say "no SQLSTATE of our class: $(cat /tmp/refused.$$)"
grep -q 'HINT' /tmp/refused.$$ || say "no hint: $(cat /tmp/refused.$$)"
rm -f /tmp/refused.$$
[ "$(q -c 'select count(*) from note where id = 6')" = 0 ] || say "the refused transaction was committed"

# \password prompts on the terminal, or reads here when there is none; what it sends is held and approved.
if command -v setsid >/dev/null; then
    printf 'hidden\nhidden\n' | setsid -w "$PSQL" -X -q -c '\password' >/dev/null 2>&1 || say '\password'
fi

q -c 'drop table doomed' 2>/dev/null || say "a held change, approved meanwhile"
[ "$(q -c "select to_regclass('doomed') is null")" = t ] || say "its effect"

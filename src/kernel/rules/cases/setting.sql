-- bad
SET session_replication_role = replica;
-- good
SET work_mem = '64MB';

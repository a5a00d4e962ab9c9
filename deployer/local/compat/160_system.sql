-- System information. Source: Redshift Database Developer Guide, r_System_information_functions.

-- Drivers read the first number (8.0.2); the last part says plainly that this is not Amazon's.
create or replace function redshift.version() returns text
language sql stable parallel safe
return 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), '
    || 'Redshift 1.0.0-zeroshift';

create or replace function redshift.current_user_id() returns integer
language sql stable parallel restricted
return (select usesysid::bigint::integer from pg_catalog.pg_user where usename = current_user);

-- The gateway says it before a statement that asks: -1 while no query has run (PG_LAST_QUERY_ID).
create or replace function redshift.pg_last_query_id() returns bigint
language sql stable parallel safe
return coalesce(nullif(current_setting('zeroshift.last_query_id', true), ''), '-1')::bigint;

-- There is no AWS account behind the local warehouse; the documented shape, all zeros.
create or replace function redshift.current_aws_account() returns text
language sql stable parallel safe
return '000000000000';

create or replace function redshift.current_namespace() returns text
language sql stable parallel safe
return '00000000-0000-0000-0000-000000000000';

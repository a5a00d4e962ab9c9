-- As require_readable, for when a statement is planned: the qualification of a policy is looked at row by row, so that a table
-- which happens to be empty would answer in every state. It is said to be immutable so that the planner asks it; what it
-- answers may be remembered with a plan, and require_readable stands beside it for each execution. A table that becomes
-- readable, or stops being so, is altered (State.guard), which ends the plans that were made of it.
create or replace function zeroshift.require_readable_to_plan(database_name text, schema_name text, name text) returns boolean
language plpgsql immutable security definer set search_path = pg_catalog as $$
begin
    return zeroshift.require_readable(database_name, schema_name, name);
end $$;
grant execute on function zeroshift.require_readable_to_plan(text, text, text) to public;

-- Purpose: The time now with fractions of a second. GETDATE has none, and SYSDATE is the start of the
--   transaction; TIMEOFDAY is the start of the statement to the microsecond, as text.
-- Grain: one instant
-- Reads: nothing
-- Writes: nothing
-- Params: clock_time: gives the time back, in the session's timezone as GETDATE does
-- Schedule: none, called by ops.log_step and ops.end_run
-- Owner: data engineering
create or replace procedure ops.read_clock(inout clock_time timestamp)
as $$
declare
    clock_text varchar(64) := timeofday();
begin
    -- "Thu Sep 19 22:53:50.333525 2013 UTC"
    clock_time := cast(to_timestamp(substring(clock_text, 5, 27), 'Mon DD HH24:MI:SS.US YYYY') as timestamp);
end;
$$ language plpgsql;
-- Usage: call ops.read_clock(clock_time);

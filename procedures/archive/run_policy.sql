-- Purpose: Unload one archive run to its own prefix in S3, as Parquet with a manifest, divided by its
--   period. The run has to be registered in archive.runs before, committed and at state unloading, so
--   that one that dies here is known to the next; `zeroshift archive run` does that, calls this,
--   counts the columns in the same transaction, and verifies and finishes the run.
-- Grain: one archive run
-- Reads: archive.runs, and what unload_query reads, with the caller's rights
-- Writes: archive.runs, files in S3
-- Params: this_run; unload_query: the rows, which have the column archive_period; partition_columns:
--   what the files are divided by, commas between; role_name: the ARN of the role that writes to S3,
--   or default
-- Schedule: none, called by `zeroshift archive run`
-- Owner: data engineering
create or replace procedure archive.run_policy(
    this_run varchar(64),
    unload_query varchar(65535),
    partition_columns varchar(4096),
    role_name varchar(2048)
)
as $$
declare
    run_state varchar(16);
    run_location varchar(1024);
    run_key varchar(128);
    run_role varchar(2048) := 'default';
    partition_list varchar(4096) := '';
    column_number integer := 1;
    command varchar(65535);
    changed_count bigint;
begin
    select max(state), max(location), max(kms_key)
    into run_state, run_location, run_key
    from archive.runs
    where archive_run = this_run;
    if run_state is null or run_state <> 'unloading' then
        raise exception 'archive run % is not to be unloaded: its state is %', this_run, run_state;
    end if;
    if role_name <> 'default' then
        run_role := quote_literal(role_name);
    end if;
    while split_part(partition_columns, ',', column_number) <> '' loop
        if column_number > 1 then
            partition_list := partition_list || ', ';
        end if;
        partition_list := partition_list || quote_ident(split_part(partition_columns, ',', column_number));
        column_number := column_number + 1;
    end loop;
    command := 'unload (' || quote_literal(unload_query) || ') to ' || quote_literal(run_location)
        || ' iam_role ' || run_role || ' format as parquet partition by (' || partition_list
        || ') include manifest verbose';
    if run_key <> '' then
        command := command || ' kms_key_id ' || quote_literal(run_key) || ' encrypted';
    end if;
    execute command;
    -- The next one may have given this run up meanwhile, and deleted its files.
    update archive.runs
    set state = 'unloaded', unloaded_at = getdate()
    where archive_run = this_run and state = 'unloading';
    get diagnostics changed_count := row_count;
    if changed_count <> 1 then
        raise exception 'archive run % was given up by another one; run the policy again', this_run;
    end if;
end;
$$ language plpgsql;
-- Usage: call archive.run_policy('20240102T030405-bookings', 'select ...', 'archive_period', 'default');

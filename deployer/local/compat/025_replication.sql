-- Replication from a real source: what deployer/local/replication knows between two of its transactions. The position
-- stands in the transaction that writes the rows up to it, so that each change lands exactly once.
create table if not exists zeroshift.replications (
    integration_id text primary key references zeroshift.integrations on delete cascade,
    -- The server that the position belongs to.
    source_stamp text not null,
    -- NULL when the position is lost (its log was purged): then every table needs a resync.
    log_file text,
    log_position bigint,
    gtid text not null default '',
    data_filter text not null,
    -- How far the landing tables were behind when the last batch landed, and when the source was last seen to have nothing
    -- more. Milliseconds, as SVV_INTEGRATION.current_lag.
    lag_ms bigint not null default 0,
    seen_at timestamptz not null default now()
);

-- What a replicator says is wrong, '' when nothing is. Also before the first copy, and before landing is its own.
create table if not exists zeroshift.replicators (
    integration_id text primary key,
    message text not null default ''
);

create table if not exists zeroshift.replicated_tables (
    integration_id text not null,
    schema_name text not null,
    table_name text not null,
    -- Columns and key as of the position; NULL for a table that was never copied.
    definition jsonb,
    -- The snapshot that the table was copied from: changes up to there are in it.
    copy_file text,
    copy_position bigint,
    copied_at timestamp,
    primary key (integration_id, schema_name, table_name),
    foreign key (integration_id, schema_name, table_name) references zeroshift.integration_tables on delete cascade
);

-- True, or an error with the state of a landing table that cannot be queried in it (DG "CREATE DATABASE", QUERY_ALL_STATES:
-- by default only Synced tables can be). The message's words are ours: the documentation shows none.
create or replace function zeroshift.require_readable(database_name text, schema_name text, name text) returns boolean
language plpgsql stable security definer set search_path = pg_catalog as $$
declare
    found record;
begin
    select t.table_state, t.reason, i.query_all_states into found
    from zeroshift.integration_tables t join zeroshift.integrations i using (integration_id)
    where i.target_database = database_name and t.schema_name = require_readable.schema_name and t.table_name = name;
    if found.table_state in ('Synced', 'DroppedSource') or found.query_all_states then
        return true;
    end if;
    raise exception using errcode = '55000', message = format(
        'table %s.%s.%s cannot be queried: its state is %s%s',
        database_name, schema_name, name, found.table_state, coalesce(' (' || nullif(found.reason, '') || ')', ''));
end $$;

-- The tables that ALTER DATABASE ... INTEGRATION REFRESH names. `chosen` is all, inerror, or table; `names` are schemas
-- ([] for all) or pairs schema, table.
create or replace function zeroshift.chosen_tables(integration text, chosen text, names text[])
returns setof zeroshift.integration_tables
language sql stable set search_path = pg_catalog as $$
    select t.* from zeroshift.integration_tables t
    where t.integration_id = integration
      and case chosen
            when 'all' then cardinality(names) = 0 or t.schema_name = any (names)
            when 'inerror' then t.table_state in ('Failed', 'ResyncRequired')
                 and (cardinality(names) = 0 or t.schema_name = any (names))
            else exists (select from generate_series(1, cardinality(names), 2) as n
                         where t.schema_name = names[n] and t.table_name = names[n + 1])
          end
$$;

-- Guards the tables that a REFRESH names, from the statement on: nobody may read, until the replicator comes to it, what is
-- to be copied anew. Then it locks their states. The landing table is locked before its row, and tables by name, as the
-- replicator does. What is locked nobody can read, so nothing is waited for long: whoever reads a table in a long
-- transaction, or copies one, may need another one meanwhile. A table that the replicator changes just now fails the
-- statement, since sessions are repeatable read.
create or replace function zeroshift.guard_tables(integration text, chosen text, names text[]) returns void
language plpgsql set search_path = pg_catalog set lock_timeout = '500ms' set deadlock_timeout = '100ms' as $$
declare
    one record;
begin
    loop
        begin
            for one in select i.target_database || '.' || t.schema_name as place, t.table_name
                       from zeroshift.chosen_tables(integration, chosen, names) t
                       join zeroshift.integrations i using (integration_id)
                       join pg_class c
                         on c.oid = to_regclass(format('%I.%I', i.target_database || '.' || t.schema_name, t.table_name))
                       where not i.query_all_states and not c.relrowsecurity
                       order by t.schema_name collate "C", t.table_name collate "C" loop
                execute format('alter table %I.%I enable row level security', one.place, one.table_name);
            end loop;
            perform from zeroshift.integration_tables t
            where t.integration_id = integration
              and (t.schema_name, t.table_name) in (select c.schema_name, c.table_name
                                                    from zeroshift.chosen_tables(integration, chosen, names) c)
            order by t.schema_name collate "C", t.table_name collate "C" for update;
            return;
        exception when lock_not_available or deadlock_detected then
            -- All locks are given back: others go first.
        end;
    end loop;
end $$;
revoke execute on function zeroshift.guard_tables(text, text, text[]) from public;

-- ALTER DATABASE ... INTEGRATION REFRESH (DG "ALTER DATABASE"): the tables' state becomes ResyncInitiated, which the
-- replicator acts on. Arguments as of chosen_tables.
create or replace function zeroshift.refresh_integration(database_name text, chosen text, names text[]) returns void
language plpgsql security definer set search_path = pg_catalog as $$
declare
    id text;
    replicated boolean;
    changed integer;
    one record;
begin
    perform zeroshift.require_superuser('ALTER DATABASE');
    select i.integration_id, r.integration_id is not null into id, replicated
    from zeroshift.integrations i
    left join zeroshift.replications r using (integration_id)
    where i.target_database = database_name and (i.from_aws or r.integration_id is not null);
    if id is null then
        raise exception using errcode = '55000', message = format(
            'database "%s" is not created from a zero-ETL integration that replicates', database_name);
    end if;
    if replicated then
        perform zeroshift.guard_tables(id, chosen, names);
    end if;
    update zeroshift.integration_tables t set table_state = 'ResyncInitiated'
    from zeroshift.chosen_tables(id, chosen, names) c
    where (t.integration_id, t.schema_name, t.table_name) = (c.integration_id, c.schema_name, c.table_name);
    get diagnostics changed = row_count;
    if chosen = 'table' and changed < cardinality(names) / 2 then
        raise exception using errcode = '42P01', message = format(
            'not part of the integration of database "%s": %s', database_name,
            (select string_agg(format('%s.%s', names[n], names[n + 1]), ', ' order by n)
             from generate_series(1, cardinality(names), 2) as n
             where not exists (select from zeroshift.integration_tables t where t.integration_id = id
                               and t.schema_name = names[n] and t.table_name = names[n + 1])));
    end if;
    -- Nobody replicates into the database of an integration of the local AWS: its rows are copied again at once.
    for one in select t.schema_name, t.table_name from zeroshift.integration_tables t
               where t.integration_id = id and t.table_state = 'ResyncInitiated' and not replicated loop
        perform zeroshift.copy_again(id, one.schema_name, one.table_name);
    end loop;
end $$;

create or replace function zeroshift.require_superuser(what text) returns void
language plpgsql stable set search_path = pg_catalog as $$
begin
    if not zeroshift.is_superuser() then
        raise exception using errcode = '42501', message = format('must be superuser to run %s', what);
    end if;
end $$;
grant execute on function zeroshift.refresh_integration(text, text, text[]) to public;
grant execute on function zeroshift.require_readable(text, text, text) to public;

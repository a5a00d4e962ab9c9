-- query_uuid of SYS_QUERY_HISTORY: "the global unique identifier of the query", says the Data API's model of
-- RedshiftQueryUuid. How Redshift makes it is not documented. Here it is made of the engine's own identity and the
-- query's number, so that it is the same whenever it is asked for, and another on every machine (version 8 of RFC 9562).
create or replace function zeroshift.query_uuid(query_id bigint) returns text
language sql stable strict security definer set search_path = pg_catalog, pg_temp as $$
    select overlay(overlay(md5(system_identifier || ':' || query_id) placing '8' from 13) placing '8' from 17)::uuid::text
    from pg_control_system()
$$;

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

-- CURRENT_SETTING and SET_CONFIG: what SET and SHOW do (deployer/local/gateway/settings.py), in an expression. A name with
-- a dot is a session context variable, NULL after RESET.
create or replace function redshift.kept_setting(setting_name text) returns text
language sql stable parallel restricted
return coalesce(nullif(pg_catalog.current_setting('zeroshift.' || setting_name, true), ''), (
    select value from (values
        ('query_group', 'unset'),
        ('wlm_query_slot_count', '1'),
        ('analyze_threshold_percent', '10'),
        ('enable_result_cache_for_session', 'on'),
        ('auto_analyze', 'on'),
        ('auto_mv', 'on'),
        ('mv_enable_aqmv_for_session', 'on'),
        ('max_cursor_result_set_size', 'default'),
        ('enable_vacuum_boost', 'off'),
        ('enable_spectrum_oid', 'on'),
        ('max_concurrency_scaling_clusters', '1'),
        ('pg_federation_repeatable_read', 'on'),
        ('datashare_break_glass_session_var', ''),
        ('spectrum_enable_pseudo_columns', 'on'),
        ('spectrum_query_maxerror', '-1'),
        ('use_fips_ssl', 'off'),
        ('require_ssl', 'off'),
        ('stored_proc_log_min_messages', 'log'),
        ('application_name', ''),
        ('enable_case_sensitive_identifier', 'on'),
        ('downcase_delimited_identifier', 'off'),
        ('describe_field_name_in_uppercase', 'off'),
        ('enable_numeric_rounding', 'off'),
        ('navigate_super_null_on_error', 'on'),
        ('cast_super_null_on_error', 'on'),
        ('parse_super_null_on_error', 'off'),
        ('json_serialization_enable', 'off'),
        ('json_serialization_parse_nested_strings', 'off'),
        ('default_geometry_encoding', '1'),
        ('interval_forbid_composite_literals', 'on'),
        ('isolation_level', 'snapshot'),
        ('enable_case_sensitive_super_attribute', 'off'),
        ('error_on_nondeterministic_update', 'off'),
        ('default_array_search_null_handling', 'on'),
        ('json_parse_dedup_attributes', 'off'),
        ('json_parse_truncate_strings', 'off')
    ) as parameter(name, value) where name = setting_name
));

create or replace function redshift.current_setting(setting_name text, error_if_undefined boolean default true)
returns text
language plpgsql stable parallel restricted as $$
declare
    wanted text := lower(setting_name);
    found text;
begin
    if wanted is null then
        return null;
    end if;
    if position('.' in wanted) > 0 then
        found := pg_catalog.current_setting('zeroshift_context.' || wanted, true);
        if found is null and error_if_undefined then
            raise exception using errcode = '42704', message = 'unrecognized configuration parameter "' || wanted || '"';
        end if;
        return nullif(found, '');
    end if;
    found := redshift.kept_setting(wanted);
    if found is null and wanted in ('search_path', 'statement_timeout', 'timezone', 'datestyle', 'extra_float_digits',
        'client_encoding', 'server_encoding', 'integer_datetimes', 'is_superuser', 'transaction_isolation')
    then
        found := pg_catalog.current_setting(wanted);
    elsif wanted = 'server_version' then
        found := '8.0.2';
    elsif wanted = 'standard_conforming_strings' then
        found := 'off';
    end if;
    if found is null then
        raise exception using errcode = '42704', message = 'unrecognized configuration parameter "' || wanted || '"';
    end if;
    return found;
end
$$;

create or replace function redshift.set_config(setting_name text, value text, is_local boolean) returns text
language plpgsql volatile parallel unsafe as $$
declare
    wanted text := lower(setting_name);
begin
    if wanted ~ '^[a-z_][a-z0-9_$]*\.[a-z_][a-z0-9_$]*$' then
        return pg_catalog.set_config('zeroshift_context.' || wanted, value, is_local);
    elsif wanted in ('statement_timeout', 'timezone', 'datestyle', 'extra_float_digits') then
        return pg_catalog.set_config(wanted, value, is_local);
    elsif wanted in (
        'query_group', 'wlm_query_slot_count', 'analyze_threshold_percent',
        'enable_result_cache_for_session', 'auto_analyze', 'auto_mv', 'mv_enable_aqmv_for_session',
        'max_cursor_result_set_size', 'enable_vacuum_boost', 'use_fips_ssl', 'require_ssl',
        'stored_proc_log_min_messages', 'application_name', 'enable_spectrum_oid', 'max_concurrency_scaling_clusters',
        'pg_federation_repeatable_read', 'datashare_break_glass_session_var'
    ) then
        return pg_catalog.set_config('zeroshift.' || wanted, value, is_local);
    elsif redshift.kept_setting(wanted) is not null or wanted in ('search_path', 'client_encoding', 'seed') then
        raise exception using errcode = '0A000',
            message = 'SET_CONFIG of ' || wanted || ' is not run by the local Redshift; use SET';
    end if;
    raise exception using errcode = '42704', message = 'unrecognized configuration parameter "' || wanted || '"';
end
$$;


-- A row each, as the text of a record, which is what a function in a select list of PostgreSQL 8 gives.
create or replace function redshift.pg_timezone_names() returns setof text
language sql stable
as 'select zone::text from pg_catalog.pg_timezone_names as zone';

create or replace function redshift.pg_timezone_abbrevs() returns setof text
language sql stable
as 'select zone::text from pg_catalog.pg_timezone_abbrevs as zone';

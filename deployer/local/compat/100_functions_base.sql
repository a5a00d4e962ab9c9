-- Redshift's functions where PostgreSQL has none, or one that answers differently.
--
-- Written with SQL bodies where that is possible: they are bound when created (no search_path can change what they
-- mean) and PostgreSQL inlines them. Sources are named per chapter; the whitelist in deployer/local/functions says
-- which call is rendered as which of these.

create schema if not exists redshift;
grant usage on schema redshift to public;

-- SUPER is kept as compact JSON text: json keeps the order of keys and the digits of numbers, jsonb would not.
do $$
begin
    if not exists (
        select from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
        where n.nspname = 'redshift' and t.typname = 'super'
    ) then
        create domain redshift.super as json;
    end if;
end
$$;

-- A mark on columns with COLLATE CASE_INSENSITIVE, no more: the translator writes how their values are compared.
create collation if not exists redshift.case_insensitive from "C";

-- Its message must have something of the row in it, be it of no length: PostgreSQL evaluates an immutable function of
-- constants when it plans, and would raise the error although no row asks for it.
create or replace function redshift.fail(message text, state text default '22023') returns boolean
language plpgsql immutable as $$
begin
    raise exception using message = message, errcode = state;
end
$$;
comment on function redshift.fail(text, text) is 'Raises an error from inside an expression; never returns.';

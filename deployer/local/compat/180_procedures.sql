-- SESSION_USER while a SECURITY DEFINER procedure runs: the user who logged in, although the owner's rights count then
-- (the gateway switches PostgreSQL's session user, which alone may change rights in the middle of a procedure).
create or replace function redshift.session_user() returns name
language sql stable parallel safe
return coalesce(nullif(current_setting('zeroshift.login_user', true), ''), session_user)::name;

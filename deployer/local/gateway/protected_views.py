"""After a change of security policies: the views bound to what they concern are made anew, in the same transaction.

A view of PostgreSQL's holds the policies of its relations in its own text (policies.guard), so that they apply to
whoever reads it, with the view owner's rights on the tables, as on Redshift.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployer.local.gateway.backend import ServerError
from deployer.local.gateway.catalog import LiveCatalog, _array
from deployer.local.gateway.errors import gateway_error
from deployer.local.translate.translator import translate
from deployer.sql.names import quote_ident
from deployer.sql.refused import Refused

if TYPE_CHECKING:
    from deployer.local.gateway.runner import Runner


def make_anew(runner: Runner) -> None:
    """Put the policies as they are now into every view that they concern.

    Raises ServerError when a view's text cannot be read any more, e.g. since a table in it was renamed: what it would
    show cannot be protected then, and the statement that changed the policies fails.
    """
    views = runner.internal_query("select * from zeroshift.bound_views()").rows
    for row in views:
        number, schema, name, columns, definition, path = ((value or b"").decode() for value in row)
        listed = ", ".join(quote_ident(column) for column in _array(columns))
        full = f"{quote_ident(schema)}.{quote_ident(name)}"
        text = f"create or replace view {full} ({listed}) as {definition}"
        schemas = _array(path) if path else runner.search_path()
        catalog = LiveCatalog(text, runner.database, schemas, runner.own_relations)
        try:
            made = translate(text, catalog)
            guarded = b"t" if made.guarded else b"f"
            view = next(one for one in made.statements if one.startswith("CREATE OR REPLACE VIEW"))
            runner.internal_query(
                "select zeroshift.rebind_view($1::oid, $2, $3::boolean)",
                [number.encode(), view.encode(), guarded],
            )
        except (Refused, ServerError) as error:
            why = error.message if isinstance(error, Refused) else error.fields.get("M", "")
            raise gateway_error(
                f"the view {schema}.{name} cannot be made anew with the security policies: {why}",
                "0A000",
                hint="Make the view anew, or drop it, and try again.",
            ) from error
    runner.internal_query("select zeroshift.drop_lookup_views()")

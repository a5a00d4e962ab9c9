"""Redshift's transaction rules for procedures, and the one cursor that a session may have open.

Source: Redshift Database Developer Guide, "Managing transactions", "Limits and differences for stored procedure
support".
"""

from __future__ import annotations

from collections.abc import Sequence

from deployer.local.procedures.errors import Running, error
from deployer.local.procedures.executor import Executor
from deployer.sql.plpgsql_check import ONE_CURSOR

ATOMIC_HINT = (
    "Try calling the procedure as a top-level call i.e. not from within an explicit transaction block. Or, if this "
    "procedure (or one of its ancestors in the call chain) was created with SET config options, recreate the procedure "
    "without them."
)


class Transactions:
    """The transaction of one CALL. `stack` are the running procedures, innermost last.

    `explicit`: START TRANSACTION has opened a block in a NONATOMIC procedure. `cursor` is the open one's name.
    """

    def __init__(self, executor: Executor, stack: Sequence[Running]) -> None:
        self._executor = executor
        self._stack = stack
        self.explicit = False
        self.cursor: str | None = None
        self._read = False

    # -- ending ones ------------------------------------------------------------------------------------------

    def check_may_end(self, verb: str) -> None:
        """Raise ServerError unless COMMIT, ROLLBACK or TRUNCATE (`verb`) may end the transaction now."""
        nonatomic = self._stack[-1].procedure.nonatomic
        configured = any(running.procedure.settings for running in self._stack)
        if not configured and (nonatomic or not self._executor.in_user_transaction):
            return
        # The guide (stored-procedure-transaction-management) shows the text for TRUNCATE. That COMMIT's is the same is
        # only told by programs of others that avoid it, and ROLLBACK goes by both here.
        raise error(
            "2D000",
            f"{verb} cannot be invoked from a procedure that is executing in an atomic context.",
            hint=ATOMIC_HINT,
        )

    def end(self, verb: str) -> None:
        """COMMIT or ROLLBACK, as a statement of the procedure."""
        self.check_may_end(verb.upper())
        if verb == "commit":
            self._executor.commit()
        else:
            self._executor.rollback()
        self.next()

    def start(self) -> None:
        """START TRANSACTION: nothing when a block is open already."""
        if not self._executor.in_user_transaction:
            self.fresh()
            self.explicit = True

    def next(self) -> None:
        """Open the next transaction; the rights and settings of the running procedures go on in it."""
        self.explicit = False
        self.cursor = None
        self._read = False
        self._executor.begin()
        if self._stack:
            self._executor.switch_user(self._stack[-1].user)
        for running in self._stack:
            for setting in running.procedure.settings:
                name, _, value = setting.partition("=")
                self._executor.configure(name, value)

    # -- NONATOMIC --------------------------------------------------------------------------------------------

    @property
    def _autocommits(self) -> bool:
        procedure = self._stack[-1].procedure
        return procedure.nonatomic and not self.explicit and not self._executor.in_user_transaction

    def used(self) -> None:
        """An expression has been evaluated: in a NONATOMIC procedure the next statement still gets a new snapshot."""
        self._read = True

    def fresh(self) -> None:
        """Called before a statement."""
        if self._read and self.cursor is None and self._autocommits:
            self._executor.commit()
            self.next()

    def autocommit(self) -> None:
        """Called after a statement: in a NONATOMIC procedure it commits, and closes an open cursor by that."""
        if self._autocommits:
            self._executor.commit()
            self.next()

    # -- cursors ----------------------------------------------------------------------------------------------

    def open_cursor(self, name: str) -> None:
        """Raise ServerError when one is open already."""
        if self.cursor is not None:
            raise error("0A000", ONE_CURSOR)
        self.cursor = name

    def check_cursor(self, name: str) -> None:
        """Raise ServerError unless `name` is open (COMMIT, ROLLBACK and TRUNCATE close it)."""
        if self.cursor != name:
            raise error("34000", f'cursor "{name}" does not exist')

"""The database users of IAM identities on the local Redshift, as GetCredentials makes them."""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path

from deployer.errors import Unavailable
from deployer.local.aws.environment import ACCESS_KEY, SECRET_KEY
from deployer.local.environment import LocalEnvironment, Status
from deployer.local.state import running_state
from deployer.sql.names import quote_ident, quote_literal

ROLES_TAG = "RedshiftDbRoles"


class Users:
    """Users and their temporary passwords. A password is given again while it is good for long enough, so that two
    callers at once do not take it from each other."""

    def __init__(self, home: Path, backend: str) -> None:
        self._local = LocalEnvironment(home)
        self._backend = backend
        self._given: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def endpoint(self) -> tuple[str, int]:
        """Host and port of the local Redshift, which is started when it does not run.

        Asked at every GetWorkgroup: one that runs is not measured for that.
        """
        status = running_state(self._local.home) or self._status()
        assert status.port is not None
        return status.host, status.port

    def admin_password(self) -> str:
        """The administrator's password."""
        return self._status().password

    def credentials(self, user: str, seconds: int) -> tuple[str, str, float]:
        """User, password and the instant (Unix time) until which the password is good."""
        with self._lock:
            password, until = self._given.get(user, ("", 0.0))
            fresh = until >= time.time() + seconds - 60
            if not fresh:
                until = time.time() + seconds
                # Redshift's rule: upper and lower case and a digit (developer guide, r_CREATE_USER).
                password = password or f"Aa1{secrets.token_urlsafe(24)}"
            self._put(user, password, only_new=fresh)
            self._given[user] = (password, until)
            return user, password, until

    def _put(self, user: str, password: str, *, only_new: bool) -> None:
        """Make the user, or give it the password. `only_new`: it has that already, unless somebody dropped it since,
        or all of the local Redshift (`zeroshift local reset`)."""
        status = self._status()
        if status.port is None:
            raise Unavailable("the local Redshift does not run")
        import redshift_connector

        with redshift_connector.connect(
            host=status.host, port=status.port, database=status.database,
            user=status.user, password=status.password, ssl=False,
        ) as admin:  # fmt: skip
            admin.autocommit = True
            cursor = admin.cursor()
            cursor.execute("select usename from pg_user")
            verb = "alter" if [user] in [list(row) for row in cursor.fetchall()] else "create"
            if only_new and verb == "alter":
                return
            cursor.execute(f"{verb} user {quote_ident(user)} password {quote_literal(password)}")
            # Roles that do not exist are passed over (redshift-iam-access-federated-db-roles).
            cursor.execute("select role_name from svv_roles")
            known = {str(row[0]) for row in cursor.fetchall()}
            for role in self._roles(user):
                if role in known:
                    cursor.execute(f"grant role {quote_ident(role)} to {quote_ident(user)}")

    def _roles(self, user: str) -> list[str]:
        """The database roles that the IAM role's tag RedshiftDbRoles names, between colons."""
        if not user.startswith("IAMR:"):
            return []
        import boto3
        from botocore.exceptions import ClientError

        iam = boto3.client(
            "iam",
            endpoint_url=self._backend,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )
        try:
            tags = iam.list_role_tags(RoleName=user.removeprefix("IAMR:"))["Tags"]
        except ClientError:
            return []
        return [name for tag in tags if tag["Key"] == ROLES_TAG for name in tag["Value"].split(":") if name]

    def _status(self) -> Status:
        return self._local.ensure_up()

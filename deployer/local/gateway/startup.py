"""Settings that a client asks for when it connects: as start-up parameters of their own, or in `options`.

Amazon's JDBC driver sends its TimeZone so, and Redshift says that it has taken it
(github.com/aws/amazon-redshift-jdbc-driver/issues/115); libpq sends PGTZ, PGDATESTYLE and PGOPTIONS. As in PostgreSQL
they are what RESET returns to, and go before those of ALTER USER. What is no setting, as the drivers' own versions, is
passed over. No page describes this.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from deployer.local.gateway.errors import gateway_error
from deployer.local.gateway.settings import KEPT, SHARED

_TAKEN = SHARED - {"client_encoding", "seed"}
"""The encoding is always UTF-8."""
_OPTION = re.compile(r"(?:-c\s*|--)([\w.-]+)=((?:\\.|\S)*)\s*", re.S)


def settings(parameters: Mapping[str, str]) -> dict[str, str]:
    """PostgreSQL's settings by their lower-case name. Raises ServerError for an option that is none of Redshift's."""
    found = {}
    text = parameters.get("options", "").strip()
    while text:
        option = _OPTION.match(text)
        if option is None:
            raise gateway_error(
                f"invalid command-line argument for server process: {text[:60]}", "42601", severity="FATAL"
            )
        name = option[1].lower().replace("-", "_")
        if name in _TAKEN:
            found[name] = re.sub(r"\\(.)", r"\1", option[2], flags=re.S)
        elif name in KEPT:
            found[f"zeroshift.{name}"] = re.sub(r"\\(.)", r"\1", option[2], flags=re.S)
        else:
            raise gateway_error(
                f'unrecognized configuration parameter "{name[:60]}"', "42704", severity="FATAL"
            )
        text = text[option.end() :]
    found |= {name.lower(): value for name, value in parameters.items() if name.lower() in _TAKEN}
    return found


def options(wanted: Mapping[str, str]) -> str:
    """The settings as options of a connection to PostgreSQL."""
    escaped = {name: re.sub(r"([\\\s])", r"\\\1", value) for name, value in wanted.items()}
    return "".join(f"-c {name}={value} " for name, value in escaped.items())

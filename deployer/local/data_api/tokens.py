"""NextToken: where the next page begins, and of which list."""

from __future__ import annotations

import base64
import json

from deployer.local.data_api.errors import Invalid


def pack(of: str, at: int) -> str:
    """The token for the page of the list `of` that begins at `at`."""
    return base64.urlsafe_b64encode(json.dumps([of, at]).encode()).decode()


def unpack(token: str | None, of: str) -> int | None:
    """Where the page begins; None without a token. Raises Invalid for one of another list."""
    if not token:
        return None
    try:
        owner, at = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError):
        raise Invalid("nextToken is not valid") from None
    if owner != of or not isinstance(at, int) or at < 0:
        raise Invalid("nextToken is not valid for this request")
    return at

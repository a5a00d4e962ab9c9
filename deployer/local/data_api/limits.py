"""The documented limits of the Data API.

Sources: Redshift Management Guide, data-api (its "Considerations"), amazon-redshift-limits, data-api-troubleshooting,
data-api-calling-cli-get-statement-result; facts/redshift.md 2.2 says where copies of the guide disagree.
"""

from __future__ import annotations

STATEMENT_BYTES = 100_000
"""Of one statement's text. Copies of the guide say 100 KB and 200 KB, and a rule of EventBridge takes 100,000
characters: the smallest is what works everywhere."""

ACTIVE_STATEMENTS = 500
"""SUBMITTED, PICKED and STARTED ones."""

SESSIONS = 500
SESSION_SECONDS = 24 * 3600
"""The longest life of a session; a statement that still runs in it is ended."""

STATEMENT_SECONDS = 24 * 3600
RETENTION_SECONDS = 24 * 3600
"""How long statements and their results are kept after their end."""
TOKEN_SECONDS = 8 * 3600
"""How long a ClientToken is remembered."""

RESULT_BYTES = 500 * 1024 * 1024
"""Of a result, compressed by gzip."""
ROW_BYTES = 64 * 1024

PAGE_BYTES = 1024 * 1024
"""A piece of a result: documented for CSV, and taken for JSON, whose page size is not documented."""
CSV_PIECES = 15
"""Pieces in one answer of GetStatementResultV2. Not in the guide; what clients of the service report."""

WAITING_REQUESTS = 10
"""Requests with WaitTimeSeconds for one statement. That there is a limit is documented, the number is not."""

REQUEST_BYTES = 32 * 1024 * 1024
"""Of an HTTP request's body: forty statements of the longest kind, escaped, fit in."""

PER_SECOND = {
    "ExecuteStatement": 30, "BatchExecuteStatement": 20, "DescribeStatement": 100, "GetStatementResult": 20,
    "GetStatementResultV2": 20,
}  # fmt: skip
PER_SECOND_OTHERS = 3
"""Requests a second, not adjustable; the guide names CancelStatement, the lists and DescribeTable with 3."""

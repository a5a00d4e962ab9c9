"""Word lists of Redshift's grammar.

Source: Redshift Database Developer Guide, "Reserved words" (r_pg_keywords).
"""

from __future__ import annotations

RESERVED = frozenset(
    """
    AES128 AES256 ALL ALLOWOVERWRITE ANALYSE ANALYZE AND ANY ARRAY AS ASC AUTHORIZATION AZ64 BACKUP BETWEEN BINARY
    BLANKSASNULL BOTH BYTEDICT BZIP2 CASE CAST CHECK COLLATE COLUMN CONNECT CONSTRAINT CREATE CREDENTIALS CROSS
    CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER CURRENT_USER_ID DEFAULT DEFERRABLE DEFLATE DEFRAG DELTA
    DELTA32K DESC DISABLE DISTINCT DO ELSE EMPTYASNULL ENABLE ENCODE ENCRYPT ENCRYPTION END EXCEPT EXPLICIT FALSE FOR
    FOREIGN FREEZE FROM FULL GLOBALDICT256 GLOBALDICT64K GRANT GROUP GZIP HAVING IDENTITY IGNORE ILIKE IN INITIALLY
    INNER INTERSECT INTERVAL INTO IS ISNULL JOIN LANGUAGE LEADING LEFT LIKE LIMIT LOCALTIME LOCALTIMESTAMP LUN LUNS
    LZO LZOP MINUS MOSTLY16 MOSTLY32 MOSTLY8 NATURAL NEW NOT NOTNULL NULL NULLS OFF OFFLINE OFFSET OID OLD ON ONLY
    OPEN OR ORDER OUTER OVERLAPS PARALLEL PARTITION PERCENT PERMISSIONS PIVOT PLACING PRIMARY RAW READRATIO RECOVER
    REFERENCES REJECTLOG RESORT RESPECT RESTORE RIGHT SELECT SESSION_USER SIMILAR SNAPSHOT SOME START SYSDATE SYSTEM
    TABLE TAG TDES TEXT255 TEXT32K THEN TIMESTAMP TO TOP TRAILING TRUE TRUNCATECOLUMNS UNION UNIQUE UNNEST UNPIVOT
    USER USING VERBOSE WALLET WHEN WHERE WITH WITHOUT
    """.split()
)
"""Words that stand for a name only as a delimited identifier.

OID is among them; beside catalog tables, where every client writes it bare, the parser lets it pass.
"""

NO_BARE_ALIAS = frozenset("qualify window set over within ignore respect tablesample fetch returning".split())
"""Words that are no alias without AS, because they begin a clause."""

BARE_FUNCTIONS = frozenset(
    """
    current_date current_time current_timestamp current_user current_user_id localtime localtimestamp session_user
    sysdate user
    """.split()
)
"""Reserved words that are function calls without parentheses."""

UNRESERVED_FUNCTIONS = frozenset(["current_aws_account", "current_namespace"])
"""Words that are the same and yet not on the list."""

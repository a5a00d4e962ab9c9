"""Functions that are refused by name, by the local Redshift and by lint.

`NOT_YET`: Redshift has them (the Developer Guide lists them), the local one does not; the value ends the
sentence "X is a Redshift function that the local Redshift does not run yet".
`POSTGRESQL_ONLY`: PostgreSQL has them, Redshift does not; the value is the Redshift way. Source:
https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-functions.html
"""

from __future__ import annotations

LEADER_NODE_ONLY = frozenset(
    """
    age current_time current_timestamp isfinite localtime localtimestamp now
    getbit get_byte set_bit set_byte to_ascii
    current_schema current_schemas has_database_privilege has_schema_privilege has_table_privilege
    """.split()
)
"""Functions that fail in a query over user tables (DG c_SQL_functions_leader_node_only, Date_functions_header)."""

_CLUSTER = "; it speaks about a real cluster"
_PROVIDER = "; it speaks about an identity provider"
_SKETCH = "; COUNT(DISTINCT ...) is exact"

NOT_YET: dict[str, str] = {
    "change_query_priority": _CLUSTER,
    "change_session_priority": _CLUSTER,
    "change_user_priority": _CLUSTER,
    "default_iam_role": _CLUSTER,
    "explain_model": "; there is no machine learning locally",
    "get_mounted_role": _CLUSTER,
    "has_assumerole_privilege": _CLUSTER,
    "hll": _SKETCH,
    "hll_cardinality": _SKETCH,
    "hll_combine": _SKETCH,
    "hll_combine_sketches": _SKETCH,
    "hll_create_sketch": _SKETCH,
    "json_table": "",
    "pg_get_grantee_by_iam_role": _CLUSTER,
    "pg_get_iam_role_by_user": _CLUSTER,
    "pg_get_session_roles": _PROVIDER,
    "reboot_cluster": _CLUSTER,
    "slice_num": _CLUSTER,
    "size": "; it measures Redshift's own storage of a SUPER",
    "varbyte": "; write x::VARBYTE",
}

_ARRAY = "it has no arrays; use SUPER with ARRAY(...), GET_ARRAY_LENGTH, SPLIT_TO_ARRAY"
_JSON = "it has no JSON type; use SUPER with JSON_PARSE, or JSON_EXTRACT_PATH_TEXT"
_REGRESSION = "write it out with SUM, AVG and COUNT"
_SEQUENCE = "it has no sequences; use an IDENTITY column"
_GEOMETRY = "it has no PostgreSQL geometric types"
_NETWORK = "it has no network address types; keep them as VARCHAR"
_RANGE = "it has no range types; keep the two bounds in two columns"
_SEARCH = "it has no text search; use LIKE, ILIKE or REGEXP_INSTR"
_XML = "it has no XML type"
_LOCK = "it has no advisory locks; use LOCK on a table"
_FILE = "files are read with COPY and written with UNLOAD"
_SIZE = "read SVV_TABLE_INFO for the size of a table"
_TXID = "read STV_RECENTS and SVV_TRANSACTIONS for transactions"
_SET = "it has no set returning functions; join a table of numbers, or use WITH RECURSIVE"
_ADMIN = "the server is managed by AWS"
_CLOCK = "use GETDATE() (start of the statement) or SYSDATE (start of the transaction)"
_LARGE = "it has no large objects"
_ENUM = "it has no enumerated types; keep a VARCHAR"
_CATALOG = "read SVV_TABLES, SVV_COLUMNS and PG_* tables"
_UUID = "it has no UUID type; keep a VARCHAR(36) that the source makes"

_GROUPS: tuple[tuple[str, str], ...] = (
    ("string_agg", "use LISTAGG(expression, 'delimiter') WITHIN GROUP (ORDER BY ...)"),
    ("array_agg xmlagg xml_agg", "use LISTAGG, or one row each"),
    ("every", "use BOOL_AND(condition)"),
    (
        "corr covar_pop covar_samp regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope "
        "regr_sxx regr_sxy regr_syy",
        _REGRESSION,
    ),
    ("mode", "count with GROUP BY and take the first by ROW_NUMBER()"),
    ("bit_xor range_agg range_intersect_agg", "there is no such aggregate"),
    ("json_agg jsonb_agg json_object_agg jsonb_object_agg json_arrayagg json_objectagg", _JSON),
    (
        "array_append array_cat array_dims array_fill array_length array_ndims "
        "array_prepend array_remove array_replace "
        "cardinality string_to_array string_to_table trim_array unnest array_shuffle array_sample",
        _ARRAY,
    ),
    ("generate_series generate_subscripts", _SET),
    ("clock_timestamp transaction_timestamp statement_timestamp", _CLOCK),
    ("justify_days justify_hours justify_interval", "use DATEADD and DATEDIFF"),
    (
        "make_date make_time make_timestamp make_timestamptz make_interval",
        "use TO_DATE, TO_TIMESTAMP, or DATEADD",
    ),
    ("date_bin", "use DATE_TRUNC"),
    ("pg_sleep pg_sleep_for pg_sleep_until", "a statement cannot wait; wait in the client"),
    ("div", "divide integers with /"),
    ("setseed", "use SET seed TO value"),
    ("width_bucket", "use FLOOR((x - low) / width) or CASE"),
    ("gcd lcm random_normal erf erfc min_scale scale trim_scale", "there is no such function"),
    (
        "sinh cosh tanh asinh acosh atanh sind cosd tand cotd asind acosd atand atan2d",
        "use EXP, or RADIANS with SIN",
    ),
    ("log10", "use LOG(x) or DLOG10(x), which have base 10"),
    ("bit_length", "use OCTET_LENGTH(x) * 8"),
    ("overlay", "use SUBSTRING and ||"),
    ("convert_from convert_to", "strings are always UTF-8; use FROM_VARBYTE and TO_VARBYTE"),
    ("encode", "use TO_HEX, or FROM_VARBYTE(x, 'hex')"),
    ("format", "use || and TO_CHAR"),
    ("concat_ws", "use || with NVL"),
    ("quote_nullable", "use NVL(QUOTE_LITERAL(x), 'NULL')"),
    ("regexp_matches regexp_match", "use REGEXP_SUBSTR or REGEXP_INSTR"),
    ("regexp_like", "use x ~ 'pattern' or REGEXP_INSTR(x, 'pattern') > 0"),
    ("regexp_split_to_array", "use SPLIT_TO_ARRAY or SPLIT_PART"),
    ("regexp_split_to_table", "use SPLIT_PART with a table of numbers"),
    ("starts_with", "use LEFT(x, n) = 'prefix' or LIKE 'prefix%'"),
    ("unistr normalize unicode_assigned casefold to_ascii parse_ident", "there is no such function"),
    ("sha224 sha256 sha384 sha512", "use SHA2(string, bits)"),
    (
        "json_build_object jsonb_build_object json_object jsonb_object row_to_json to_json to_jsonb",
        _JSON,
    ),
    (
        "json_build_array jsonb_build_array json_each jsonb_each json_each_text jsonb_each_text "
        "json_array_elements jsonb_array_elements json_array_elements_text "
        "jsonb_array_elements_text json_object_keys jsonb_object_keys json_extract_path "
        "jsonb_extract_path jsonb_extract_path_text jsonb_set jsonb_insert jsonb_pretty "
        "jsonb_typeof jsonb_array_length json_strip_nulls jsonb_strip_nulls jsonb_path_query "
        "jsonb_path_exists jsonb_path_match jsonb_path_query_array jsonb_path_query_first "
        "json_populate_record jsonb_populate_record json_to_record jsonb_to_record "
        "json_to_recordset jsonb_to_recordset json_query json_value json_exists json_scalar",
        _JSON,
    ),
    ("nextval currval setval lastval", _SEQUENCE),
    (
        "area center diameter height isclosed isopen length_line npoints pclose popen radius slope "
        "width box circle line lseg path point polygon bound_box diagonal",
        _GEOMETRY,
    ),
    (
        "abbrev broadcast family host hostmask inet_merge inet_same_family masklen netmask network "
        "set_masklen macaddr8_set7bit",
        _NETWORK,
    ),
    (
        "lower_inc upper_inc lower_inf upper_inf range_merge isempty multirange int4range int8range "
        "numrange tsrange tstzrange daterange",
        _RANGE,
    ),
    (
        "to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_rank "
        "ts_rank_cd ts_headline setweight strip numnode querytree tsvector_to_array "
        "array_to_tsvector get_current_ts_config ts_delete ts_filter ts_rewrite tsquery_phrase "
        "ts_debug ts_lexize ts_parse ts_stat ts_token_type",
        _SEARCH,
    ),
    (
        "xmlcomment xmlconcat xmlelement xmlforest xmlpi xmlroot xmlexists xml_is_well_formed xpath "
        "xpath_exists xmlparse xmlserialize xmltable xmltext table_to_xml query_to_xml "
        "cursor_to_xml",
        _XML,
    ),
    (
        "pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_all "
        "pg_advisory_unlock_shared pg_advisory_xact_lock pg_advisory_xact_lock_shared "
        "pg_try_advisory_lock pg_try_advisory_lock_shared pg_try_advisory_xact_lock "
        "pg_try_advisory_xact_lock_shared",
        _LOCK,
    ),
    (
        "pg_read_file pg_read_binary_file pg_ls_dir pg_stat_file pg_ls_logdir pg_ls_waldir pg_ls_tmpdir",
        _FILE,
    ),
    (
        "pg_relation_size pg_table_size pg_total_relation_size pg_indexes_size pg_database_size "
        "pg_tablespace_size pg_column_size pg_size_pretty pg_size_bytes",
        _SIZE,
    ),
    (
        "pg_relation_filenode pg_relation_filepath pg_filenode_relation pg_tablespace_location "
        "pg_tablespace_databases",
        _ADMIN,
    ),
    (
        "txid_current txid_current_if_assigned txid_current_snapshot txid_snapshot_xip "
        "txid_snapshot_xmax txid_snapshot_xmin txid_status txid_visible_in_snapshot "
        "pg_current_xact_id pg_current_xact_id_if_assigned pg_current_snapshot pg_snapshot_xip "
        "pg_snapshot_xmax pg_snapshot_xmin pg_visible_in_snapshot pg_xact_status "
        "pg_xact_commit_timestamp pg_last_committed_xact",
        _TXID,
    ),
    (
        "pg_start_backup pg_stop_backup pg_backup_start pg_backup_stop pg_create_restore_point "
        "pg_current_wal_lsn pg_current_wal_insert_lsn pg_current_wal_flush_lsn pg_switch_wal "
        "pg_walfile_name pg_walfile_name_offset pg_wal_lsn_diff pg_is_in_recovery "
        "pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp "
        "pg_wal_replay_pause pg_wal_replay_resume pg_is_wal_replay_paused pg_promote "
        "pg_export_snapshot pg_reload_conf pg_rotate_logfile pg_log_backend_memory_contexts "
        "pg_conf_load_time pg_is_other_temp_schema pg_jit_available pg_listening_channels "
        "pg_notification_queue_usage pg_my_temp_schema pg_postmaster_start_time "
        "pg_safe_snapshot_blocking_pids pg_blocking_pids pg_trigger_depth pg_notify pg_stat_reset "
        "pg_prewarm dblink dblink_exec",
        _ADMIN,
    ),
    ("current_catalog", "use CURRENT_DATABASE()"),
    ("current_query", "read STV_RECENTS or SYS_QUERY_HISTORY"),
    ("inet_client_addr inet_client_port inet_server_addr inet_server_port", "read STL_CONNECTION_LOG"),
    ("current_role", "use CURRENT_USER"),
    ("enum_first enum_last enum_range", _ENUM),
    (
        "lo_create lo_creat lo_export lo_from_bytea lo_get lo_import lo_put lo_unlink loread lowrite",
        _LARGE,
    ),
    (
        "suppress_redundant_updates_trigger tsvector_update_trigger tsvector_update_trigger_column",
        "it has no triggers",
    ),
    ("gen_random_uuid uuid_generate_v4 uuid_generate_v1 uuidv4 uuidv7 uuid_extract_timestamp", _UUID),
    (
        "pg_get_functiondef pg_get_ruledef pg_get_triggerdef pg_get_serial_sequence pg_get_keywords "
        "pg_get_object_address pg_describe_object pg_identify_object pg_typeof to_regclass "
        "to_regproc to_regprocedure to_regtype to_regrole to_regnamespace pg_collation_is_visible "
        "pg_conversion_is_visible pg_operator_is_visible pg_opclass_is_visible "
        "pg_ts_config_is_visible pg_tablespace_size_name pg_options_to_table "
        "pg_index_column_has_property pg_has_role has_sequence_privilege has_server_privilege "
        "has_tablespace_privilege has_type_privilege has_foreign_data_wrapper_privilege "
        "has_parameter_privilege row_security_active acldefault aclexplode makeaclitem",
        _CATALOG,
    ),
    ("gunzip bytea_import crypt digest hmac gen_salt", "use SHA2 or MD5"),
    ("if iff", "use CASE WHEN ... THEN ... ELSE ... END"),
    ("to_timestamp_ntz safe_cast", "use CAST or TRY_CAST"),
    ("instr locate", "use CHARINDEX(substring, string) or STRPOS(string, substring)"),
    ("group_concat", "use LISTAGG"),
    ("date_diff datetime_diff timestampdiff timestamp_diff", "use DATEDIFF(part, from, to)"),
    ("date_add datetime_add timestampadd date_sub", "use DATEADD(part, number, date)"),
    ("ifnull", "use NVL(x, y)"),
    ("curdate today", "use CURRENT_DATE or GETDATE()"),
)

CATALOG_QUERIES: dict[str, str] = {
    "array_lower": _ARRAY,
    "array_to_string": _ARRAY,
    "array_upper": _ARRAY,
    "col_description": "read PG_DESCRIPTION, with the column's number as objsubid",
    "format_encoding": "read the column encoding of PG_TABLE_DEF",
    "format_type": "read SVV_COLUMNS or PG_TABLE_DEF",
    "has_any_column_privilege": "use HAS_TABLE_PRIVILEGE, or read SVV_COLUMN_PRIVILEGES",
    "has_column_privilege": "read SVV_COLUMN_PRIVILEGES",
    "has_function_privilege": "read SVV_FUNCTION_PRIVILEGES",
    "has_language_privilege": "read SVV_LANGUAGE_PRIVILEGES",
    "isnull": "use NVL(x, y), or x IS NULL",
    "obj_description": "read PG_DESCRIPTION",
    "oidvectortypes": "use SHOW PROCEDURE",
    "pg_encoding_to_char": "every database of Redshift is UTF8",
    "pg_function_is_visible": "name the schema, or compare it with CURRENT_SCHEMAS(true)",
    "pg_get_constraintdef": "read PG_CONSTRAINT, or use SHOW TABLE",
    "pg_get_expr": "read column_default of SVV_COLUMNS",
    "pg_get_function_arguments": "use SHOW PROCEDURE",
    "pg_get_function_identity_arguments": "use SHOW PROCEDURE",
    "pg_get_function_result": "use SHOW PROCEDURE",
    "pg_get_indexdef": "it has no indexes",
    "pg_get_userbyid": "join PG_USER by usesysid",
    "pg_get_viewdef": "use SHOW VIEW, or read PG_VIEWS",
    "pg_table_is_visible": "name the schema, or compare it with CURRENT_SCHEMAS(true)",
    "pg_type_is_visible": "name the schema",
    "shobj_description": "read PG_DESCRIPTION",
}
"""Functions of chapters that the page lists as unsupported, and with which drivers and psql ask the catalog. They run
in a query that reads nothing but system tables, or that writes pg_catalog. in front of them and reads no user's table;
anywhere else they are refused. Lower-case name -> the Redshift way."""

OF_COMMENTS = frozenset(["col_description", "obj_description"])
"""Those of CATALOG_QUERIES that r_COMMENT calls in a query without a table."""

POSTGRESQL_ONLY: dict[str, str] = {name: way for names, way in _GROUPS for name in names.split()}
"""Lower-case name -> the Redshift way."""


def lacking_function(name: str) -> str:
    """Why a function of POSTGRESQL_ONLY is refused."""
    return f"function {name}() does not exist on Redshift: {POSTGRESQL_ONLY[name]}"

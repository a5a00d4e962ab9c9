"""Redshift's system views that the local Redshift has not, each with the reason: they are refused by name.

Source: Redshift Database Developer Guide, "System tables and views reference": its lists of SVV, SYS, STL, STV, SVCS
and SVL views and of the system catalog tables. Those that there are stand in deployer/local/compat.
"""

from __future__ import annotations

_STEPS = "it tells how Redshift ran a query, step by step, on its slices; EXPLAIN shows the engine's own plan"
_WLM = "there is no workload management; SYS_QUERY_HISTORY has the queries"
_STORAGE = "it tells about Redshift's own storage; SVV_TABLE_INFO has sizes"
_SHARES = "there are no datashares"
_ML = "there is no machine learning"
_SPATIAL = "spatial types are not supported"
_CLUSTER = "it speaks about a real cluster"
_SCANS = "SYS_EXTERNAL_QUERY_DETAIL has what was read from S3"
_VACUUM = "there is nothing to vacuum or to analyze in Redshift's sense"
_QUOTA = "quotas of schemas are not enforced"
_STREAMS = "there is no streaming ingestion"
_UDF = "only SQL functions can be made, which have no log"
_COPY_JOBS = "copy jobs are not supported"
_LOADS = "STL_LOAD_ERRORS, SYS_LOAD_ERROR_DETAIL and SYS_LOAD_HISTORY have what a COPY did"
_USERLOG = "changes of users are not logged; SYS_QUERY_HISTORY has the statements"
_LOCKS = "SVV_TRANSACTIONS has the locks"
_COMPILE = "queries are not compiled"
_CURSORS = "open cursors are not listed"
_MASKS = "which policies a query met is not logged"

_REASONS: dict[str, str] = {
    _STEPS: """stl_aggr stl_bcast stl_delete stl_dist stl_explain stl_hash stl_hashjoin stl_insert stl_limit stl_merge
        stl_mergejoin stl_nestloop stl_parse stl_plan_info stl_project stl_query_metrics stl_return stl_save stl_scan
        stl_sort stl_stream_segs stl_unique stl_window stv_exec_state stv_query_metrics svcs_explain svcs_plan_info
        svcs_query_summary svcs_stream_segs svl_query_metrics svl_query_metrics_summary svl_query_report
        svl_query_summary svv_query_state sys_query_detail sys_query_explain sys_child_query_text
        stl_alert_event_log svcs_alert_event_log svl_qerror""",
    _WLM: """stl_wlm_error stl_wlm_query stl_wlm_rule_action stv_wlm_classification_config stv_wlm_qmr_config
        stv_wlm_query_queue_state stv_wlm_query_state stv_wlm_query_task_state stv_wlm_service_class_config
        stv_wlm_service_class_state svl_query_queue_info""",
    _STORAGE: """stl_disk_full_diag stv_blocklist stv_node_storage_capacity stv_partitions stv_tbl_perm stv_tbl_trans
        svv_diskusage svv_interleaved_columns stl_commit_stats stl_undone""",
    _SHARES: """svv_datashares svv_datashare_consumers svv_datashare_objects svv_datashare_privileges
        svl_datashare_change_log svl_datashare_cross_region_usage svl_datashare_usage_consumer
        svl_datashare_usage_producer sys_datashare_change_log sys_datashare_cross_region_usage
        sys_datashare_usage_consumer sys_datashare_usage_producer""",
    _ML: "stv_ml_model_info svv_ml_model_info svv_ml_model_privileges",
    _SPATIAL: "svl_spatial_simplify svv_geography_columns svv_geometry_columns sys_spatial_simplify",
    _CLUSTER: """stl_restarted_sessions stl_sshclient_error stl_usage_control stv_slices stv_startup_recovery_state
        stv_xrestore_alter_queue_state svcs_concurrency_scaling_usage svl_federated_query
        svl_restore_alter_table_progress svv_iam_privileges svv_identity_providers
        sys_extra_compute_for_automatic_optimization sys_redshift_template sys_restore_log
        sys_restore_state sys_serverless_usage""",
    _SCANS: """stl_s3client stl_s3client_error svcs_s3list svcs_s3log svcs_s3partition_summary svcs_s3query_summary
        svl_s3list svl_s3log svl_s3partition svl_s3partition_summary svl_s3query svl_s3query_summary svl_s3retries
        svl_spectrum_scan_error sys_external_query_error stl_file_scan""",
    _VACUUM: """stl_analyze stl_analyze_compression stl_vacuum svl_auto_worker_action svl_vacuum_percentage
        svv_alter_table_recommendations svv_vacuum_progress svv_vacuum_summary sys_analyze_compression_history
        sys_analyze_history sys_auto_table_optimization sys_automatic_optimization sys_vacuum_history
        pg_statistic_indicator""",
    _QUOTA: """stl_schema_quota_violations svv_redshift_schema_quota svv_schema_quota_state
        sys_schema_quota_violations""",
    _STREAMS: "sys_stream_scan_errors sys_stream_scan_states",
    _UDF: "svl_udf_log sys_udf_log sys_ludf_detail",
    _COPY_JOBS: "svv_copy_job_integrations sys_copy_job sys_copy_job_detail sys_copy_job_info",
    _LOADS: """stl_load_commits stl_loaderror_detail stl_replacements stv_load_state sys_copy_replacements
        sys_load_detail""",
    _USERLOG: "stl_userlog sys_userlog",
    _LOCKS: "stl_tr_conflict stv_locks",
    _COMPILE: "svcs_compile svl_compile",
    _CURSORS: "stv_active_cursors stv_cursor_configuration svv_active_cursors",
    _MASKS: "svv_rls_applied_policy sys_applied_masking_policy_log",
    "STV_MV_INFO and SVL_MV_REFRESH_STATUS have a materialized view's state": "stl_mv_state sys_mv_state",
    "SVV_INTEGRATION_TABLE_STATE has the tables": "svv_integration_table_mapping",
    "who may use a language is not listed": "svv_language_privileges",
    "there are no libraries": "pg_library",
    "it is not logged": "svl_multi_statement_violations svl_terminate",
    "STL_UNLOAD_LOG has what an UNLOAD did": "svcs_unload_log",
}

NOT_HERE: dict[str, str] = {name: reason for reason, names in _REASONS.items() for name in names.split()}
"""The name of a view -> why it is not there, or what to read instead."""

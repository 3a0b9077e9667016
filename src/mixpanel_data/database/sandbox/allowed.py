"""What untrusted SQL may contain, and what was reviewed and is refused.

Whatever is on no list is refused, so what a new version of DuckDB adds is refused until somebody
has reviewed it. A test compares the lists with the functions and types of the installed version.
"""

from __future__ import annotations


def _names(*texts: str) -> frozenset[str]:
    return frozenset(name for text in texts for name in text.split())


_COLLATIONS = """
    aa af am ar ar_sa as az bal be bg blo bn bo br bs ca ceb chr cs cu cy da de de_at dsb dz ee el
    en en_us eo es et fa fa_af ff fi fil fo fr fr_ca fy ga gl gu ha haw he he_il hi hr hsb hu hy id
    id_id ig is it ja ka kk kl km kn ko kok ku ky lb lij lkt ln lo lt lv mk ml mn mr ms mt my nb
    nb_no ne nl nn no nso om or pa pa_in pl ps pt ro ru sa se sgs si sk sl smn sq sr sr_ba sr_me
    sr_rs ssy st sv sw ta te th tk tn to tr ug uk ur uz vi vo wae wo xh yi yo yue yue_cn zh zh_cn
    zh_hk zh_mo zh_sg zh_tw zu
"""

#: Types of syntax tree nodes, and of parts of nodes that have a type.
KINDS = _names(
    """
    SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE
    BASE_TABLE EMPTY EXPRESSION_LIST JOIN PIVOT SHOW_REF SUBQUERY TABLE_FUNCTION
    DISTINCT_MODIFIER LIMIT_MODIFIER LIMIT_PERCENT_MODIFIER ORDER_MODIFIER
    ASCENDING DESCENDING ORDER_DEFAULT
    CASE_EXPR COLLATE COLUMN_REF FUNCTION GROUPING_FUNCTION LAMBDA POSITIONAL_REFERENCE STAR TYPE
    VALUE_CONSTANT VALUE_PARAMETER CONJUNCTION_AND CONJUNCTION_OR
    COMPARE_BETWEEN COMPARE_DISTINCT_FROM COMPARE_EQUAL COMPARE_GREATERTHAN
    COMPARE_GREATERTHANOREQUALTO COMPARE_IN COMPARE_LESSTHAN COMPARE_LESSTHANOREQUALTO
    COMPARE_NOTEQUAL COMPARE_NOT_BETWEEN COMPARE_NOT_DISTINCT_FROM COMPARE_NOT_IN
    ARRAY_CONSTRUCTOR ARRAY_EXTRACT ARRAY_SLICE ARROW STRUCT_EXTRACT
    OPERATOR_CAST OPERATOR_COALESCE OPERATOR_IS_NOT_NULL OPERATOR_IS_NULL OPERATOR_NOT
    OPERATOR_NULLIF OPERATOR_TRY OPERATOR_UNPACK
    WINDOW_AGGREGATE WINDOW_CUME_DIST WINDOW_FILL WINDOW_FIRST_VALUE WINDOW_LAG WINDOW_LAST_VALUE
    WINDOW_LEAD WINDOW_NTH_VALUE WINDOW_NTILE WINDOW_PERCENT_RANK WINDOW_RANK WINDOW_RANK_DENSE
    WINDOW_ROW_NUMBER
    ARRAY_TYPE_INFO DECIMAL_TYPE_INFO LIST_TYPE_INFO STRING_TYPE_INFO STRUCT_TYPE_INFO
    UNBOUND_TYPE_INFO
    """
)

#: Classes of expressions.
CLASSES = _names(
    """
    BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION LAMBDA OPERATOR
    PARAMETER POSITIONAL_REFERENCE STAR SUBQUERY TYPE WINDOW
    """
)

#: Members of the nodes. Others must be empty, which refuses ``AT (VERSION => 1)``,
#: ``PIVOT … IN name_of_enum`` and the states of aggregates, which hold memory addresses.
MEMBERS = _names(
    """
    aggregate_handling aggregates alias aliases arg_orders arguments case_checks cast_type catalog
    catalog_name child child_type child_types children class collation column column_name_alias
    column_names columns comparison_type condition cte_map cte_name default_expr distinct
    distinct_on_targets else_expr end end_expr entries error exclude_clause exclude_list
    expected_names expected_types expr expression filter filter_expr first from_table function
    function_name group_expressions group_sets groups has_ignore_nulls having id identifier
    ignore_nulls include_nulls index input is_implicit is_legacy_function_call is_null is_operator
    is_percentage join_type key key_targets kind left lhs limit limit_type literal lower map
    materialized method modifiers name named_param_map nearest_count nearest_order_type node
    null_order offset offset_expr order_bys orders partitions path payload_aggregates
    pivot_expressions pivots qualified_exclude_list qualified_name qualify query
    query_location query_location_length query_node ref_type
    relation_name rename_list repeatable replace_list right sample sample_rate sample_size scale
    schema schema_name second seed select_list setop_all setop_type show_type size source
    star_expr start start_expr statements subquery subquery_type syntax_type table table_name text
    then_expr try_cast type type_expr type_info type_name union_all unpivot_names upper
    user_type_modifiers using_columns value values when_expr where_clause width with_ordinality
    """
)

#: What ``SHOW`` may show besides tables: the name in the tree, without quotes.
SHOWN = frozenset({"tables", "databases", "schemas", "__show_tables_expanded"})

#: Types by every name that DuckDB has for them. ``unbound`` is for a name that is checked.
TYPES = _names(
    """
    array bigint bignum binary bit bitstring blob bool boolean bpchar bytea char date datetime
    dec decimal double enum float float4 float8 guid hugeint int int1 int128 int16 int2 int32
    int4 int64 int8 integer integer_literal integral interval json list logical long map null
    numeric nvarchar oid real row short signed smallint string string_literal struct text time
    time_ns timestamp timestamp_ms timestamp_ns timestamp_s timestamp_us timestamptz
    timestamptz_ns timetz tinyint tuple ubigint uhugeint uint128 uint16 uint32 uint64 uint8
    uinteger unbound union unknown usmallint utinyint uuid varbinary varchar varint
    """
) | {"time with time zone", "timestamp with time zone", "timestamp with time zone_ns"}

#: What a user-defined type may consist of. The catalog does not show what is in nested types.
PLAIN_TYPES = TYPES - _names("array list map row struct tuple union unknown unbound")

#: Types that were reviewed and are refused, by the reason.
REFUSED_TYPES = {
    "a text of many brackets cast to it ends the process": "variant geometry",
    "internal": "type parquet_variant",
}

_OPERATORS = """
    !__postfix !~~ !~~* % & && * ** + - ->> -> / // << >> @ @> <@ <-> <=> ^ ^@ | || ~ ~~ ~~* ~~~
    != < <= = > >= !~
"""

_NUMBERS = """
    abs acos acosh add alias asin asinh atan atan2 atanh bin binom bit_count bit_length
    bit_position bitstring bitstring_byte_comparable can_cast_implicitly cbrt ceil ceiling
    constant_or_null cos cosh cot decimal_division degrees divide equi_width_bins even exp
    factorial fdiv floor fmod gamma gcd get_bit greatest greatest_common_divisor hash
    is_histogram_other_bin isfinite isinf isnan lcm least least_common_multiple lgamma ln log log10
    log2 mod multiply nextafter pi pow power radians random round round_even roundbankers
    set_bit sign signbit sin sinh sqrt subtract tan tanh to_base trunc xor
"""

_TEXT = """
    array_to_string array_to_string_comma_default ascii bar base64 char_length character_length chr
    concat concat_ws contains create_sort_key damerau_levenshtein decode editdist3 encode ends_with
    error assert_true format formatreadabledecimalsize formatreadablesize format_bytes from_base64
    from_binary from_hex hamming hex ilike_escape instr jaccard jaro_similarity
    jaro_winkler_similarity lcase left left_grapheme len length length_grapheme levenshtein
    like_escape lower lpad ltrim md5 md5_number md5_number_lower md5_number_upper mismatches
    nfc_normalize not_ilike_escape not_like_escape octet_length ord overlay parse_dirname
    parse_dirpath parse_filename parse_formatted_bytes parse_path path_join
    hive_partition_component position prefix printf pg_size_pretty
    regexp_escape regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace
    regexp_split_to_array regexp_split_to_table repeat replace reverse right right_grapheme rpad
    rtrim sha1 sha256 split split_part starts_with str_split str_split_regex string_split
    string_split_regex string_to_array strip_accents strlen strpos substr substring
    substring_grapheme suffix to_base64 to_binary to_hex translate trim ucase unbin unhex unicode
    upper url_decode url_encode icu_sort_key collate_noaccent icu_collate_noaccent
"""

_TIMES = """
    age ago century current_date current_localtime current_localtimestamp date_add date_diff
    date_part date_sub date_trunc datediff datepart datesub datetrunc day dayname dayofmonth
    dayofweek dayofyear days_in_month decade epoch epoch_ms epoch_ns epoch_us era get_current_time
    get_current_timestamp hour isodow isoyear julian last_day make_date make_time make_timestamp
    make_timestamp_ms make_timestamp_ns make_timestamptz microsecond millennium millisecond minute
    month monthname nanosecond normalized_interval now quarter second strftime strptime time_bucket
    timetz_byte_comparable timezone timezone_hour timezone_minute to_centuries to_days to_decades
    to_hours to_microseconds to_millennia to_milliseconds to_minutes to_months to_quarters
    to_seconds to_timestamp to_weeks to_years today transaction_timestamp try_strptime week weekday
    weekofyear year yearweek
"""

_NESTED = """
    aggregate apply array_aggr array_aggregate array_append array_apply array_cat array_concat
    array_contains array_cosine_distance array_cosine_similarity array_cross_product array_distance
    array_distinct array_dot_product array_extract array_filter array_grade_up array_has
    array_has_all array_has_any array_indexof array_inner_product array_intersect array_length
    array_negative_dot_product array_negative_inner_product array_pop_back array_pop_front
    array_position array_prepend array_push_back array_push_front array_reduce array_resize
    array_reverse array_reverse_sort array_select array_slice array_sort array_transform
    array_unique array_value array_where array_zip cardinality element_at enum_code enum_first
    enum_last enum_range enum_range_boundary filter flatten generate_series generate_subscripts
    grade_up invoke list_aggr list_aggregate list_any_value list_append list_apply
    list_approx_count_distinct list_avg list_bit_and list_bit_or list_bit_xor list_bool_and
    list_bool_or list_cat list_concat list_contains list_cosine_distance list_cosine_similarity
    list_count list_distance list_distinct list_dot_product list_element list_entropy list_extract
    list_filter list_first list_grade_up list_has list_has_all list_has_any list_histogram
    list_indexof list_inner_product list_intersect list_kurtosis list_kurtosis_pop list_last
    list_mad list_max list_median list_min list_mode list_negative_dot_product
    list_negative_inner_product list_pack list_position list_prepend list_product list_reduce
    list_resize list_reverse list_reverse_sort list_select list_sem list_skewness list_slice
    list_sort list_stddev_pop list_stddev_samp list_string_agg list_sum list_transform list_unique
    list_value list_var_pop list_var_samp list_where list_zip map map_concat map_contains
    map_contains_entry map_contains_value map_entries map_extract map_extract_value
    map_from_entries map_keys map_values range reduce row struct_concat struct_contains
    struct_extract struct_extract_at struct_has struct_indexof struct_insert struct_keys
    struct_pack struct_position struct_update struct_values switch union_extract union_tag
    union_value unnest unpivot_list
"""

_JSON = """
    array_to_json json json_array json_array_length json_copy_strftime_if_date
    json_copy_strftime_if_timestamp json_exists json_extract json_extract_path
    json_extract_path_text json_extract_string json_group_array json_group_object json_insert
    json_keys json_normalize json_object json_pretty json_quote json_remove json_replace json_set
    json_strip_nulls json_type json_valid json_value row_to_json to_json
"""

_ABOUT = """
    current_catalog current_connection_id current_database current_query current_query_id
    current_role current_schema current_schemas current_setting current_transaction_id current_user
    format_pg_type format_type gen_random_uuid if in_search_path map_to_pg_oid
    map_type_id_to_pg_oid nullif session_user stats txid_current typeof user uuid
    uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7 vector_type version pg_typeof
    col_description has_any_column_privilege has_column_privilege has_database_privilege
    has_foreign_data_wrapper_privilege has_function_privilege has_language_privilege
    has_schema_privilege has_sequence_privilege has_server_privilege has_table_privilege
    has_tablespace_privilege inet_client_addr inet_client_port inet_server_addr inet_server_port
    obj_description pg_collation_is_visible pg_conf_load_time pg_conversion_is_visible
    pg_function_is_visible pg_get_constraintdef pg_get_expr pg_get_viewdef pg_has_role
    pg_is_other_temp_schema pg_my_temp_schema pg_opclass_is_visible pg_operator_is_visible
    pg_opfamily_is_visible pg_postmaster_start_time pg_table_is_visible pg_ts_config_is_visible
    pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible pg_type_is_visible
    shobj_description
"""

_AGGREGATES = """
    any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null
    arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg avg bit_and
    bit_or bit_xor bitstring_agg bool_and bool_or corr count count_if count_star countif covar_pop
    covar_samp decimal_average entropy favg first fsum geomean geometric_mean group_concat
    histogram histogram_exact kahan_sum kurtosis kurtosis_pop last list listagg lttb mad max max_by
    mean median min min_by mode product quantile quantile_cont quantile_disc regr_avgx regr_avgy
    regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy sem
    skewness stddev stddev_pop stddev_samp string_agg sum sum_no_overflow sumkahan var_pop var_samp
    variance wavg weighted_avg
"""

_WINDOWS = """
    cume_dist dense_rank fill first_value lag last_value lead nth_value ntile percent_rank rank
    rank_dense row_number
"""

#: Scalar, aggregate and window functions, and operators, by their names in lower case.
FUNCTIONS = (
    _names(_OPERATORS, _NUMBERS, _TEXT, _TIMES, _NESTED, _JSON, _ABOUT, _AGGREGATES, _WINDOWS)
    | {kind + name for kind in ("collate_", "icu_collate_") for name in _names(_COLLATIONS)}
    | {"is distinct from", "is not distinct from"}
)

#: Table functions.
TABLE_FUNCTIONS = _names(
    """
    duckdb_columns duckdb_constraints duckdb_coordinate_systems duckdb_dependencies duckdb_dialects
    duckdb_functions duckdb_indexes duckdb_keywords duckdb_optimizers duckdb_schemas
    duckdb_sequences duckdb_tables duckdb_triggers duckdb_types duckdb_views generate_series
    icu_calendar_names json_each json_tree pg_timezone_names pragma_collations pragma_platform
    pragma_version range repeat repeat_row summary unnest
    """
)

#: Settings that ``current_setting()`` may return: they contain no path, address or secret.
SETTINGS = _names(
    """
    calendar default_collation default_null_order default_order enable_external_access
    integer_division lock_configuration
    max_expression_depth max_memory max_temp_directory_size memory_limit
    preserve_identifier_case preserve_insertion_order schema search_path threads timezone
    worker_threads
    """
)

#: Functions with a name as a string argument: the argument's position, and its allowed values.
NAMED = {
    "current_setting": (0, SETTINGS),
    **dict.fromkeys(
        ("aggregate", "array_aggr", "array_aggregate", "list_aggr", "list_aggregate"),
        (1, _names(_AGGREGATES)),
    ),
}

#: Scalar and aggregate functions that were reviewed and are refused, by the reason.
REFUSED_FUNCTIONS = {
    "changes something": "nextval currval setval setseed write_log",
    "waits": "sleep_ms pg_sleep",
    "runs, plans or shows SQL that is in a text": """
        json_serialize_sql json_deserialize_sql json_serialize_plan parse_duckdb_log_message
    """,
    "tells settings, variables, files or secrets": "getvariable getenv get_block_size",
    "takes a type as a value": "cast_to_type get_type make_type replace_type __cast",
    "a structure or text of many levels ends the process": """
        json_transform json_transform_strict from_json from_json_strict json_contains
        json_structure json_group_structure json_merge_patch json_merge_patch_diff json_deep_merge
        variant_array_length
        variant_bytes_to_variant variant_comparator variant_contains variant_exists variant_extract
        variant_extract_string variant_group_array variant_group_object variant_keys
        variant_normalize variant_to_parquet_variant variant_type variant_typeof
        st_asbinary st_asgeojson st_astext st_aswkb st_aswkt st_crs st_geomfromgeojson
        st_geomfromwkb st_intersects_extent st_setcrs vertex_extract
    """,
    "takes addresses in memory": "combine combine_aggr finalize to_aggregate_state",
    "stops DuckDB 1.5 for an empty list": "reservoir_quantile",
    "internal": """
        index_key remap_struct __between __internal_barrier __internal_compress_geometry_point
        __internal_compress_integral_ubigint __internal_compress_integral_uinteger
        __internal_compress_integral_usmallint __internal_compress_integral_utinyint
        __internal_compress_string_hugeint __internal_compress_string_ubigint
        __internal_compress_string_uhugeint __internal_compress_string_uinteger
        __internal_compress_string_usmallint __internal_compress_string_utinyint
        __internal_compressed_materialization_cast __internal_decompress_geometry_point
        __internal_decompress_integral_bigint __internal_decompress_integral_hugeint
        __internal_decompress_integral_integer __internal_decompress_integral_smallint
        __internal_decompress_integral_ubigint __internal_decompress_integral_uhugeint
        __internal_decompress_integral_uinteger __internal_decompress_integral_usmallint
        __internal_decompress_string __internal_json_copy_to_geojson __internal_json_copy_to_json
        __internal_tablefilter_bloom_filter __internal_tablefilter_dynamic
        __internal_tablefilter_optional __internal_tablefilter_prefix_range
        __internal_tablefilter_selectivity_optional
    """,
}

#: Table functions that were reviewed and are refused, by the reason.
REFUSED_TABLE_FUNCTIONS = {
    "reads files": """
        glob parquet_bloom_probe parquet_file_metadata parquet_full_metadata parquet_kv_metadata
        parquet_metadata parquet_page_index parquet_scan parquet_schema read_blob read_csv
        read_csv_auto read_duckdb read_json read_json_auto read_json_objects
        read_json_objects_auto read_ndjson read_ndjson_auto read_ndjson_objects read_parquet
        read_single_csv_file read_single_json_file read_single_parquet_file read_text sniff_csv
    """,
    "runs SQL that is in a text, or takes the name of a table as one": """
        query query_table json_execute_serialized_sql duckdb_table_sample histogram
        histogram_values pragma_metadata_info pragma_show pragma_storage_info pragma_table_info
    """,
    "tells paths, settings, secrets or what others do": """
        duckdb_approx_database_count duckdb_available_metrics duckdb_connection_count
        duckdb_databases duckdb_eviction_queues duckdb_extension_repositories duckdb_extensions
        duckdb_external_file_cache duckdb_external_resource_types duckdb_external_resources
        duckdb_grammar_extensions duckdb_live_query_metrics duckdb_log_contexts duckdb_logs
        duckdb_logs_parsed duckdb_memory duckdb_prepared_statements duckdb_profiling_settings
        duckdb_secret_type_parameters duckdb_secret_types duckdb_secrets duckdb_settings
        duckdb_temporary_files duckdb_variables pragma_database_size pragma_user_agent which_secret
    """,
    "changes something": """
        add_grammar_extension checkpoint create_external_resource deregister_external_resource
        destroy_external_resource disable_logging disable_profiling enable_logging
        enable_profiling force_checkpoint register_external_resource
        register_external_resource_type remove_grammar_extension truncate_duckdb_logs
    """,
    "takes addresses in memory": """
        arrow_scan arrow_scan_dumb pandas_scan python_arrow_scan python_map_function seq_scan
    """,
    "is for tests of DuckDB": "test_all_types test_vector_types",
}

_STRUCT = (
    "Use TRY_CAST(document AS STRUCT(name VARCHAR, size INT)), which leaves out other members, or "
    """document->>'$."name"' for one."""
)
_KEYS = "Use json_keys() or json_each()."
_PLAN = "A query runs without it; its plan is for the owner of the engine, who has explain()."
_TABLES = "DESCRIBE a table, or SHOW TABLES."

#: What to use instead of what is refused, by the name of a function or the kind of a statement.
INSTEAD = {
    **dict.fromkeys(("json_transform", "json_transform_strict"), _STRUCT),
    **dict.fromkeys(("from_json", "from_json_strict"), _STRUCT),
    **dict.fromkeys(("json_structure", "json_group_structure"), _KEYS),
    "json_contains": """Compare the value: document->>'$."name"' = 'x', or use json_each().""",
    "json_merge_patch": "Take the values of both: document->'$.\"name\"'.",
    **dict.fromkeys(("histogram", "histogram_values"), "Use it as an aggregate: histogram(x)."),
    **dict.fromkeys(("pragma_table_info", "pragma_show"), _TABLES),
    **dict.fromkeys(("PRAGMA", "CALL"), _TABLES),
    "EXPLAIN": _PLAN,
    "MULTI": "PIVOT needs its values: ON event_name IN ('a', 'b').",
    "CREATE": "The owner of the engine has create_table_as() to keep a result.",
    "reservoir_quantile": "Use approx_quantile() or quantile_cont().",
}

#: The names of all functions that were reviewed and are refused.
REFUSED_NAMES = _names(*REFUSED_FUNCTIONS.values(), *REFUSED_TABLE_FUNCTIONS.values())

#: Columns that every table of a lake has beside its own, and that tell of its files and snapshots.
LAKE_COLUMNS = frozenset({"filename", "file_index", "file_row_number", "snapshot_id"})

#: Words that the tree has as columns, and that are functions if there is no such column.
VALUE_FUNCTIONS = {
    "current_time": "get_current_time",
    "current_timestamp": "get_current_timestamp",
    "localtime": "current_localtime",
    "localtimestamp": "current_localtimestamp",
    **{
        name: name
        for name in _names(
            "current_catalog current_date current_role current_schema current_user",
            "session_user user",
        )
    },
}

_FIELDS = "struct_extract struct_pack array_extract json_extract map_extract_value union_extract"

#: Functions that DuckDB calls implicitly, by the node for which it does. The tree does not have
#: their names, but a macro of the file can replace them, too.
IMPLIED = {
    kind: _names(names)
    for kind, names in {
        "SHOW_REF": """
            * + - / approx_count_distinct approx_quantile avg concat count count_star
            current_database current_schema current_schemas duckdb_columns duckdb_databases
            duckdb_schemas duckdb_tables duckdb_views first in_search_path list list_sort
            list_value lower max min quantile_cont round stddev string_agg
        """,
        "PIVOT": "unpivot_list list list_value first map map_extract struct_pack count_star sum",
        "COLUMN_REF": _FIELDS,
        "STAR": "list_filter regexp_full_match struct_pack",
        "ARRAY_EXTRACT": _FIELDS,
        "STRUCT_EXTRACT": _FIELDS,
        "ARRAY_SLICE": "array_slice list_slice",
        "ARRAY_CONSTRUCTOR": "list_value",
        "ARROW": "json_extract",
        "LAMBDA": "json_extract",
        "COLLATE": "arg_min arg_max first",
        "DISTINCT_MODIFIER": "first",
        "COMPARE_IN": "contains list_contains",
        "COMPARE_NOT_IN": "contains list_contains",
        "COMPARE_BETWEEN": "__between",
        "COMPARE_EQUAL": "=",
        "COMPARE_NOTEQUAL": "!=",
        "COMPARE_LESSTHAN": "<",
        "COMPARE_GREATERTHAN": ">",
        "COMPARE_LESSTHANOREQUALTO": "<=",
        "COMPARE_GREATERTHANOREQUALTO": ">=",
    }.items()
}

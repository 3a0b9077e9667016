"""The upstream tests that fail on DuckDB, each with what shows why.

A row is a pattern of tests, what explains them, and the SQL that shows it. :class:`Refused` is
asked again at each run, so that no row outlives its reason; so does a test that passes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

import duckdb


@dataclass(frozen=True)
class Reason:
    """Why tests fail.

    Attributes:
        kind: One of the constants below.
        text: The reason.
        is_by_chance: Whether such a test passes at times, with threads or versions of DuckDB.
    """

    kind: str
    text: str
    is_by_chance: bool = field(default=False, kw_only=True)

    def holds(self) -> bool:
        """Tell whether this is still so."""
        return True


@dataclass(frozen=True)
class Refused(Reason):
    """DuckDB says ``text``, a pattern of its error or of its only value, to ``sql``."""

    sql: str = ""

    def holds(self) -> bool:
        """Ask DuckDB again."""
        with duckdb.connect() as connection:
            try:
                (answer,) = connection.execute(self.sql).fetchall()[0]
            except duckdb.Error as error:
                answer = error
        return re.search(self.text, str(answer)) is not None


@dataclass(frozen=True)
class Row:
    """A pattern of ``folder/module.Class::test[parameters]``, and why these fail."""

    pattern: str
    reason: Reason

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def matches(self, test: str) -> bool:
        """Tell whether a test is meant."""
        return self._compiled.search(test) is not None


#: What a row may say.
REFUSED = "DuckDB refuses the SQL"
OTHER = "asks for another database"
ORDER = "relies on an order that SQL does not promise"

FOREIGN_KEY_LATER = Refused(
    REFUSED,
    "No support for (adding FOREIGN_KEY constraints|that ALTER TABLE option)",
    "CREATE TABLE a (x INT PRIMARY KEY); CREATE TABLE b (x INT); "
    "ALTER TABLE b ADD FOREIGN KEY (x) REFERENCES a (x)",
)
DELETED_PARENT = Refused(
    REFUSED,
    "still referenced by a foreign key",
    "CREATE TABLE a (x INT PRIMARY KEY); CREATE TABLE b (x INT REFERENCES a (x)); "
    "INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); "
    "BEGIN; DELETE FROM b; DELETE FROM a; COMMIT",
)
LENGTH = Refused(
    REFUSED,
    "^VARCHAR$",
    "CREATE TABLE a (x VARCHAR(52)); SELECT data_type FROM duckdb_columns() WHERE table_name = 'a'",
)
NAME = Refused(
    REFUSED,
    "^(?!named)",
    "CREATE TABLE a (x INT, CONSTRAINT named CHECK (x > 0)); "
    "SELECT constraint_name FROM duckdb_constraints() WHERE table_name = 'a'",
)
LEVELS = Refused(REFUSED, "syntax error", "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED")
SAVEPOINT = Refused(REFUSED, 'syntax error at or near "SAVEPOINT"', "BEGIN; SAVEPOINT a")
RETURNING_OF_ANOTHER = Refused(
    REFUSED,
    'Referenced table "b" not found',
    "CREATE TABLE a (x INT); CREATE TABLE b (x INT); "
    "UPDATE a SET x = 1 FROM b WHERE a.x = b.x RETURNING b.x",
)
CASCADE = Refused(
    REFUSED,
    "FOREIGN KEY constraints cannot use CASCADE, SET NULL or SET DEFAULT",
    "CREATE TABLE a (x INT PRIMARY KEY); CREATE TABLE b (x INT REFERENCES a (x) ON DELETE CASCADE)",
)
INDEX_ORDER = Refused(
    REFUSED,
    r"ON a\(x\)",
    "CREATE TABLE a (x INT); CREATE INDEX i ON a (x DESC NULLS FIRST); "
    "SELECT sql FROM duckdb_indexes()",
)
DEFERRABLE = Refused(
    REFUSED,
    'syntax error at or near "DEFERRABLE"|Constraint not implemented',
    "CREATE TABLE a (x INT PRIMARY KEY); "
    "CREATE TABLE b (x INT REFERENCES a (x) DEFERRABLE INITIALLY DEFERRED)",
)
CHANGED_PARENT = Refused(
    REFUSED,
    "still referenced by a foreign key",
    "CREATE TABLE a (x INT PRIMARY KEY); CREATE TABLE b (x INT REFERENCES a (x)); "
    "INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1); "
    "BEGIN; UPDATE b SET x = 2; DELETE FROM a WHERE x = 1; COMMIT",
)
RENAMED_PARENT = Refused(
    REFUSED,
    "still referenced by a foreign key",
    "CREATE TABLE a (x INT PRIMARY KEY); CREATE TABLE b (x INT REFERENCES a (x)); "
    "INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); "
    "BEGIN; DELETE FROM b; UPDATE a SET x = 2; COMMIT",
)
UPDATED_MIDDLE = Refused(
    REFUSED,
    "still referenced by a foreign key",
    "CREATE TABLE a (x INT PRIMARY KEY); "
    "CREATE TABLE b (x INT PRIMARY KEY, y INT REFERENCES a (x)); "
    "CREATE TABLE c (x INT REFERENCES b (x)); INSERT INTO a VALUES (1); "
    "INSERT INTO b VALUES (1, 1); INSERT INTO c VALUES (1); UPDATE b SET y = NULL",
)
UPDATED_RETURNING = Refused(
    REFUSED,
    "still referenced by a foreign key",
    "CREATE TABLE a (x INT PRIMARY KEY, y INT); CREATE TABLE b (x INT REFERENCES a (x)); "
    "INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1); UPDATE a SET y = 2 RETURNING x",
)
OWN_PARENT = Refused(
    REFUSED,
    "does not exist in the referenced table",
    "CREATE TABLE a (x INT PRIMARY KEY, y INT REFERENCES a (x)); INSERT INTO a VALUES (1, 1)",
)
PARENT_WITHOUT_KEY = Refused(
    REFUSED,
    "Failed to create foreign key",
    "CREATE TABLE a (x INT); CREATE TABLE b (x INT REFERENCES a (x))",
)
TRIGGER = Refused(
    REFUSED,
    "syntax error",
    "CREATE TABLE a (x INT); "
    "CREATE TRIGGER b BEFORE INSERT ON a FOR EACH ROW BEGIN SET NEW.x = 1; END",
)
LOCK = Refused(
    REFUSED,
    'syntax error at or near "FOR"|locking clause is not supported',
    "CREATE TABLE a (x INT); SELECT x FROM a FOR UPDATE NOWAIT",
)
NO_ORDER_BY = Reason(
    ORDER, "compares the list of rows of a statement without ORDER BY", is_by_chance=True
)
KNOWN_NAMES = Reason(OTHER, "has a branch for each database that SQLAlchemy knows, and no other")
FAILS_ELSEWHERE = Reason(OTHER, "expects the failure of databases that cannot do it; DuckDB can")
TYPE_NAMES = Reason(OTHER, "replaces the table of type names of another dialect")
MODULE = Reason(OTHER, "errors whose module is the driver's; DuckDB's own are in `_duckdb`")
MOCKS = Reason(OTHER, "connections that are none of DuckDB's, which the dialect refuses")
FORMATTER = Reason(OTHER, "the formatter black, which is not installed")
PYFORMAT = Reason(OTHER, "parameters as %(name)s")

#: What fails with the present versions.
ROWS = [
    Row(r"sql/test_constraints\.ConstraintGenTest::test_(fk_|cycle_)", FOREIGN_KEY_LATER),
    Row(r"sql/test_defaults\.CTEDefaultTest::test_a_in_b\[select-update", RETURNING_OF_ANOTHER),
    Row(r"sql/test_delete\.DeleteFromRoundTripTest::test_exec_two_table", DELETED_PARENT),
    Row(r"sql/test_functions\.ExecuteTest::test_aggregate_order_by$", KNOWN_NAMES),
    Row(r"sql/test_metadata\.ToMetaDataTest::test_copy\[pickle_via_reflect", LENGTH),
    Row(r"sql/test_returning\.InsertReturningTest::test_literal_returning$", FAILS_ELSEWHERE),
    Row(r"engine/test_execute\..*::test_exception_wrapping_orig_accessors$", MODULE),
    Row(r"engine/test_execute\..*::test_raw_python$", PYFORMAT),
    Row(r"engine/test_execute\.DialectEventTest::test_connect_(do_connect|replace)", MOCKS),
    Row(r"engine/test_pool\.QueuePoolTest::test_recycle_pool_no_race", MOCKS),
    Row(r"engine/test_reconnect\.RealPrePingEventHandlerTest::", MOCKS),
    Row(r"engine/test_reflection\..*::test_reflect_case_insensitive$", FAILS_ELSEWHERE),
    Row(r"engine/test_reflection\..*::test_(autoload_with_imply|basic_reflection)", LENGTH),
    Row(r"engine/test_reflection\..*::test_composite_fk$", LENGTH),
    Row(r"engine/test_reflection\..*::test_check_constraint_reflection$", NAME),
    Row(r"engine/test_reflection\..*::test_unknown_types$", TYPE_NAMES),
    Row(
        r"engine/test_transaction\.IsolationLevelTest::test_"
        r"(connection_inv|engine_param_stays|exception_in|per_|reset_level|.*option_modified$)",
        LEVELS,
    ),
    Row(r"engine/test_transaction\.TransactionTest::test_savepoint_", SAVEPOINT),
    Row(
        r"orm/dml\.test_orm_upd_del_basic\.UpdateDeleteTest::test_update_from_multi_returning"
        r"\[(auto|fetch)",
        RETURNING_OF_ANOTHER,
    ),
    Row(
        r"orm/dml\..*::test_update_(with_explicit_joinedload|sub_table_only\[fetch)",
        UPDATED_RETURNING,
    ),
    Row(r"orm/inheritance\.test_abc_inheritance\.ABCTest_\w+(M2O|O2M)::", CASCADE),
    Row(
        r"orm/inheritance\.test_assorted_poly\.RelationshipTest1::|\.SortOnlyOnImportantFKsTest::",
        FOREIGN_KEY_LATER,
    ),
    Row(r"orm/inheritance\.test_assorted_poly\.RelationshipTest5::test_eager_empty", NO_ORDER_BY),
    Row(r"orm/(inheritance\.test_basic|test_unitofwork)\.PassiveDeletesTest::", CASCADE),
    Row(r"orm/inheritance\.test_basic\.VersioningTest::test_delete$", DELETED_PARENT),
    Row(r"orm/inheritance\.test_basic\.VersioningTest::test_save_update$", LEVELS),
    Row(
        r"orm/inheritance\.test_polymorphic_rel\.Polymorphic(AliasedJoins|Joins|Polymorphic)Test"
        r"::test_join_(from_polymorphic_nonaliased_one|to_subclass_thirteen)",
        NO_ORDER_BY,
    ),
    Row(r"orm/inheritance\.test_relationship\.SameNameOnJoined::test_persist", DELETED_PARENT),
    Row(r"orm/test_assorted_eager\.EagerTest::test_(dslish|withjoinedload)$", NO_ORDER_BY),
    Row(r"orm/test_backref_mutations\.O2OScalarOrphanTest::test_m2o_event", DELETED_PARENT),
    Row(r"orm/test_bundle\.BundleTest::test_bundle_nesting_unions$", NO_ORDER_BY),
    Row(r"orm/test_cascade\.CasadeWithRaiseloadTest::test_delete_skips", DELETED_PARENT),
    Row(
        r"orm/test_cascade\.M2OCascadeDeleteOrphanTestOne_\w+::test_"
        r"(double_assignment|orphan|save_update_sends_pending)",
        CHANGED_PARENT,
    ),
    Row(r"orm/test_cascade\.M2OCascadeDeleteOrphanTestTwo::test_finds_orphans", UPDATED_MIDDLE),
    Row(r"orm/test_cascade\..*::test_(cascade_deletes_user|self_ref\w+_delete)$", DELETED_PARENT),
    Row(r"orm/test_cascade\.SubclassCascadeTest::test_delete_orphan_round_trip", CHANGED_PARENT),
    Row(
        r"orm/test_cycles\.(BiDirectional|InheritTestTwo|OneToManyManyToOne|PostUpdateBatching"
        r"|PostUpdateOnUpdate|SelfReferentialPostUpdateTest3)",
        FOREIGN_KEY_LATER,
    ),
    Row(r"orm/test_cycles\.SelfReferentialPostUpdateTest::test_one$", UPDATED_MIDDLE),
    Row(r"orm/test_defaults\.TriggerDefaultsTest::", TRIGGER),
    Row(r"orm/test_dynamic\.DynamicTest::test_dynamic_on_backref", UPDATED_MIDDLE),
    Row(r"orm/test_dynamic\.DynamicUOWTest::test_delete_cascade", DELETED_PARENT),
    Row(r"orm/test_dynamic\.WriteOnlyUOWTest::test_(passive_deletes_succ|remove_orphans)", CASCADE),
    Row(r"orm/test_eager_relations\..*::test_multi_path_load_lazy_none", OWN_PARENT),
    Row(r"orm/test_events\..*::test_detached_to_persistent_via_cascaded_delete", DELETED_PARENT),
    Row(
        r"orm/test_expire\.\w+::test_((expire|refresh)_autoflush|expire|partial_expire_(eager|lazy))$",
        UPDATED_MIDDLE,
    ),
    Row(r"orm/test_hasparent\.ParentRemovalTest::", CASCADE),
    Row(
        r"orm/test_immediate_load\.SelfReferentialTest::test_self_referential_recursive",
        DELETED_PARENT,
    ),
    Row(r"orm/test_lazy_relations\..*::test_lazy_doesnt_interfere", OWN_PARENT),
    Row(r"orm/test_manytomany\..*::test_session_delete$", DELETED_PARENT),
    Row(r"orm/test_manytomany\.M2MTest::test_stale_conditions", UPDATED_MIDDLE),
    Row(r"orm/test_naturalpks\.(?!CascadeToFKPK)\w+::test_\w+_nonpassive", RENAMED_PARENT),
    Row(r"orm/test_naturalpks\..*::test_(manytoone_deferred_rel|one_to_many_on_)", RENAMED_PARENT),
    Row(r"orm/test_relationships\.CompositeSelfRefFKTest::test_annotated_no", UPDATED_MIDDLE),
    Row(r"orm/test_relationships\..*::test_Delete(MiddleTable|RootTable)", DELETED_PARENT),
    Row(
        r"orm/test_transaction\.(Legacy|NewStyle|ReallyNew)JoinIntoAnExternalTransactionTest"
        r"(_join_mode\w+_savepoint)?::",
        SAVEPOINT,
    ),
    Row(r"orm/test_transaction\..*::test_(savepoint_lost|failed_rollback_deact)", SAVEPOINT),
    Row(
        r"orm/test_transaction\.SessionTransactionTest::test_join_transaction_modes\["
        r"(savepoint-|transaction-\w+-create_savepoint)",
        SAVEPOINT,
    ),
    # Finds the table t1 that a test of savepoints could not drop.
    Row(r"orm/test_unitofwork\.BinaryHistTest::", SAVEPOINT),
    Row(r"orm/test_unitofwork\.DefaultTest::", PARENT_WITHOUT_KEY),
    Row(r"orm/test_unitofworkv2\.RaiseLoadIgnoredTest::test_delete_head", DELETED_PARENT),
    Row(
        r"orm/test_unitofworkv2\.SingleCycleTest::test_(many_to_one_set_null_unl|singlecycle_flush)",
        CHANGED_PARENT,
    ),
    Row(r"orm/test_versioning\.VersioningTest::test_versioncheck_for_update$", LOCK),
    # A transaction sees what it saw when it began, or fails when another changed it.
    Row(
        r"orm/test_versioning\.\w+::test_"
        r"(basic|child_row_switch_two|concurrent_mod_err_expire_on_commit|versioncheck)$",
        LEVELS,
    ),
    Row(r"ext/test_automap\.CascadeTest::test_o2m_relationship_cascade$", CASCADE),
    Row(r"ext/test_serializer\.SerializeTest::test_expression$", NO_ORDER_BY),
    Row(
        r"alembic/test_autogen_check_constraints\.AutogenCheckConstraintTest::test_"
        r"(compare_check_constraint_is_skip|drop_table_with|multiple|named_(to|type_bound_remove)"
        r"|no_change_check|remove_one|unnamed_type_bound_remove$)",
        NAME,
    ),
    Row(
        r"alembic/test_autogen_check_constraints\.AutogenCheckConstraintTest::test_"
        r"(remove_check|same_name).*-enabled\]",
        NAME,
    ),
    Row(
        r"alembic/test_autogen_check_constraints\..*::test_(include_object_receives_correct_args_for"
        r"_remove|(no_change|remove)_named_via|type_bound_enum_false_remove_when)",
        NAME,
    ),
    Row(
        r"alembic/test_autogen_diffs\.AutogenFKTest::test_drop_fk_with_mixed_case_name\[not_", NAME
    ),
    Row(
        r"alembic/test_autogen_diffs\..*::test_string_comparisons\[.*-True-_exclusions_0[2367]\]",
        LENGTH,
    ),
    Row(
        r"alembic/test_autogen_indexes\..*::test_expression_indexes_changed\[.*_0(1[6-9]|2[0-6])\]",
        INDEX_ORDER,
    ),
    Row(
        r"alembic/test_autogen_indexes\..*::test_column_sort_changed\["
        r"(<lambda>-|asc-desc|desc-(<|asc)|nulls_first-nulls_last|nulls_last-nulls_first)",
        INDEX_ORDER,
    ),
    Row(
        r"alembic/test_autogen_indexes\.AutogenerateUniqueIndexTest::test_"
        r"(named_cols_changed|nothing_uq_changed_labels|remove_named_unique_cons|uq_casing)",
        NAME,
    ),
    Row(
        r"alembic/test_autogen_indexes\.IncludeHooksTest::test_(change_unique|remove_connection_uq)",
        NAME,
    ),
    Row(r"alembic/test_post_write\.RunHookTest::test_module(\[|_black|_file|_path)", FORMATTER),
    Row(
        r"alembic/test_suite\.AutogenerateFKOptionsTest::.*(deferr)",
        DEFERRABLE,
    ),
    Row(
        r"alembic/test_suite\.AutogenerateFKOptionsTest::.*on(delete|update)(?!_(noaction|restr))",
        CASCADE,
    ),
    Row(
        r"alembic/test_suite\.AutogenerateForeignKeysTest::test_(casing_conv|remove_(composite_)?fk$)",
        NAME,
    ),
    Row(r"alembic/test_suite\.IncludeHooksTest::test_(change_fk|remove_connection_fk)", NAME),
]

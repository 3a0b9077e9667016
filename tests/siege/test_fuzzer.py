"""The fuzzer generates statements of every kind, most of them valid, and repeats them by seed."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.siege.fuzzer import Fuzzer
from tests.siege.grammar import Writer, rules, words
from tests.siege.mutation import FRAMES, Mutation, tokens
from tests.siege.verdicts import corpus
from tests.siege.vocabulary import kinds, vocabulary

MANY = 2000


@pytest.fixture(scope="module")
def statements() -> list[str]:
    return [Fuzzer(seed).statement() for seed in range(MANY)]


def test_the_same_seed_makes_the_same_shot() -> None:
    assert [Fuzzer(seed).shot() for seed in range(200)] == [
        Fuzzer(seed).shot() for seed in range(200)
    ]


def test_hardly_two_seeds_make_the_same_statement(statements: list[str]) -> None:
    assert len(set(statements)) > 0.8 * MANY


def test_most_statements_are_sql_of_every_kind(statements: list[str]) -> None:
    parsed = [kinds(statement) for statement in statements]
    assert MANY / 2 < sum(found is not None for found in parsed) < MANY
    count = Counter(kind for found in parsed for kind in found or ())
    usual = "SELECT INSERT UPDATE DELETE MERGE_INTO CREATE DROP ALTER COPY ATTACH DETACH SET PRAGMA"
    others = "LOAD EXPLAIN PREPARE EXECUTE TRANSACTION VACUUM CALL EXPORT"
    assert set(f"{usual} {others}".split()) <= count.keys()
    assert sum(len(found) > 1 for found in parsed if found) > MANY / 100


def test_the_grammar_knows_every_symbol_that_it_uses() -> None:
    known = rules().keys() | words().keys()
    used = {
        symbol
        for ways in (*rules().values(), *words().values())
        for way in ways
        for _, symbol, _ in way
        if symbol
    }
    assert used <= known
    assert known - used == {"statement"}


def test_every_function_type_and_setting_of_duckdb_can_occur() -> None:
    ways = {way[0][0].partition("(")[0].strip('"') for ways in words().values() for way in ways}
    assert {name for name in vocabulary().names if '"' not in name and "(" not in name} <= ways
    assert {*vocabulary().types, *vocabulary().settings, *vocabulary().keywords} <= ways


@pytest.mark.parametrize("symbol", sorted(rules()))
def test_every_symbol_of_the_grammar_terminates(symbol: str) -> None:
    assert all(len(Writer(random.Random(seed)).write(symbol)) < 20_000 for seed in range(50))


def test_tokens_joined_are_the_statement() -> None:
    for case in corpus():
        assert "".join(tokens(case.statement)) == case.statement


def test_a_mutation_may_keep_a_statement_whole_within_another() -> None:
    mutants = [
        Mutation(random.Random(seed), ["SELECT 2"], ["x"]).mutate("SELECT 1 AS a")
        for seed in range(300)
    ]
    assert sum("SELECT 1 AS a" in mutant for mutant in mutants) > 30
    assert len(set(mutants)) > 200
    assert all("{}" in frame for frame in FRAMES)

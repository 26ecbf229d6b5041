"""How much two texts have in common, in SQL: the F1 of their tokens.

References
----------
P. Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text", EMNLP 2016, section 6.1: lower case,
without punctuation and English articles, both as bags of tokens.
"""

from __future__ import annotations

from renex_jupyter.store.workbench import Workbench, quoted

_PUNCTUATION = r"[!-/:-@\[-`{-~]"  # of ASCII
_ARTICLES = "'a', 'an', 'the', ''"


def make_token_scores(bench: Workbench, table: str) -> None:
    """Add `token_f1` DOUBLE to a table of `_key`, `actual` and `predicted`; NULL where one of them is.

    Two texts without a token have 1 in common, one text without has 0.
    """
    bench.run(f"alter table {quoted(table)} add column token_f1 double")
    bench.run(f"""
        update {quoted(table)} set token_f1 = f1 from (
            with texts as (select rowid as id, {_tokens("actual")} as a, {_tokens("predicted")} as b
                from {quoted(table)} where actual is not null and predicted is not null),
            words as (select id, unnest(a) as word, 1 as a, 0 as b from texts
                union all select id, unnest(b), 0, 1 from texts),
            counted as (select id, word, sum(a) as a, sum(b) as b from words group by id, word),
            shared as (select id, sum(least(a, b))::double as n from counted group by id)
            select texts.id, case when len(a) + len(b) = 0 then 1.0 else 2 * coalesce(n, 0) / (len(a) + len(b)) end as f1
            from texts left join shared using (id)) found
        where {quoted(table)}.rowid = found.id""")


def _tokens(column: str) -> str:
    plain = f"regexp_replace(lower({column}::varchar), '{_PUNCTUATION}', '', 'g')"
    return f"list_filter(regexp_split_to_array({plain}, '\\s+'), lambda x: x not in ({_ARTICLES}))"

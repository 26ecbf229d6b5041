"""Which words of texts go with errors: candidates for failure patterns."""

from __future__ import annotations

from collections.abc import Sequence

from renex_jupyter.store.workbench import Workbench, literal, quoted

READ = 100_000  # texts at most that words are looked for in
LONGEST = 40  # characters of a word
_WORD = r"[\pL\pN_]+"


def frequent_words(
    bench: Workbench, source: str, columns: Sequence[str], *, most: int, support: int, seed: int = 0
) -> list[tuple[str, str]]:
    """Return column and word, or two words that follow each other, of those with the most errors above what is usual.

    Parameters
    ----------
    source : table with the columns, `_key` and `error`.
    most : words of all columns together.
    support : the fewest texts that a word is in.
    """
    n = bench.value(f"select count(*) from {quoted(source)}") or 0
    least = max(2.0, support * min(1.0, READ / max(n, 1)))
    found: list[tuple[float, int, str, str]] = []
    for column in columns:
        rows = bench.values(
            f"""
            with read as (
                select error, regexp_extract_all(lower({quoted(column)}), {literal(_WORD)}) as words
                from {quoted(source)} where {quoted(column)} is not null
                order by md5({literal(str(seed))} || _key), _key limit {READ}
            ),
            base as (select avg(error) as mean from read),
            seen as (
                select error, unnest(list_distinct(list_concat(
                    words, list_transform(range(1, len(words)), lambda i: words[i] || ' ' || words[i + 1])))) as word
                from read
            )
            select (avg(error) - any_value(mean)) * sqrt(count(*)) as above, count(*) as n, word
            from seen, base where length(word) between 1 and {LONGEST}
            group by word having count(*) >= {least!r} and count(*) < (select count(*) from read)
            order by above desc, n desc, word limit {most}"""
        )
        found += [(-above, -count, column, word) for above, count, word in rows if above > 0]
    return [(column, word) for _, _, column, word in sorted(found)[:most]]

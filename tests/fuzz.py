"""Texts that nobody would write, made from a seed: soups of tokens, broken queries, unicode, nesting, great length."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from importlib.resources import files

from corpus import cases
from error_examples import mistakes

from pql.language.lexing import KEYWORDS, MAX_BYTES

_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
_SIGNS = [*"()[],.;*/%+-=<>!?:'\"`#&|{}@$^~\\", "->", "<=", ">=", "!=", "<>", "==", "--", "/*", "*/", "..", "''"]
_WORDS = (
    "customers", "orders", "products", "customer_id", "amount", "city", "t", "x", "`odd name`", '"at"', "COUNT", "SUM",
    "0", "30", "-90", "1.5", "1e9", "1e999", "99999999999999999999", "'Berlin'", "2024-02-30", "2024-12-31", ":p", "?",
    "days", "months", "NEXT", "GROUP BY", "LIMIT", "INTERVAL '3' DAY",
)  # fmt: skip
_AROUND = (("(", ")"), ("[", "]"), ("NOT ", ""), ("-", ""), ("(NOT ", ")"), ("SUM(", ", 0, 1)"))
_PASTED = (('{"q": "', '"}'), ("db.predict('", "')"), ("```sql\n", "\n```"), ('$ pql db -c "', '"'), ("> ", ""))
_ODD = (
    "\x00", "\x1b[31m", "\ufeff", "\u202e", "\u200d", "\ud800", "\udfff", "\u2028", "‘", "“", "–", "，", "日本", "é",
    "e\u0301", "🙂", "ß", "İ", "ﬁ", "²", "٣", "\t", "\r", "\n", "\x0b", "\x85", "\xa0", "\u3000",
)  # fmt: skip


def pool() -> list[str]:
    """The queries that are broken: examples of the grammar, mistakes, and the corpus where it is there."""
    examples = files("pql.grammars").joinpath("examples.pql").read_text("utf-8")
    whole = [text.strip() for text in examples.split(";") if text.strip()]
    return whole + [mistake.text for mistake in mistakes() if mistake.text.strip()] + [case.query for case in cases()]


def texts(seed: int, n: int) -> Iterator[str]:
    """`n` texts of at most 2 KB, always the same for one seed."""
    rng = random.Random(seed)
    queries = pool()
    words = [*sorted(KEYWORDS), *_SIGNS, *_WORDS]
    makers: tuple[Callable[[], str], ...] = (
        lambda: _soup(rng, words),
        lambda: "PREDICT " + _soup(rng, words),
        lambda: _broken(rng, queries),
        lambda: _broken(rng, queries),
        lambda: _broken(rng, queries),
        lambda: _spliced(rng, queries),
        lambda: _odd(rng, queries),
        lambda: _nested(rng),
        lambda: _pasted(rng, queries),
    )
    for _ in range(n):
        yield rng.choice(makers)()[:2000]


def long_texts(seed: int, n: int) -> Iterator[str]:
    """`n` texts of nearly 64 KiB."""
    rng = random.Random(seed)
    queries = pool()
    units: tuple[Callable[[], str], ...] = (
        lambda: rng.choice(queries) + "; ",
        lambda: _broken(rng, queries) + " ",
        lambda: rng.choice(_SIGNS),
        lambda: rng.choice(("(", "[", "NOT ", "-", "((", "1 + ")),
        lambda: rng.choice(_ODD),
        lambda: "'" + rng.choice(queries),
        lambda: "a.b AND ",
        lambda: rng.choice(("x ", "x, ", "x.", "1 ", "'a', ", "2024-01-01 ", "/* ", "`")),
    )
    for _ in range(n):
        unit = rng.choice(units)
        parts = [rng.choice(("", "PREDICT ", "PREDICT SUM(", rng.choice(queries) + " WHERE a IN (", "SELECT "))]
        size = 0
        while size < MAX_BYTES - 3000:
            parts.append(unit())
            size += len(parts[-1].encode("utf-8", "surrogatepass"))
        yield "".join(parts)


def _soup(rng: random.Random, words: list[str]) -> str:
    return rng.choice((" ", "", "  ", "\n")).join(rng.choice(words) for _ in range(rng.randint(1, 40)))


def _broken(rng: random.Random, queries: list[str]) -> str:
    """A query with a few of its tokens dropped, doubled, swapped or replaced."""
    tokens = _TOKEN.findall(rng.choice(queries))
    other = _TOKEN.findall(rng.choice(queries))
    for _ in range(rng.randint(1, 4)):
        if not tokens:
            break
        at = rng.randrange(len(tokens))
        match rng.randrange(7):
            case 0:
                del tokens[at]
            case 1:
                tokens.insert(at, tokens[at])
            case 2:
                to = rng.randrange(len(tokens))
                tokens[at], tokens[to] = tokens[to], tokens[at]
            case 3:
                tokens[at] = rng.choice(other) if other else ""
            case 4:
                tokens.insert(at, rng.choice(_SIGNS))
            case 5:
                word = tokens[at] or " "
                cut = rng.randrange(len(word))
                tokens[at] = word[:cut] + rng.choice(("", "e", "_", word[cut])) + word[cut + 1 :]
            case _:
                del tokens[at:]
    return "".join(tokens)


def _spliced(rng: random.Random, queries: list[str]) -> str:
    one, two = rng.choice(queries), rng.choice(queries)
    return one[: rng.randint(0, len(one))] + two[rng.randint(0, len(two)) :]


def _odd(rng: random.Random, queries: list[str]) -> str:
    """A query with odd characters in it, or nothing but them."""
    text = rng.choice((rng.choice(queries), ""))
    for _ in range(rng.randint(1, 6)):
        at = rng.randint(0, len(text))
        odd = rng.choice(_ODD) if rng.random() < 0.6 else chr(rng.randrange(0x110000))
        text = text[:at] + odd + text[at:]
    return text


def _nested(rng: random.Random) -> str:
    opening, closing = rng.choice(_AROUND)
    depth = rng.randint(1, 500)
    middle = rng.choice(("customers.age", "1", "COUNT(orders.*, 0, 30) > 0", "x = 'a'", ""))
    end = closing * rng.choice((depth, depth - 1, 0))
    return f"PREDICT {opening * depth}{middle}{end} FOR EACH customers.customer_id"


def _pasted(rng: random.Random, queries: list[str]) -> str:
    before, after = rng.choice(_PASTED)
    return before + rng.choice(queries).replace("\n", " ") + after

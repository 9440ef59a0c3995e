"""The parser table: what Lark's LALR construction makes of grammars/pql.lark, kept as JSON beside it.

Lark builds the table (0.4 s); reading the JSON takes a few milliseconds and needs no Lark. `rebuild()` writes the
file anew after a change of the grammar; a test compares it with the grammar.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

START = "statement"


@dataclass(frozen=True, slots=True)
class Rule:
    """`origin → length symbols`, made by the builder's function `action` ("" passes the one symbol on)."""

    origin: str
    length: int
    action: str


@dataclass(frozen=True, slots=True)
class ParseTable:
    """States 0…n-1, of which 0 is the first and `end` the one reached when a whole text has been reduced.

    `actions[state][terminal]` is a state to shift to (≥ 0) or `-1 - rule` to reduce by; `gotos[state][nonterminal]`
    is the state after a reduction.
    """

    rules: tuple[Rule, ...]
    actions: tuple[Mapping[str, int], ...]
    gotos: tuple[Mapping[str, int], ...]
    end: int

    def accepts(self, stack: Sequence[int]) -> frozenset[str]:
        """The terminals that can truly come next with these states on the stack."""
        return frozenset(terminal for terminal in self.actions[stack[-1]] if self._shifts(stack, terminal))

    def _shifts(self, stack: Sequence[int], terminal: str) -> bool:
        states = list(stack)
        while True:
            action = self.actions[states[-1]].get(terminal)
            if action is None:
                return False
            if action >= 0:
                return True
            rule = self.rules[-1 - action]
            if rule.length:
                del states[-rule.length :]
            states.append(self.gotos[states[-1]][rule.origin])
            if states[-1] == self.end:
                return True


def build(grammar: str) -> dict[str, Any]:
    """The table of `grammar` as plain JSON values. Needs Lark; raises its GrammarError at any conflict."""
    from lark import Lark
    from lark.lexer import Lexer

    class NoLexer(Lexer):
        def __init__(self, lexer_conf: object) -> None:
            pass

        def lex(self, lexer_state: object, parser_state: object) -> Iterator[Any]:
            return iter(())

    lark = Lark(grammar, parser="lalr", lexer=NoLexer, strict=True, maybe_placeholders=False, start=START)
    made = lark.parser.parser._parse_table
    return _plain(made.states, made.start_states[START], made.end_states[START])


def _plain(made: Mapping[int, Mapping[str, tuple[Any, Any]]], start: int, end: int) -> dict[str, Any]:
    """Lark's states as lists, numbered by a walk from the start, so that the same grammar gives the same bytes."""
    order, numbers = [start], {start: 0}
    symbols: set[str] = set()
    found: dict[tuple[str, tuple[str, ...]], Any] = {}
    for state in order:
        for symbol, (action, argument) in sorted(made[state].items()):
            symbols.add(symbol)
            if str(action) != "Shift":
                found[str(argument.origin.name), tuple(str(part.name) for part in argument.expansion)] = argument
            elif argument not in numbers:
                numbers[argument] = len(order)
                order.append(argument)
    symbols.update(origin for origin, _ in found)
    names = sorted(symbols)
    index = {name: i for i, name in enumerate(names)}
    keys = sorted(found)
    rules = {key: i for i, key in enumerate(keys)}
    states = []
    for state in order:
        shifts: list[int] = []
        reduces: dict[int, list[int]] = {}
        for symbol, (action, argument) in sorted(made[state].items()):
            if str(action) == "Shift":
                shifts += [index[symbol], numbers[argument]]
            else:
                key = str(argument.origin.name), tuple(str(part.name) for part in argument.expansion)
                reduces.setdefault(rules[key], []).append(index[symbol])
        states.append([shifts, *([rule, *on] for rule, on in sorted(reduces.items()))])
    return {
        "symbols": names,
        "rules": [[index[key[0]], len(key[1]), found[key].alias or ""] for key in keys],
        "end": numbers[end],
        "states": states,
    }


def read(data: Mapping[str, Any]) -> ParseTable:
    """The table of what `build` made."""
    symbols = data["symbols"]
    actions: list[dict[str, int]] = []
    gotos: list[dict[str, int]] = []
    for shifts, *reduces in data["states"]:
        row = {symbols[shifts[i]]: shifts[i + 1] for i in range(0, len(shifts), 2)}
        gotos.append({symbol: state for symbol, state in row.items() if symbol.islower()})
        row = {symbol: state for symbol, state in row.items() if not symbol.islower()}
        for rule, *on in reduces:
            row.update((symbols[symbol], -1 - rule) for symbol in on)
        actions.append(row)
    rules = tuple(Rule(symbols[origin], length, action) for origin, length, action in data["rules"])
    return ParseTable(rules, tuple(actions), tuple(gotos), data["end"])


@cache
def load() -> ParseTable:
    """The shipped table, read once per process."""
    return read(json.loads(files("pql.grammars").joinpath("table.json").read_text("utf-8")))


def rebuild() -> None:
    """Write grammars/table.json from grammars/pql.lark."""
    folder = files("pql.grammars")
    data = build(folder.joinpath("pql.lark").read_text("utf-8"))
    text = json.dumps(data, separators=(",", ":")).replace("]],[[", "]],\n[[")
    with open(str(folder.joinpath("table.json")), "w", encoding="utf-8") as file:
        file.write(text + "\n")


if __name__ == "__main__":
    rebuild()

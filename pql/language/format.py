"""Tree to text: the canonical spelling of a query, on one line.

Keywords are upper case, clauses stand in a fixed order, names are quoted with backticks only where they must be.
Reading the text again gives an equal tree.
"""

from __future__ import annotations

import datetime as dt
import re

from pql.language import ast
from pql.language.ast import Identifier, Literal, Parameter
from pql.language.lexing import RESERVED, UNITS

_PLAIN = re.compile(r"[^\W\d]\w*")
# keywords that a bare name could be taken for, by the place where it stands
_AFTER_FOR, _AFTER_AS, _AFTER_USING = frozenset({"EACH"}), frozenset({"CLASS", "NUMBER", "OF"}), frozenset({"MODEL"})
_AFTER_MODEL = frozenset({"RANK", "TOP", "FORECAST", "AT", "CANDIDATES", "WINDOW"})
_IN_CALL = frozenset({"DISTINCT"})
_ANYWHERE = _AFTER_FOR | _AFTER_AS | _AFTER_USING | _AFTER_MODEL | _IN_CALL
_OR, _AND, _NOT, _PREDICATE, _SUM, _PRODUCT, _UNARY, _ATOM = range(8)


def format(node: ast.Script | ast.Statement | ast.Expression | ast.TaskClause | ast.EntityIds | Identifier) -> str:
    """The canonical text of a script, a statement, an expression, a task clause or a name: of what `pql.parse` gives.

    Raises TypeError for anything else.
    """
    if isinstance(node, str):
        raise TypeError("format() takes what pql.parse(text) gives, not the text")
    return _Printer().print(node)


def quote_name(text: str) -> str:
    """`text` as a bare name that is read as one in every place: in backticks where it has to be."""
    return _bare(text, _ANYWHERE)


def quote_string(text: str) -> str:
    """`text` as a string in single quotes."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return "'" + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + "'"


def _bare(text: str, taken: frozenset[str] = frozenset()) -> str:
    plain = _PLAIN.fullmatch(text) and text.upper() not in RESERVED and text.upper() not in taken
    return text if plain else _backticked(text)


def _backticked(text: str) -> str:
    return "`" + text.replace("`", "``") + "`"


def _after_dot(name: Identifier) -> str:
    return name.text if _PLAIN.fullmatch(name.text) else _backticked(name.text)


class _Printer:
    """Prints one statement; counts the `?` printed, since a `?` out of its order needs its number."""

    def __init__(self) -> None:
        self._marks = 0

    def print(self, node: object) -> str:
        if isinstance(node, ast.Script):
            return ";\n".join(_Printer().print(statement) + _line_end(statement) for statement in node.statements)
        if isinstance(node, Identifier):
            return quote_name(node.text)
        if isinstance(node, ast.EntityIds):
            return f"{node.op} {self.expression(node.items, _SUM)}"
        if isinstance(node, ast.TaskClause):
            return self.task(node)
        if isinstance(node, ast.Expression):
            return self.expression(node)
        return self.statement(node)

    # ------------------------------------------------------------ expressions

    def expression(self, node: ast.Expression, least: int = _OR) -> str:
        """The text of `node`, in brackets where it binds less tightly than `least`."""
        text, level = self._expression(node)
        return text if level >= least else f"({text})"

    def _expression(self, node: ast.Expression) -> tuple[str, int]:
        match node:
            case Literal(value=value):
                number = type(value) in (int, float)
                return literal(value), _UNARY if number and value < 0 else _ATOM  # type: ignore[operator]
            case Parameter():
                return self.parameter(node), _ATOM
            case ast.ColumnName(table=None):
                return _bare(node.column.text, _IN_CALL), _ATOM
            case ast.ColumnName(table=Identifier() as table):
                return self.qualified(table, node.column), _ATOM
            case ast.Star(table=table):
                return ("*" if table is None else f"{_bare(table.text)}.*"), _ATOM
            case ast.ListOf(items=items):
                return f"({', '.join(self.expression(item, _SUM) for item in items)})", _ATOM
            case ast.Arithmetic(op=op):
                level = _SUM if op in "+-" else _PRODUCT
                left = self.expression(node.left, level)
                return f"{left} {op} {self.expression(node.right, level + 1)}", level
            case ast.Negate(operand=operand):
                if isinstance(operand, Literal) and type(operand.value) in (int, float):
                    return f"-({self.expression(operand)})", _UNARY
                return f"-{self.expression(operand, _ATOM)}", _UNARY
            case ast.Not(operand=operand):
                return f"NOT {self.expression(operand, _NOT)}", _NOT
            case ast.And(items=items):
                return " AND ".join([self.expression(item, _NOT) for item in items]), _AND
            case ast.Or(items=items):
                return " OR ".join([self.expression(item, _AND) for item in items]), _OR
            case ast.Aggregate():
                return self.aggregate(node), _ATOM
        return self._predicate(node), _PREDICATE

    def _predicate(self, node: ast.Expression) -> str:
        match node:
            case ast.Comparison(op=op):
                return f"{self.expression(node.left, _SUM)} {op} {self.expression(node.right, _SUM)}"
            case ast.Between(operand=operand, low=low, high=high):
                text = self.expression(operand, _SUM) + _not(node.negated)
                return f"{text} BETWEEN {self.expression(low, _SUM)} AND {self.expression(high, _SUM)}"
            case ast.InList(operand=operand, items=items):
                return f"{self.expression(operand, _SUM)}{_not(node.negated)} IN {self.expression(items, _SUM)}"
            case ast.IsNull(operand=operand):
                return f"{self.expression(operand, _SUM)} IS{_not(node.negated)} NULL"
            case ast.Match(op=op, operand=operand, pattern=pattern):
                text = self.expression(operand, _SUM) + _not(node.negated)
                return f"{text} {op} {self.expression(pattern, _SUM)}"
        raise TypeError(f"{type(node).__name__} has no text")

    def aggregate(self, node: ast.Aggregate) -> str:
        parts = [self.expression(node.argument)]
        if node.via:
            parts[0] += " VIA " + ", ".join(self.passage(passed) for passed in node.via)
        if node.where is not None:
            parts[0] += f" WHERE {self.expression(node.where)}"
        if node.window is not None:
            start = "-INF" if node.window.start is None else self.number(node.window.start)
            parts += [start, self.number(node.window.end)]
            if node.window.unit is not None:
                parts.append(node.window.unit)
        name = (
            (node.function if _PLAIN.fullmatch(node.function) else _backticked(node.function)) if node.function else ""
        )
        return f"{name}({', '.join(parts)})"

    def parameter(self, node: Parameter) -> str:
        if node.name is not None:
            return f":{node.name}"
        self._marks += 1
        return "?" if node.index == self._marks - 1 else f"?{(node.index or 0) + 1}"

    def number(self, value: float | Parameter) -> str:
        return "-" * value.is_negated + self.parameter(value) if isinstance(value, Parameter) else literal(value)

    def qualified(self, table: Identifier, column: Identifier) -> str:
        return f"{_bare(table.text)}.{_after_dot(column)}"

    # ------------------------------------------------------------ PREDICT

    def predict(self, node: ast.Predict) -> str:
        parts = ["PREDICT " + self.expression(node.target)]
        if node.alias is not None:
            parts.append("AS " + _bare(node.alias.text, _AFTER_AS))
        parts += [self.task(task) for task in node.tasks]
        parts.append("FOR " + "EACH " * node.each + ", ".join(self.entity(entity) for entity in node.entities))
        if node.ids is not None:
            parts.append(self.print(node.ids))
        if node.using is not None:
            parts.append("USING " + _names(node.using))
        if node.using_model is not None:
            parts.append("USING MODEL " + _bare(node.using_model.text, _AFTER_MODEL))
        if node.where is not None:
            parts.append("WHERE " + self.expression(node.where))
        if node.assuming is not None:
            parts.append("ASSUMING " + self.expression(node.assuming))
        if node.candidates is not None:
            parts.append("CANDIDATES WHERE " + self.expression(node.candidates))
        if node.excluding is not None:
            parts.append("EXCLUDING " + self.expression(node.excluding.what))
        if node.at_most is not None:
            parts.append(f"AT MOST {self.number(node.at_most.n)} PER {self.expression(node.at_most.column)}")
        if node.via is not None:
            parts.append("VIA " + ", ".join(self.passage(passed) for passed in node.via))
        if node.ignoring:
            parts.append("IGNORING " + ", ".join(self.expression(column) for column in node.ignoring))
        if node.as_of is not None:
            parts.append("AS OF " + self.expression(node.as_of.when))
        if node.returning is not None:
            parts.append(self.returning(node.returning))
        if node.options:
            parts.append(f"WITH ({', '.join(self.option(option) for option in node.options)})")
        return " ".join(parts)

    def passage(self, node: ast.Identifier | ast.ColumnName) -> str:
        return self.expression(node) if isinstance(node, ast.ColumnName) else _names((node,))

    def task(self, node: ast.TaskClause) -> str:
        match node:
            case ast.RankTop(k=None):
                return "RANK"
            case ast.RankTop(k=int() | Parameter() as k):
                return f"{'RANK ' * node.has_rank}TOP {self.number(k)}"
            case ast.Classify():
                return "CLASSIFY"
            case ast.Forecast(steps=steps):
                return f"FORECAST {self.number(steps)} TIMEFRAMES"
            case ast.AsKind(kind=kind):
                return f"AS {kind.upper()}"
        raise TypeError(f"{type(node).__name__} has no text")

    def entity(self, node: ast.EntityName) -> str:
        if node.table is not None and node.column is not None:
            return self.qualified(node.table, node.column)
        name = node.table or node.column
        return _bare(name.text, _AFTER_FOR) if name is not None else ""

    def returning(self, node: ast.Returning) -> str:
        levels = [self.number(level) for level in node.levels]
        if node.form == "quantiles":
            return f"RETURN QUANTILES ({', '.join(levels)})"
        return " ".join(["RETURN", node.form.upper(), *levels])

    def option(self, node: ast.Option) -> str:
        return f"{_bare(node.name.text)} = {self.setting(node.value)}"

    def setting(self, node: ast.Expression) -> str:
        if isinstance(node, Literal) and isinstance(node.value, str):
            return node.value if _is_word(node.value) else quote_string(node.value)
        if isinstance(node, ast.ListOf):
            match node.items:
                case (Literal(value=int() as n), Literal(value=str() as unit)) if type(n) is int and n >= 0:
                    if _is_word(unit) and UNITS.get(unit.lower(), unit) == unit:
                        return f"{n} {unit}"
            return f"({', '.join(self.setting(item) for item in node.items)})"
        return self.expression(node)

    # ------------------------------------------------------------ statements

    def statement(self, node: object) -> str:
        match node:
            case ast.Predict():
                return self.predict(node)
            case ast.Explain(query=query, part=part, analyze=analyze):
                return f"EXPLAIN {'ANALYZE ' * analyze}{part.upper() + ' ' if part else ''}{self.predict(query)}"
            case ast.ExplainPrediction(query=query):
                return f"EXPLAIN PREDICTION {self.predict(query)}"
            case ast.Evaluate(query=query, at=at):
                text = f"EVALUATE {self.predict(query)}"  # printed first: the marks are counted in the text's order
                return text + (f" AT {', '.join(self.expression(when) for when in at)}" if at else "")
            case ast.Labels(query=query):
                return f"LABELS {self.predict(query)}"
            case ast.CheckLeakage(query=query):
                return f"CHECK LEAKAGE {self.predict(query)}"
            case ast.CreateModel(name=name, query=query, replace=replace):
                return f"CREATE {'OR REPLACE ' * replace}MODEL {_bare(name.text)} AS {self.predict(query)}"
            case ast.CreateTable(name=name, query=query):
                return f"CREATE TABLE {_bare(name.text)} AS {self.predict(query)}"
            case ast.Copy(query=query, path=path):
                return f"COPY ({self.predict(query)}) TO {quote_string(path)}"
            case ast.DefineTarget(name=name, target=target, tasks=tasks):
                made = [f"DEFINE TARGET {_bare(name.text)} AS {self.expression(target)}"]
                return " ".join(made + [self.task(task) for task in tasks])
            case ast.Sql(text=text):
                return text
        return self._small_statement(node)

    def _small_statement(self, node: object) -> str:
        match node:
            case ast.Show(what=what, model=None):
                return f"SHOW {what.upper()}"
            case ast.Show(what=what, model=Identifier() as model):
                return f"SHOW {what.upper()} FOR MODEL {_bare(model.text)}"
            case ast.Describe(name=name, is_model=is_model):
                return f"DESCRIBE {'MODEL ' * is_model}{_bare(name.text, _AFTER_USING)}"
            case ast.DropModel(name=name):
                return f"DROP MODEL {_bare(name.text)}"
            case ast.DropTarget(name=name):
                return f"DROP TARGET {_bare(name.text)}"
            case ast.AlterModel(name=name, version=version):
                return f"ALTER MODEL {_bare(name.text)} USE VERSION {version}"
            case ast.LinkOverride(child=child, parent=parent, remove=remove):
                return f"{'UN' * remove}LINK {self.expression(child)} -> {self.expression(parent)}"
            case ast.KeyOverride(column=column):
                return f"KEY {self.expression(column)}"
            case ast.TimeOverride(column=ast.ColumnName() as column):
                return f"TIME {self.expression(column)}"
            case ast.TimeOverride(table=Identifier() as table):
                return f"NO TIME {_bare(table.text)}"
        raise TypeError(f"{type(node).__name__} has no text")


def literal(value: None | bool | int | float | str | dt.date | dt.datetime) -> str:
    """A constant as it is written in a query."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return quote_string(value)
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, dt.date):
        return value.isoformat()
    return repr(value)


def _names(names: tuple[Identifier, ...]) -> str:
    return ", ".join(_bare(name.text, _AFTER_USING) for name in names)


def _not(negated: bool) -> str:
    return " NOT" if negated else ""


def _is_word(text: str) -> bool:
    return bool(_PLAIN.fullmatch(text)) and text.upper() not in RESERVED


def _line_end(statement: ast.Statement) -> str:
    """A line end after SQL whose last line holds a comment, which would swallow the `;`."""
    return "\n" if isinstance(statement, ast.Sql) and "--" in statement.text.rpartition("\n")[2] else ""

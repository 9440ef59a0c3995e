"""Features in plain words: what a measure of a history is called by somebody who never saw its name.

A feature's name is read by its shape alone, so that names of tables and columns may hold anything: what fits no shape
is told as it is called.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

US_PER_DAY = 86_400_000_000
DAYS, SHARE, TIMES, HORIZONS, OUTCOME, MUTE = "days", "share", "times", "horizons", "outcome", "mute"
_UNITS = {"d": "day", "h": "hour", "min": "minute", "s": "second", "us": "microsecond"}
_NUMBER, _WIDTH = r"-?[\d.e+-]+", r"-?[\d.]+(?:e[+-]?\d+)?(?:us|min|[dhs])|-INF"
_ORDINALS = {"1": "latest", "2": "2nd latest", "3": "3rd latest"}


@dataclass(frozen=True, slots=True)
class Saying:
    """What a feature is in words, and what its value counts in: `days`, a `share`, `times` something else, `horizons`
    of the question, as the `outcome` asked for, nothing that helps (`mute`), or else its own unit ('')."""

    what: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a name is read with: the `column` it is of ('' of none), the `entity`'s table, and the question's `horizon`
    (µs, 0 where it has none)."""

    column: str = ""
    entity: str = ""
    horizon: int = 0

    def lately(self, multiple: str) -> str:
        """So many horizons in words."""
        return width_in_words(int(float(multiple) * self.horizon)) if self.horizon else f"{multiple} horizons"


def saying(name: str, read: Reading) -> Saying:
    """A feature's name in plain words."""
    for pattern, what, unit in _SHAPES:
        if found := pattern.match(name):
            return Saying(_filled(what, found, read), unit)
    if found := _LATEST_AT.match(name):
        column = f"{read.column} " if read.column and found["t"].endswith(f".{read.column}") else ""
        label = found["t"].removesuffix(f".{read.column}") if column else found["t"]
        return Saying(f"the time since the latest {column}of {_through(label, read)}", DAYS)
    if found := _OWN_AGE.match(name):
        what = "it came" if found["x"] == read.entity else f"its {_through(found['x'], read)} came"
        return Saying(f"the time since {what}", DAYS)
    if read.column and name.endswith(f".{read.column}"):
        path = name.removesuffix(f".{read.column}")
        since = path.startswith("days since ")
        path = path.removeprefix("days since ")
        what = f"its {read.column}" if path == read.entity else f"the {read.column} of its {_through(path, read)}"
        return Saying(f"the time since {what}", DAYS) if since else Saying(what)
    return _of_pair(name, read)


def value_in_words(value: str, unit: str, horizon: int = 0) -> str:
    """A value as text in the unit of what it measures."""
    if unit == MUTE:
        return ""
    if horizon:
        value = _IN_HORIZONS.sub(lambda at: time_in_words(float(at[1]) * horizon / US_PER_DAY), value)
    if found := _RULE.match(value):
        share = value_in_words(found["confidence"], SHARE)
        return f"after {found['had']} comes {found['gets']}: {share} of the time, {found['lift']} times the usual"
    try:
        number = float(value.replace(",", ""))
    except ValueError:
        return value
    if unit == DAYS:
        return time_in_words(number)
    if unit == HORIZONS:
        return time_in_words(number * horizon / US_PER_DAY) if horizon else value
    if unit == SHARE:
        return f"{number:.0%}" if 0.01 <= abs(number) <= 0.99 or number in (0, 1) else f"{number:.2%}"
    if 0 < abs(number) < 1e-4:
        value = "almost 0"
    return f"{value} times" if unit == TIMES else value


def chance_in_words(chance: float) -> str:
    """A probability; never 0 % or 100 %, which it is not."""
    if 5e-4 <= chance < 0.9995:
        return f"{chance:.1%}"
    if 5e-5 <= chance < 0.99995:
        return f"{chance:.2%}"
    return "under 0.01%" if chance < 0.5 else "over 99.99%"


def time_in_words(days: float) -> str:
    """A length of time, in the unit people would say it in."""
    size = abs(days)
    for unit, width in (("day", 1.0), ("hour", 1 / 24), ("minute", 1 / 1440)):
        if size >= width * 0.95:
            number = round(days / width, 0 if size >= 3 * width else 1)
            return f"{number:,g} {unit}{'' if number == 1 else 's'}"
    return "less than a minute" if days else "no time"


def width_in_words(width: int) -> str:
    """A width in µs."""
    return time_in_words(width / US_PER_DAY)


def _width(text: str) -> str:
    """A width as names have it, '-14d' or '30min', in words; '' for all time."""
    if text == "-INF":
        return ""
    found = re.match(r"-?([\d.e+-]+?)(us|min|[dhs])$", text)
    if found is None:
        return text
    number = float(found[1])
    number = round(number, 0 if number >= 10 else 1)
    return f"{number:,g} {_UNITS[found[2]]}{'' if number == 1 else 's'}"


def _filled(what: str, found: re.Match[str], read: Reading) -> str:
    """A phrase with the parts of the name that it speaks of."""
    parts = found.groupdict()
    label, column = parts.get("x") or "", read.column
    if (text := parts.get("t")) is not None:
        cut = f".{column}"
        label, column = (text.removesuffix(cut), column) if column and text.endswith(cut) else _split(text)
    given = {
        "X": _through(label, read),
        "C": column,
        "V": parts.get("v") or "",
        "K": parts.get("k") or "",
        "N": _ORDINALS.get(parts.get("k") or "", f"{parts.get('k')}th latest"),
        "H": _width(parts.get("h") or ""),
        "L": _width(parts.get("l") or ""),
        "W": f" in the last {_width(parts['w'])}" if parts.get("w") and parts["w"] != "-INF" else "",
        "O": f" of the last {_width(parts['o'])}" if parts.get("o") and parts["o"] != "-INF" else " so far",
    }
    return re.sub(r"\{([A-Z])\}", lambda at: given[at[1]], what)


def _split(text: str) -> tuple[str, str]:
    label, dot, column = text.rpartition(".")
    return (label, column) if dot else ("", text)


def _through(label: str, read: Reading) -> str:
    """A path of tables: `orders.products` are the products of its orders."""
    latest = re.match(r"^(.*) \(latest (\d+)\)$", label, re.DOTALL)
    path = latest[1] if latest else label
    steps = path.split(".") if path.count(".") <= 3 else [path]
    said = steps[-1]
    for step in reversed(steps[:-1]):
        said += f" of its {step}"
    return f"{said} (the latest {latest[2]})" if latest else said


def _shape(pattern: str, what: str, unit: str = "") -> tuple[re.Pattern[str], str, str]:
    parts = {"W": f"(?P<w>{_WIDTH})", "O": f"(?P<o>{_WIDTH})", "H": f"(?P<h>{_WIDTH})", "L": f"(?P<l>{_WIDTH})"}
    parts |= {"X": "(?P<x>.+)", "T": "(?P<t>.+)", "V": "(?P<v>.*)", "K": r"(?P<k>\d+)"}
    text = re.sub(r"<([A-Z])>", lambda at: parts[at[1]], re.sub(r"([()*.+?])", r"\\\1", pattern))
    return re.compile(f"^{text}$", re.DOTALL), what, unit


_RULE = re.compile(
    r"^(?P<had>.+) -> (?P<gets>.+), confidence (?P<confidence>[\d.]+), lift (?P<lift>[\d.]+)$", re.DOTALL
)
_IN_HORIZONS = re.compile(r"(\d[\d.]*) horizons")
_OWN_AGE = re.compile(r"^days since (?P<x>.+) row$", re.DOTALL)
_RHYTHM = "by the rhythm so far"
_FADING = "each counting half as much every {L}"
_SHAPES = (
    _shape("fading SUM(<T>) per <H> (half-life <L>)", "the total {C} of {X} per {H}, " + _FADING),
    _shape("expected SUM(<T>) in <H> (BG/NBD)", "the total {C} of {X} to expect in {H}, " + _RHYTHM),
    _shape(
        "expected SUM(<T>) in <H> (BG/NBD, late values)", "the total {C} of {X} to expect in {H}, by the late rhythm"
    ),
    _shape("COUNT(<X>.*, <W>, 0)", "the number of {X}{W}"),
    _shape("moments of <X> (<W>, 0)", "the number of moments with {X}{W}"),
    _shape("COUNT_DISTINCT(<T>, <W>, 0) per row", "how many different {C} there are per row of {X}"),
    _shape("COUNT_DISTINCT(<T>, <W>, 0)", "the number of different {C} in {X}{W}"),
    _shape("first-time <T> (<W>, 0)", "the number of first-time {C} in {X}{W}"),
    _shape("days since first <X>", "the time since the first of {X}", DAYS),
    _shape("days since newest <T>", "the time since the newest {C} of {X}", DAYS),
    _shape("days since oldest <T>", "the time since the oldest {C} of {X}", DAYS),
    _shape("days since <X> <K> back", "the time since the {N} of {X}", DAYS),
    _shape("mean gap of <X>", "the usual time between {X}", DAYS),
    _shape("spread of gaps of <X>", "how much the time between {X} varies", DAYS),
    _shape("latest gap of <X> against its mean", "the time since the latest of {X} against the usual one", TIMES),
    _shape("latest gap of <X> against the longest", "the time since the latest of {X} against the longest one", TIMES),
    _shape("<X> per day", "{X} per day"),
    _shape("trend of <X> (<W> in <O>)", "the share of {X}{O} that came{W}", SHARE),
    _shape("fading count of <X> (half-life <L>)", "the number of {X}, " + _FADING),
    _shape("longest gap of <X>", "the longest time between {X}", DAYS),
    _shape("share of gaps of <X> longer than the latest", "how often {X} paused for longer than now", SHARE),
    _shape("share of those gaps of <X> longer by <H> still", "how often such pauses of {X} lasted {H} more", SHARE),
    _shape("gaps of <X> longer than <H>", "how often {X} paused for more than {H}"),
    _shape("chance that <X> go on (BG/NBD)", "the chance that {X} go on, " + _RHYTHM, SHARE),
    _shape("expected <X> in <H> (BG/NBD)", "how many {X} to expect in {H}, " + _RHYTHM),
    _shape("chance of no <X> in <H> (BG/NBD)", "the chance of no {X} in {H}, " + _RHYTHM, SHARE),
    _shape("SUM(<T>, <W>, 0)", "the total {C} of {X}{W}"),
    _shape("AVG(<T>, <W>, 0)", "the average {C} of {X}{W}"),
    _shape("MIN(<T>, <W>, 0)", "the smallest {C} of {X}{W}"),
    _shape("MAX(<T>, <W>, 0)", "the largest {C} of {X}{W}"),
    _shape("STDDEV(<T>, <W>, 0)", "how much {C} of {X} varies{W}"),
    _shape("mean of last <K> <T>", "the average {C} of the last {K} {X}"),
    _shape("trend of earlier targets", "whether the outcome went up or down"),
    _shape("trend of <T>", "how far the last {C} of {X} are above the average"),
    _shape("share of known <T> (<W>, 0)", "how often {C} of {X} is known{W}", SHARE),
    _shape("share of <T> = <V> (<W>, 0)", "how often {C} of {X} is {V}{W}", SHARE),
    _shape("most frequent <T>", "the most frequent {C} of {X}"),
    _shape("latest <T>", "the latest {C} of {X}"),
    _shape("target 1 windows ago", "the outcome in the window before", OUTCOME),
    _shape("target <K> windows ago", "the outcome {K} windows ago", OUTCOME),
    _shape("mean of earlier targets", "the average of earlier outcomes"),
    _shape("weighted mean of earlier targets", "the average of earlier outcomes, the latest weighing most"),
    _shape("spread of earlier targets", "how much earlier outcomes vary"),
    _shape("maximum of earlier targets", "the largest of earlier outcomes"),
    _shape("minimum of earlier targets", "the smallest of earlier outcomes"),
    _shape("target in the same season, <K> back", "the outcome in the same season, {K} back"),
    _shape("step", "how far ahead it is", MUTE),
    _shape("the target in the window before", "the outcome in the window before", OUTCOME),
    _shape("the target in earlier windows", "the outcome in earlier windows"),
    _shape("the target in earlier windows, the nearer the more", "the outcome in earlier windows, late ones above all"),
    _shape("the target in the same season", "the outcome in the same season"),
    _shape("what it was when last known in training", "what was last known of it"),
    _shape("recency (days since the last one)", "the time since the last event"),
    _shape("frequency (of late)", "how many events there were of late"),
    _shape("value (of one, on average)", "the average amount of an event"),
    _shape("events so far, and over how long", "how many events there were, and over how long"),
    _shape("time since the last one", "the time since the last event"),
    _shape("how many <X> there are", "how many {X} there are around it"),
    _shape("since the first event", "the time since the first event", MUTE),
    _shape("since the last event", "the time since the last event", MUTE),
    _shape("since the last event, by the interval's start", "the time since the last event", MUTE),
    _shape("mean gap between events", "the usual time between events", MUTE),
)
_LATEST_AT = _shape("days since latest <T>", "", DAYS)[0]

# ---------------------------------------------------------------- of an entity and an item

_MET = "it was met"
_PAIR = {
    "times": (f"how often {_MET} so far", ""),
    "times, decayed": (f"how often {_MET}, late times weighing more", MUTE),
    "times, fading": (f"how often {_MET}, late times weighing more", MUTE),
    "times by place": (f"how often {_MET}, late times weighing more", MUTE),
    "rows since": (f"how many rows came since {_MET}", ""),
    "baskets since": (f"how many baskets came since {_MET}", ""),
    "baskets": (f"in how many baskets {_MET}", ""),
    "recency": (f"the time since {_MET}", HORIZONS),
    "since first": (f"the time since {_MET} first", HORIZONS),
    "mean gap": ("the usual time from one time to the next", HORIZONS),
    "likely gap": ("the likely time from one time to the next", HORIZONS),
    "last gap": ("the last time from one time to the next", HORIZONS),
    "recency / gap": (f"the time since {_MET}, against the usual one", TIMES),
    "recency / likely gap": (f"the time since {_MET}, against the likely one", TIMES),
    "recency - likely gap": ("how overdue it is", HORIZONS),
    "share of mine": ("its share of all that was met", SHARE),
    "times per basket": ("how many baskets hold it", SHARE),
    "baskets per basket since first": (f"how many baskets hold it since {_MET} first", SHARE),
    "own recency lag": ("the time from it to the latest row", HORIZONS),
    "place among mine": ("its place among all that were met", MUTE),
    "place by fading": ("its place among all that were met", MUTE),
    "times a year ago": (f"how often {_MET} a year ago", ""),
    "together": ("how well it goes with what was met before", MUTE),
    "together_rank": ("how well it goes with what was met before", MUTE),
    "latent": ("how well it fits what similar histories hold", MUTE),
    "latent_rank": ("how well it fits what similar histories hold", MUTE),
    "network score": ("how near the network holds it", MUTE),
    "network rank": ("how near the network holds it", MUTE),
    "item: popularity": ("how many of all met it", SHARE),
    "item: bought again": ("how often it is met again", SHARE),
    "item: times per buyer": ("how often those who met it did", ""),
    "item: trend": ("how its popularity goes up or down", TIMES),
    "item: gap": ("the usual time from one time to the next, of everybody", HORIZONS),
    "item: item age": ("how long it has been there", HORIZONS),
    "item: item recency": ("the time since anybody met it", HORIZONS),
    "item: share since first": ("its popularity since it has been there", SHARE),
    "item: first met since first": ("how many met it since it has been there", SHARE),
    "item: seasons": ("its popularity at this time of year", MUTE),
    "entity: rows": ("how many rows came so far", ""),
    "entity: recency": ("the time since the latest row", HORIZONS),
    "entity: basket size": ("the usual size of a basket", ""),
    "entity: repeats": ("how often the same is met again", SHARE),
}
_IN_LAST = (
    (re.compile(r"^times in ([\d.]+)h$"), "how often it was met in the last {}", ""),
    (re.compile(r"^times, half-life ([\d.]+)h$"), "how often it was met, half as much every {}", ""),
    (re.compile(r"^share of mine in ([\d.]+)h$"), "its share of all that was met in the last {}", SHARE),
    (re.compile(r"^item: popularity in ([\d.]+)h$"), "how many of all met it in the last {}", SHARE),
    (re.compile(r"^item: first met in ([\d.]+)h$"), "how many met it first in the last {}", SHARE),
    (re.compile(r"^item: new among buyers in ([\d.]+)h$"), "how many of those were new in the last {}", SHARE),
    (re.compile(r"^entity: rows in ([\d.]+)h$"), "how many rows came in the last {}", ""),
    (re.compile(r"^entity: new in ([\d.]+)h$"), "how many of those in the last {} were new", SHARE),
)
_IN_BASKETS = re.compile(r"^times in last (\d+)$")
_KINDS = {
    "share of mine": ("the share of this {} in all that was met", SHARE),
    "share of mine, fading": ("the share of this {} in what was met, of late above all", SHARE),
    "recency": ("the time since this {} was met", HORIZONS),
    "baskets since": ("how many baskets came since this {} was met", ""),
    "lift": ("the liking for this {}, against everybody's", TIMES),
    "distinct of mine": ("the share of this {} in the different ones that were met", SHARE),
    "item's share of mine": ("its share in what was met of this {}", SHARE),
    "item's share": ("its share in this {}", SHARE),
    "expected": ("how usual it is in this {}, and this {} here", MUTE),
    "expected new": ("how usual it is in this {}, and this {} here", MUTE),
}
_KIND_LAST = re.compile(r"^(share of mine|item's share) in ([\d.]+)h$")


def _of_pair(name: str, read: Reading) -> Saying:
    if name in _PAIR:
        return Saying(*_PAIR[name])
    for pattern, what, unit in _IN_LAST:
        if found := pattern.match(name):
            return Saying(what.format(read.lately(found[1])), unit)
    if found := _IN_BASKETS.match(name):
        return Saying(f"how often it was met in the last {found[1]} baskets")
    if name.startswith("item: share in "):
        return Saying("its share in all that was met", SHARE)
    if name.startswith("source: "):
        return Saying(f"it is proposed for: {name.removeprefix('source: ')}", MUTE)
    if name.endswith(" - my mean"):
        return Saying(f"its {name.removesuffix(' - my mean')}, against what is usual here")
    if read.column and name.startswith(f"{read.column}: "):
        return _of_kind(name.removeprefix(f"{read.column}: "), read)
    return Saying(f"its {name}") if name == read.column else Saying(name)


def _of_kind(measure: str, read: Reading) -> Saying:
    if found := _KIND_LAST.match(measure):
        what, unit = _KINDS[found[1]]
        return Saying(f"{what.replace('{}', read.column)} in the last {read.lately(found[2])}", unit)
    what, unit = _KINDS.get(measure, (f"{measure} of this {{}}", ""))
    return Saying(what.replace("{}", read.column), unit)

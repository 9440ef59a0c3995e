"""What a client of `pql mcp` sees beside the answers: progress, cancelling, questions in turn, pages to read."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from clinic import clinic
from shops import seed_shop

import pql
from pql.faces.agent import Agent, Caps
from pql.faces.language_card import CARD, queries
from pql.faces.turns import CALL, Call, Turns
from pql.language.binder import bind
from pql.language.errors import PqlError
from pql.language.parser import parse_predict

pytest.importorskip("mcp")
import anyio
from mcp import Client

from pql.faces.mcp import server

RATE = "PREDICT COUNT(visits.*, 0, 20, days) = 0 FOR EACH users.user_id WITH (model = rate, cache = off)"


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PQL_HOME", str(tmp_path_factory.mktemp("home")))
        made = Agent(clinic(), Caps(rows=10, seconds=60))
        yield made
        made.close()


def _shop_of_the_page() -> dict[str, pa.Table]:
    """The tables that the page's queries stand on."""
    shop = {
        name.lower(): table.rename_columns([n.lower() for n in table.column_names])
        for name, table in seed_shop().items()
    }
    cities = pa.array([["Bern", "Basel"][i % 2] for i in range(len(shop["customers"]))])
    kinds = pa.array([["wine", "beer"][i % 2] for i in range(len(shop["products"]))])
    return {
        "customers": shop["customers"].append_column("city", cities),
        "products": shop["products"].select(["product_id"]).append_column("category", kinds),
        "orders": shop["orders"],
    }


def slow(agent: Agent, reached: list[str], *, seconds: float = 20.0) -> Any:
    """Work of many stages, of which somebody may hear and which may be broken off."""

    def work(*_: object) -> dict[str, Any]:
        for number in range(int(seconds / 0.02)):
            agent.turns.stage("train", f"round {number // 10}", None)
            time.sleep(0.02)
        reached.append("end")
        return {}

    return lambda query, limit=20: agent._within(work)


def test_who_waits_hears_what_is_done(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "predict", slow(agent, [], seconds=0.6))
    heard: list[tuple[float, str]] = []

    async def hears(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, str(message)))

    async def talked() -> Any:
        async with Client(server(agent)) as client:
            return await client.call_tool("predict", {"query": RATE}, progress_callback=hears)

    assert not asyncio.run(talked()).is_error
    assert any(message.startswith("train round") for _, message in heard)
    times = [progress for progress, _ in heard]
    assert times == sorted(set(times))  # as the protocol asks: each larger than the one before


def test_a_cancelled_question_is_broken_off_and_the_next_one_answered(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[str] = []
    monkeypatch.setattr(agent, "predict", slow(agent, reached))

    async def talked() -> Any:
        async with Client(server(agent)) as client:
            with anyio.move_on_after(0.3):
                await client.call_tool("predict", {"query": RATE})
            return await client.call_tool("validate", {"query": RATE})

    began = time.monotonic()
    assert not asyncio.run(talked()).is_error
    assert time.monotonic() - began < 10
    assert reached == []


def test_questions_at_once_are_answered_in_turn(agent: Agent) -> None:
    async def talked() -> Any:
        async with Client(server(agent)) as client:
            calls = [client.call_tool("predict", {"query": RATE}), client.call_tool("list_tables", {})]
            return await asyncio.gather(*calls, client.call_tool("validate", {"query": RATE}))

    assert [answer.is_error for answer in asyncio.run(talked())] == [False, False, False]


def test_a_question_that_waits_can_be_given_up_or_comes_too_late() -> None:
    turns, done, may_end = Turns(), [], threading.Event()
    first = threading.Thread(target=lambda: turns.within(lambda: done.append(may_end.wait(10)), 10.0))
    first.start()
    while turns._call.doing != "reading the question":
        time.sleep(0.01)
    call = Call()
    call.give_up()
    CALL.set(call)
    with pytest.raises(PqlError, match="given up before its turn"):
        turns.within(lambda: done.append(False), 10.0)
    CALL.set(None)
    with pytest.raises(PqlError, match=r"more than 0\.1 seconds"):
        turns.within(lambda: done.append(False), 0.1)
    may_end.set()
    first.join()
    turns.close(lambda: None)
    assert done == [True]
    for _ in range(2):  # and hold nobody up
        with pytest.raises(PqlError, match="after the end"):
            turns.within(lambda: done.append(False), 1.0)


def test_answers_and_errors_are_structured(agent: Agent) -> None:
    async def talked() -> Any:
        async with Client(server(agent)) as client:
            good = await client.call_tool("list_tables", {})
            return good, await client.call_tool("predict", {"query": RATE.replace("visits", "visit_s")})

    good, bad = asyncio.run(talked())
    assert good.structured_content["columns"][0] == "table"
    for query in good.structured_content["queries_to_begin_with"]:
        assert agent.validate(query)["valid"]
    assert bad.is_error
    (error,) = bad.structured_content["errors"]
    assert (error["code"], error["place"]["words"]) == ("unknown_table", "visit_s")
    assert agent.validate(error["fix"])["valid"]


def test_the_language_is_on_one_page_whose_queries_bind(agent: Agent) -> None:
    async def talked() -> Any:
        async with Client(server(agent)) as client:
            pages = [await client.read_resource(f"pql://{name}") for name in ("language", "errors/unknown_table")]
            prompt = await client.get_prompt("ask", {"question": "Who leaves?"})
            return [page.contents[0].text for page in pages], prompt.messages[0].content.text

    (card, error), asked = asyncio.run(talked())
    assert card == CARD
    assert len(card) < 5000
    assert error.startswith("unknown_table: ")
    assert "Who leaves?" in asked
    assert len(queries()) > 12
    with pql.connect(_shop_of_the_page()) as db:
        catalog = db.catalog()
    for query in queries():
        bind(parse_predict(query), catalog, text=query)


def test_a_client_that_leaves_ends_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path))
    made, reached = Agent(clinic()), []

    def ask() -> None:
        with contextlib.suppress(PqlError):
            slow(made, reached)(RATE)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.1)
    began = time.monotonic()
    made.close()
    asking.join()
    assert time.monotonic() - began < 5
    assert reached == []

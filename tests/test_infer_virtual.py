"""Entities without a table of their own: ids that others carry, and incomplete tables that describe them."""

from __future__ import annotations

import pandas as pd
from catalogs import days, infer, links

from pql.backends.overrides import Overrides
from pql.language.catalog import Role


class TestVirtualTables:
    def retail(self) -> dict[str, pd.DataFrame]:
        households = list(range(1, 41))
        return {
            "transactions": pd.DataFrame(
                {"household_id": households * 3, "store_id": [1, 2, 3] * 40, "at": days(*range(120)), "amount": 1.5}
            ),
            "coupons": pd.DataFrame({"household_id": [41, 2, 3], "used_at": days(1, 2, 3)}),
            "demographics": pd.DataFrame({"household_id": [1, 2, 3], "age": ["old", "young", "old"]}),
        }

    def test_an_incomplete_table_enriches_the_entity_it_describes(self) -> None:
        catalog = infer(self.retail())
        household = catalog.table("household")
        assert household.rows == 41
        assert household.virtual is not None
        assert set(household.virtual.sources) == {
            ("transactions", "household_id"), ("coupons", "household_id"), ("demographics", "household_id")
        }  # fmt: skip
        assert household.virtual.enriched_by == "demographics"
        assert catalog.table("demographics").enriches == "household"
        assert [column.name for column in household.columns] == ["household_id", "age"]
        assert household.clock.kind == "seen"
        assert {
            "transactions.household_id -> household.household_id",
            "coupons.household_id -> household.household_id",
        } <= (links(catalog))
        [partial] = [
            link for link in catalog.links if str(link) == "transactions.household_id -> demographics.household_id"
        ]
        assert partial.evidence.ratio == 3 / 40

    def test_unlinking_the_describing_table_leaves_the_entity(self) -> None:
        said = Overrides().unlink("transactions", "household_id", "demographics", "household_id")
        said = said.unlink("transactions", "store_id", "store", "store_id")
        catalog = infer(self.retail(), overrides=said)
        assert "transactions.household_id -> demographics.household_id" not in links(catalog)
        assert "transactions.household_id -> household.household_id" in links(catalog)
        assert not catalog.has("store")

    def test_an_id_without_a_table_is_an_entity(self) -> None:
        store = infer(self.retail()).table("store")
        assert (store.rows, store.role, store.clock.kind) == (3, Role.ENTITY, "seen")
        assert store.key is not None
        assert store.key.columns == ("store_id",)

    def test_its_name_gives_way_to_a_stored_table(self) -> None:
        tables = {**self.retail(), "store": pd.DataFrame({"note": ["a", "b"]})}
        assert infer(tables).has("store_entity")

    def test_a_number_of_every_row_is_no_entity(self) -> None:
        table = pd.DataFrame({"event_id": range(30), "request_id": range(30), "at": days(*range(30))})
        assert [t.name for t in infer({"events": table}).tables] == ["events"]

    def test_prefixed_ids_of_one_row_are_one_entity(self) -> None:
        games = pd.DataFrame({"home_team_id": [1, 2, 3] * 5, "away_team_id": [2, 3, 4] * 5, "at": days(*range(15))})
        team = infer({"games": games}).table("team")
        assert team.rows == 4

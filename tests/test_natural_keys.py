"""Keys that no name tells: codes that other tables carry, under the same name or another, and ids of other words."""

from __future__ import annotations

import pandas as pd
from catalogs import clock, infer, keys, links

import pql

AT = pd.date_range("2024-01-01", periods=120, freq="D")


def flights() -> dict[str, pd.DataFrame]:
    dest = [f"{a}{b}X" for a in "ABCDEF" for b in "KLMN"]
    return {
        "airlines": pd.DataFrame({"carrier": ["AA", "BB", "CC"], "name": ["Aa Air", "Bb Air", "Cc Air"]}),
        "airports": pd.DataFrame({"faa": dest, "alt": range(len(dest))}),
        "flights": pd.DataFrame(
            {
                "carrier": [("AA", "BB", "CC")[i % 3] for i in range(120)],
                "dest": [dest[i % 20] for i in range(120)],
                "rank": [i % 7 for i in range(120)],
                "departed_at": AT,
            }
        ),
        "grades": pd.DataFrame({"rank": range(7), "meaning": list("abcdefg")}),
    }


def test_codes_that_other_tables_carry_are_keys() -> None:
    catalog = infer(flights())
    assert keys(catalog)["airlines"] == ("carrier",)
    assert keys(catalog)["airports"] == ("faa",)
    assert keys(catalog)["grades"] is None  # a rank is a measure
    assert links(catalog) == {"flights.carrier -> airlines.carrier", "flights.dest -> airports.faa"}


def test_they_can_be_asked_for() -> None:
    with pql.connect(flights()) as db:
        result = db.predict("PREDICT COUNT(flights.*, 0, 7, days) FOR EACH airlines WITH (model = entity_mean)")
    assert sorted(row[0] for row in result) == ["AA", "BB", "CC"]


def test_words_are_no_keys() -> None:
    tables = flights() | {"towns": pd.DataFrame({"name": ["Aa Air", "Bb Air", "Cc Air"], "size": [1, 2, 3]})}
    assert keys(infer(tables))["towns"] is None


def test_the_id_that_other_tables_carry_goes_before_a_running_number() -> None:
    codes = [f"p{i:03d}" for i in range(100)]
    tables = {
        "People": pd.DataFrame({"ID": range(100), "playerID": codes, "height": range(100)}),
        "Batting": pd.DataFrame(
            {
                "playerID": codes + codes,
                "hits": range(200),
                "played_on": pd.to_datetime(["2024-01-01", "2024-01-02"] * 100),
            }
        ),
        "Salaries": pd.DataFrame({"playerID": codes + codes, "salary": range(200)}),
    }
    catalog = infer(tables)
    assert keys(catalog)["People"] == ("playerID",)
    assert links(catalog) == {"Batting.playerID -> People.playerID", "Salaries.playerID -> People.playerID"}


def test_columns_named_like_the_table_lead_to_its_clock() -> None:
    tables = {
        "invoice": pd.DataFrame({"id": range(120), "total": 1.5, "invoicedate": AT}),
        "invoiceline": pd.DataFrame({"id": range(240), "invoice": [i // 2 for i in range(240)], "quantity": 1}),
    }
    assert clock(infer(tables), "invoiceline") == ("inherited", "invoiceline.invoice -> invoice.id")


def test_pairs_with_a_table_that_lacks_values_are_answered_for_all_of_them() -> None:
    visits = pd.DataFrame(
        {
            "user_id": [i % 20 for i in range(600)],
            "shop_id": [i % 7 for i in range(600)],
            "at": pd.date_range("2024-01-01", periods=600, freq="8h"),
        }
    )
    tables = {
        "users": pd.DataFrame({"user_id": range(20), "plan": ["a", "b"] * 10}),
        "shops": pd.DataFrame({"shop_id": range(3), "name": ["x", "y", "z"]}),
        "visits": visits,
    }
    text = "PREDICT BOOL(visits.shop_id, 0, 7, days) FOR EACH users.user_id, shops.shop_id WITH (model = repeat)"
    with pql.connect(tables) as db:
        assert len(db.predict(text)) == 20 * 7


def test_the_ends_of_a_way_point_to_the_table_that_holds_their_codes() -> None:
    codes = [f"P{i:02d}" for i in range(20)]
    tables = {
        "places": pd.DataFrame({"code": codes, "country": ["DE", "FR"] * 10}),
        "shipments": pd.DataFrame(
            {
                "shipment": range(500, 620),
                "origin": [codes[i % 20] for i in range(120)],
                "destination": [codes[i % 19] for i in range(120)],
                "grade": list("ABCDEF") * 20,
                "created_at": AT,
            }
        ),
        "grades": pd.DataFrame({"code": list("ABCDEF"), "meaning": list("uvwxyz")}),
    }
    found = links(infer(tables))
    assert {"shipments.origin -> places.code", "shipments.destination -> places.code"} <= found
    assert "shipments.grade -> grades.code" in found  # by its name


def test_letters_are_no_links_without_a_name() -> None:
    tables = flights() | {"blood": pd.DataFrame({"code": list("ABCDEF"), "share": range(6)})}
    tables["flights"]["cabin"] = list("ABCDEF") * 20
    assert "flights.cabin -> blood.code" not in links(infer(tables))


def matches(first: int, *, ends: tuple[str, str]) -> dict[str, pd.DataFrame]:
    teams = range(first, first + 12)
    return {
        "teams": pd.DataFrame({"team": teams, "town": [f"town {i}" for i in teams]}),
        "matches": pd.DataFrame(
            {
                ends[0]: [teams[i % 12] for i in range(120)],
                ends[1]: [teams[(i + 5) % 12] for i in range(120)],
                "attendance": [first + i % 12 for i in range(120)],
                "played_on": AT,
            }
        ),
    }


def test_two_columns_that_hold_just_the_keys_of_a_table_point_to_it() -> None:
    tables = matches(1, ends=("home", "away"))
    tables["matches"]["attendance"] = range(3_000, 3_120)
    assert links(infer(tables)) == {"matches.home -> teams.team", "matches.away -> teams.team"}
    del tables["matches"]["away"]
    assert links(infer(tables)) == set()  # one alone may be chance


def test_a_role_before_the_name_of_the_table_is_a_link() -> None:
    tables = matches(1, ends=("home_team", "guest_team"))
    assert {"matches.home_team -> teams.team", "matches.guest_team -> teams.team"} <= links(infer(tables))


def test_large_numbers_find_their_table_without_a_name() -> None:
    ids = [2**53 + 1 + 977 * i * i for i in range(40)]
    tables = {
        "subscribers": pd.DataFrame({"msisdn": ids, "plan": list("SM") * 20}),
        "calls": pd.DataFrame(
            {
                "caller": [ids[i % 40] for i in range(120)],
                "callee": [ids[i % 39] for i in range(120)],
                "seconds": [i % 50 for i in range(120)],
                "started_at": AT,
            }
        ),
    }
    catalog = infer(tables)
    assert keys(catalog)["subscribers"] == ("msisdn",)
    assert links(catalog) == {"calls.caller -> subscribers.msisdn", "calls.callee -> subscribers.msisdn"}


def test_a_key_for_unknown_sets_the_others_not_apart() -> None:
    tables = {
        "clinics": pd.DataFrame({"clinic": [*range(1, 9), 9_999], "town": list("abcdefghi")}),
        "reviews": pd.DataFrame({"review": range(800, 920), "stars": [1 + i % 5 for i in range(120)], "at": AT}),
    }
    assert links(infer(tables)) == set()


def test_an_id_word_more_or_less_is_the_same_name() -> None:
    tables = {
        "households": pd.DataFrame({"meter": range(30), "rate": list("ab") * 15}),
        "readings": pd.DataFrame({"meter_id": [i % 30 for i in range(120)], "read_at": AT}),
        "clients": pd.DataFrame({"id": range(70, 100), "region": list("ns") * 15}),
        "accounts": pd.DataFrame({"account_no": range(900, 1020), "client_ref": [70 + i % 30 for i in range(120)]}),
    }
    assert links(infer(tables)) == {"readings.meter_id -> households.meter", "accounts.client_ref -> clients.id"}


def test_a_key_is_one_before_anything_carries_it() -> None:
    ids = [2**53 + 1 + 977 * i * i for i in range(40)]
    tables = {
        "subscribers": pd.DataFrame({"msisdn": ids, "plan": list("SM") * 20, "joined_at": AT[:40]}),
        "calls": pd.DataFrame({"caller": [ids[i % 40] for i in range(80)], "started_at": AT[40:]}),
    }
    before = int(AT[39].timestamp() * 1_000_000)
    assert keys(infer(tables, as_of=before))["subscribers"] == keys(infer(tables))["subscribers"] == ("msisdn",)
    later = tables | {"calls": tables["calls"].iloc[:0]}
    assert infer(tables, as_of=before) == infer(later, as_of=before)


def test_plurals_of_other_languages_sound_alike() -> None:
    tables = {
        "Kunden": pd.DataFrame({"id": range(1, 31), "größe": range(30)}),
        "Bestellungen": pd.DataFrame(
            {
                "nr": range(900, 1020),
                "kunde": [1 + i % 30 for i in range(120)],
                "teile": [1 + i % 30 for i in range(120)],
            }
        ),
    }
    assert links(infer(tables)) == {"Bestellungen.kunde -> Kunden.id"}
    tables["Kunden"]["id"] -= 10
    tables["Bestellungen"]["wer"] = tables["Bestellungen"].pop("kunde") - 10
    assert links(infer(tables)) == {"Bestellungen.wer -> Kunden.id"}  # numbers below zero are no counts

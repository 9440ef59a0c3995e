"""Short ways to bind a query to the shop of the tests, or to see what is wrong with it."""

from __future__ import annotations

import pytest
from shop_catalog import SHOP

from pql.language.binder import bind
from pql.language.bound import BoundQuery
from pql.language.errors import PqlError
from pql.language.parser import parse_predict


def bound(text: str, **given: object) -> BoundQuery:
    return bind(parse_predict(text), SHOP, text=text, **given)  # type: ignore[arg-type]


def fault(text: str, **given: object) -> PqlError:
    with pytest.raises(PqlError) as caught:
        bound(text, **given)
    return caught.value

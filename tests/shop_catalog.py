"""A shop as a catalog, for tests that need names and no rows: every shape of table the binder meets."""

from __future__ import annotations

from pql.language.catalog import (
    Catalog,
    Clock,
    Column,
    Key,
    Link,
    LogicalType,
    Role,
    Stype,
    Table,
    Virtual,
)

_KINDS = {
    "id": (LogicalType.INTEGER, Stype.ID),
    "text_id": (LogicalType.STRING, Stype.ID),
    "uuid": (LogicalType.UUID, Stype.ID),
    "number": (LogicalType.FLOAT, Stype.NUMBER),
    "count": (LogicalType.INTEGER, Stype.NUMBER),
    "category": (LogicalType.STRING, Stype.CATEGORY),
    "code": (LogicalType.INTEGER, Stype.CATEGORY),
    "text": (LogicalType.STRING, Stype.TEXT),
    "flag": (LogicalType.BOOLEAN, Stype.CATEGORY),
    "time": (LogicalType.TIMESTAMP, Stype.TIMESTAMP),
    "blob": (LogicalType.OTHER, Stype.IGNORED),
}


def columns(**kinds: str) -> tuple[Column, ...]:
    return tuple(Column(name, *_KINDS[kind]) for name, kind in kinds.items())


def link(child: str, column: str, parent: str, key: str) -> Link:
    return Link(child, (column,), parent, (key,))


def own(column: str) -> Clock:
    return Clock("own", column)


ITEMS_TO_ORDERS = link("order_items", "order_id", "orders", "order_id")

SHOP = Catalog(
    tables=(
        Table(
            "customers",
            columns(
                customer_id="id",
                city="category",
                age="count",
                vip="flag",
                born="time",
                joined="time",
                notes="text",
                photo="blob",
                region_id="id",
                referrer_id="id",
            ),
            Key(("customer_id",)),
            own("joined"),
            Role.ENTITY,
        ),
        Table("regions", columns(region_id="id", country="category"), Key(("region_id",)), role=Role.ENTITY),
        Table(
            "products",
            columns(product_id="id", name="text", price="number", department="category", category_id="id"),
            Key(("product_id",)),
            role=Role.ENTITY,
        ),
        Table("categories", columns(category_id="id", title="category"), Key(("category_id",)), role=Role.ENTITY),
        Table(
            "orders",
            columns(
                order_id="id",
                customer_id="id",
                product_id="id",
                amount="number",
                qty="count",
                status="code",
                paid="flag",
                voucher="category",
                ordered_at="time",
                ship_to="id",
                bill_to="id",
            ),
            Key(("order_id",)),
            own("ordered_at"),
        ),
        Table(
            "order_items",
            columns(item_id="id", order_id="id", sku="text_id", cost="number"),
            Key(("item_id",)),
            Clock("inherited", via=ITEMS_TO_ORDERS),
        ),
        Table("skus", columns(sku="text_id", colour="category"), Key(("sku",)), role=Role.ENTITY),
        Table("addresses", columns(address_id="id", zip="category"), Key(("address_id",)), role=Role.ENTITY),
        Table(
            "visits",
            columns(
                visit_id="uuid",
                customer_id="id",
                product_id="id",
                seconds="count",
                at="time",
                **{"check-in": "flag", "dwell time": "number"},
            ),
            Key(("visit_id",)),
            own("at"),
        ),
        Table("memberships", columns(customer_id="id", club_id="id", since="time")),
        Table(
            "household",
            columns(household_id="id", income="category"),
            Key(("household_id",)),
            Clock("seen"),
            Role.ENTITY,
            virtual=Virtual((("trips", "household_id"), ("demographics", "household_id")), "demographics"),
        ),
        Table(
            "demographics",
            columns(household_id="id", income="category"),
            Key(("household_id",)),
            role=Role.ENTITY,
            enriches="household",
        ),
        Table("trips", columns(household_id="id", store="code", spent="number", day="time"), None, own("day")),
        Table(
            "seats",
            columns(hall="category", number="count", kind="category"),
            Key(("hall", "number")),
            role=Role.ENTITY,
        ),
        Table("bookings", columns(hall="category", number="count", price="number", at="time"), None, own("at")),
        Table("odd name", columns(**{"the id": "id", "a value": "number"}), Key(("the id",)), role=Role.ENTITY),
    ),
    links=(
        link("customers", "region_id", "regions", "region_id"),
        link("customers", "referrer_id", "customers", "customer_id"),
        link("products", "category_id", "categories", "category_id"),
        link("orders", "customer_id", "customers", "customer_id"),
        link("orders", "product_id", "products", "product_id"),
        link("orders", "ship_to", "addresses", "address_id"),
        link("orders", "bill_to", "addresses", "address_id"),
        ITEMS_TO_ORDERS,
        link("order_items", "sku", "skus", "sku"),
        link("visits", "customer_id", "customers", "customer_id"),
        link("visits", "product_id", "products", "product_id"),
        link("memberships", "customer_id", "customers", "customer_id"),
        link("trips", "household_id", "household", "household_id"),
        link("trips", "household_id", "demographics", "household_id"),
        Link("bookings", ("hall", "number"), "seats", ("hall", "number")),
    ),
)

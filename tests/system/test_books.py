"""What the tests of the whole system hold the books against."""

from decimal import Decimal
from itertools import product

import asyncpg

from hub_money import money
from tests.support.servers import Postgres
from tests.system.books import TURNOVER


async def test_turnover_is_rounded_as_the_books_round_it(postgres_server: Postgres) -> None:
    """Ties are one in a hundred where quantities have eight places and prices two."""
    quantities = [Decimal(number).scaleb(-8) for number in (*range(1, 120), 12_345_678, 9_999_999_999)]
    prices = [Decimal(number).scaleb(-2) for number in (1, 50, 150, 250, 9_750, 12_345)]
    pairs = list(product(quantities, prices))
    connection = await asyncpg.connect(postgres_server.superuser_dsn)
    try:
        await connection.execute(
            "CREATE TEMP TABLE executions (quantity numeric(20, 8), price numeric(20, 8))"
        )
        for quantity, price in pairs:
            await connection.execute("INSERT INTO executions VALUES ($1, $2)", quantity, price)
        assert await connection.fetchval(TURNOVER) == sum(money(each * price) for each, price in pairs)
    finally:
        await connection.close()

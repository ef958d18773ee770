"""PostgreSQL: pool with deadlines, transactions, migrations, advisory locks."""

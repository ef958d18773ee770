"""The rules of the books, pure: what may be set aside, what a trade does to cash, cost and profit."""

"""Accounts, cash ledger, holds, positions and trades."""

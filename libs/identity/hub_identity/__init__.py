"""Who is calling: verification of access tokens, the live key set and deny set."""

"""Instruments, trading calendars, bars and live quotes."""

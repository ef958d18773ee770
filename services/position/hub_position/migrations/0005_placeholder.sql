-- Keeps the number for corporate actions, which come in a change of their own; with it this file goes.
SELECT 1;

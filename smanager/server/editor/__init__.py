"""The line editor: readline's manner for a terminal at the other end of a connection; no I/O anywhere in here."""

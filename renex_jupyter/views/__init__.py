"""Tables in, pictures out: the widgets that show what the store holds. They draw and never record."""

"""Tasks in which a picture is observed or is the action."""

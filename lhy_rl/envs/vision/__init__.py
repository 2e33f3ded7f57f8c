"""Pictures: tasks whose action is one."""

"""The answering engine: it yields events and writes nothing, so that every door can use the same one."""

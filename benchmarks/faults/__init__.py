"""The fault table: what frameworks do with a tool call that is wrong; one fault a call, all of it run."""

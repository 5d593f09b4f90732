"""One adapter for each peer: how it declares a tool, and how it runs an agent on a chat server."""

"""The trace viewer: a small server on the loopback interface and a page of plain ES modules."""

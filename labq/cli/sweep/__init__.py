"""How a host does with so many boots and tests at once: measured by jobs on the real server."""

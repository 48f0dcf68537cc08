"""Read by every interpreter that has this folder on its path, before anything of labq runs."""

import os

if any(name.startswith("CHAOS_") for name in os.environ):
    from tests.chaos import hands

    hands.lay_on()

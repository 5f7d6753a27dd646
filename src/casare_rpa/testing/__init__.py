"""For the tests of programs that use the queue: work jobs off, stop the clock, get a database for each test.

The fixtures are in `casare_rpa.testing.plugin`, which is for pytest; nothing else here needs it.
"""

from casare_rpa.testing.clock import FrozenClock
from casare_rpa.testing.draining import AttemptFailed, DrainResult, drain

__all__ = ["AttemptFailed", "DrainResult", "FrozenClock", "drain"]

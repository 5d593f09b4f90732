"""The flywheel: one file per step from recorded traffic to the next specialist."""

//! Whole branches in memory: phones, trunk, network, clock, disk, faults, checkers.

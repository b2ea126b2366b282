"""Fuzzing: every reader is given damaged and hostile files, and must read them correctly or refuse them in one line.

`just fuzz [READER] [--inputs N] [--seed S]`. An input depends only on the seed, its reader and its number, and is read
in a process with time and memory limits, so that a crash, a hang or a memory bomb is found and attributed.
"""

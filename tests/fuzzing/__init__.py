"""Fuzzing: every reader is given damaged and hostile files, and may only read them rightly or refuse them in one line.

`just fuzz [READER] [--inputs N] [--seed S]`. An input is made from its seed, its reader and its number alone, and read
in a process with limits of time and memory, so that a crash, a hang or a memory bomb is found and attributed.
"""

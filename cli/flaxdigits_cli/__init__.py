"""The command line of flaxdigits: it parses, calls the library, and prints."""

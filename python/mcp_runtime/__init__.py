"""The Python side of pyember: one implementation of a session, used in every isolation.

Standard library only, CPython 3.10 and newer, because it runs inside other people's environments.
Nothing here knows the protocol. Modules are imported as late as possible: each one costs memory in
every session.
"""

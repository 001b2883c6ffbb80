"""The escape and denial battery: code that wants out of a bounded session, or wants to deny others.

    case.py      what a case is
    inside.py    what every probe has at hand in its session
    cases/       the table, one file a kind
    canaries.py  what is watched outside: secrets, files, processes, listeners
    rooms.py     the rooms there are, and a server in each
    battery.py   runs the table against one room
"""

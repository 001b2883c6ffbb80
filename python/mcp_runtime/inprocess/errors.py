"""The wording of every refusal: what happened, why, and what to do next."""


def three_parts(what, why, instead):
    return f"{what}: {why}. {instead}."


def refusal(what, why, instead, error=PermissionError):
    """Make a function that refuses whatever it is called with."""

    def refuse(*args, **kwargs):
        raise error(three_parts(what, why, instead))

    refuse.__name__ = refuse.__qualname__ = what.partition("(")[0].rpartition(".")[2]
    refuse.__doc__ = why
    return refuse

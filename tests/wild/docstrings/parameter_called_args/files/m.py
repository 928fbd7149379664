"""A module."""


def select_data(query, args, database, save):
    """Take a list of arguments to query the database and return it.

    Args:
        args:
            A list of arguments.
        database:
            Which database to connect to ("origin" or "destination").
        query:
            The query.

    Raises:
        ValueError:
            When the database is no supported option.
    """
    print(query, args, database)

"""A module."""


def scale(factor):
    ("Scale it.\n\n"
     "Args:\n"
     "    shape: The author's words,\n"
     "        in two literals.\n")


def weigh(sheet, unit):
    ("Weigh a sheet.\n\n"
     "Args:\n"
     "    sheet: The author's words.\n    unit: What it is.\n")

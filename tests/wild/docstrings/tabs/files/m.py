"""A module."""


class Table:
	"""A table."""

	def add(self, row, at):
		"""Add	a row.

		Args:
			row: The values,	by column.
		"""

	def clear(self): self.rows = []

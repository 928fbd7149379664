"""A module."""


class Table:
	"""A table."""

	def add(self, row, at):
		"""Add	a row.

		Args:
			row: The values,	by column.
			at: What it is.
		"""

	def clear(self):
		"""Do what the name says."""
		self.rows = []

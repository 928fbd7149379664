"""Tasks for scripts: a prompt and data in, a value of a given type out.

`types` says what a type looks like as JSON, `schema_parts`, `formats` and `schema_grammar` what the model may write
for it, `choosing` how sure it is of a choice, `reasoning` how it thinks first, `task` asks, `batch` does so for many
rows.
"""

from nano_lsp.tasks.output_spec import OutputSpec, in_words_of, shape_of
from nano_lsp.tasks.task import MAX_TOKENS, Answer, Task

__all__ = ["MAX_TOKENS", "Answer", "OutputSpec", "Task", "in_words_of", "shape_of"]

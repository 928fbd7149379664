"""Tasks for scripts (structured output): a prompt and data in, a value of a given type out.

`output_spec` describes a Python type as a JSON schema, `schema_grammar` compiles a schema to a grammar (with
`schema_parts`, `number_grammar` and `string_formats`), `classification` scores choices, `reasoning` has the prompts
of chain of thought, `partial_json` closes truncated JSON, `task` runs one task, `batch` runs it on many rows.
"""

from nano_lsp.tasks.output_spec import OutputSpec, spec_of_type, with_field_name
from nano_lsp.tasks.task import MAX_TOKENS, Answer, Task

__all__ = ["MAX_TOKENS", "Answer", "OutputSpec", "Task", "spec_of_type", "with_field_name"]

[
  (block)
  (function_declaration)
  (function_definition)
  (do_statement)
  (while_statement)
  (for_statement)
  (if_statement)
  (repeat_statement)
] @block

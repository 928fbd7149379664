[(closure_expression) (function_type) (async_block)] @scope
(mod_item) @namespace
(impl_item) @namespace

(parameters (parameter pattern: (identifier) @parameter))
(parameters (parameter pattern: [
  (tuple_pattern) (tuple_struct_pattern) (struct_pattern) (reference_pattern) (slice_pattern)
] @parameter.text))

(_ return_type: (_) @returns
  (#not-match? @returns "^(\\(\\)|!|(\\w+::)*Result(\\s*<\\s*\\(\\)\\s*[,>].*)?)$"))
(_ return_type: (generic_type type: (type_identifier) @fails (#match? @fails "Result$")))
(_ return_type: (generic_type type: (scoped_type_identifier name: (_) @fails (#match? @fails "Result$"))))
(_ return_type: (type_identifier) @fails (#match? @fails "Result$"))
(_ return_type: (scoped_type_identifier name: (_) @fails (#match? @fails "Result$")))
(macro_invocation macro: (identifier) @panics (#any-of? @panics "panic" "assert" "assert_eq" "assert_ne"))
(function_modifiers "unsafe" @unsafe)

([
  (function_item (visibility_modifier) @public)
  (struct_item (visibility_modifier) @public)
  (enum_item (visibility_modifier) @public)
  (union_item (visibility_modifier) @public)
  (trait_item (visibility_modifier) @public)
] (#eq? @public "pub"))
(trait_item body: (declaration_list [
  (function_signature_item name: (_) @public)
  (function_item name: (_) @public)
]))

(attribute_item) @leading
(attribute (identifier) @_doc value: (_) @documented (#eq? @_doc "doc"))

[(line_comment) (block_comment)] @comment
((line_comment) @documentation (#match? @documentation "^///([^/]|$)"))
((block_comment) @documentation (#match? @documentation "^/\\*\\*[^*/]"))
((line_comment) @directive (#match? @directive "^//\\s*(rustfmt|tarpaulin|coverage|spell-checker)"))

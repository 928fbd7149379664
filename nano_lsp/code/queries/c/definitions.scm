; A declarator is nested: that of a function that returns a pointer is within that of the pointer.
(function_definition
  type: (_) @result
  declarator: [
    (function_declarator
      declarator: (_) @name
      parameters: (_) @parameters)
    (pointer_declarator (function_declarator
      declarator: (_) @name
      parameters: (_) @parameters))
    (pointer_declarator (pointer_declarator (function_declarator
      declarator: (_) @name
      parameters: (_) @parameters)))
  ]
  body: (_) @body) @function

; prototypes
(declaration
  type: (_) @result
  declarator: [
    (function_declarator
      declarator: (identifier) @name
      parameters: (_) @parameters)
    (pointer_declarator (function_declarator
      declarator: (identifier) @name
      parameters: (_) @parameters))
    (pointer_declarator (pointer_declarator (function_declarator
      declarator: (identifier) @name
      parameters: (_) @parameters)))
  ]) @function

([
  (struct_specifier name: (_) @name body: (_) @body)
  (union_specifier name: (_) @name body: (_) @body)
  (enum_specifier name: (_) @name body: (_) @body)
] @class)

(type_definition
  type: [
    (struct_specifier body: (_) @body)
    (union_specifier body: (_) @body)
    (enum_specifier body: (_) @body)
  ]
  declarator: (type_identifier) @name) @class

(type_definition
  type: [
    (primitive_type)
    (type_identifier)
    (sized_type_specifier)
    (struct_specifier !body)
    (union_specifier !body)
    (enum_specifier !body)
  ]
  declarator: (_) @name) @value

(translation_unit (declaration
  declarator: [
    (identifier) @name
    (init_declarator declarator: (identifier) @name)
  ]) @value)

([
  (preproc_def name: (_) @name)
  (preproc_function_def name: (_) @name)
] @value)

([
  (preproc_ifdef)
  (preproc_if)
  (preproc_else)
  (preproc_elif)
] @group)

; extern "C" { … }
(linkage_specification body: (_) @body) @group

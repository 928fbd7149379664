; What only C++ has. The rest: c/.
(function_definition
  type: (_) @result
  declarator: (reference_declarator (function_declarator
    declarator: (_) @name
    parameters: (_) @parameters))
  body: (_) @body) @function

; constructors, destructors and conversions
(function_definition
  !type
  declarator: (function_declarator
    declarator: (_) @name
    parameters: (_) @parameters)
  body: (_) @body) @function

(function_definition
  declarator: (operator_cast
    type: (_) @name
    declarator: (abstract_function_declarator parameters: (_) @parameters))
  body: (_) @body) @function

; ~A() = default; A(const A&) = delete;
(function_definition
  declarator: [
    (function_declarator
      declarator: (_) @name
      parameters: (_) @parameters)
    (reference_declarator (function_declarator
      declarator: (_) @name
      parameters: (_) @parameters))
  ]
  [(default_method_clause) (delete_method_clause)]) @function

; declared within a class
(field_declaration
  type: (_) @result
  declarator: [
    (function_declarator
      declarator: (_) @name
      parameters: (_) @parameters)
    (pointer_declarator (function_declarator
      declarator: (_) @name
      parameters: (_) @parameters))
    (reference_declarator (function_declarator
      declarator: (_) @name
      parameters: (_) @parameters))
  ]) @function

(field_declaration_list (declaration
  !type
  declarator: (function_declarator
    declarator: (_) @name
    parameters: (_) @parameters)) @function)

(class_specifier name: (_) @name body: (_) @body) @class
(namespace_definition name: (_)? @name body: (_) @body) @group

([
  (alias_declaration name: (_) @name)
  (concept_definition name: (_) @name)
] @value)

(template_declaration) @wrapper

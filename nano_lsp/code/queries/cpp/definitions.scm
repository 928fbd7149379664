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

(linkage_specification body: (_) @body) @group

(method_declaration
  type: (_) @result
  name: (_) @name
  parameters: (_) @parameters
  body: (_)? @body) @function

(constructor_declaration
  name: (_) @name
  parameters: (_) @parameters
  body: (_) @body) @function

(compact_constructor_declaration
  name: (_) @name
  body: (_) @body) @function

([
  (class_declaration name: (_) @name body: (_) @body)
  (interface_declaration name: (_) @name body: (_) @body)
  (enum_declaration name: (_) @name body: (_) @body)
  (record_declaration name: (_) @name body: (_) @body)
  (annotation_type_declaration name: (_) @name body: (_) @body)
] @class)

([
  (field_declaration declarator: (variable_declarator name: (_) @name))
  (constant_declaration declarator: (variable_declarator name: (_) @name))
  (enum_constant name: (_) @name)
] @value)

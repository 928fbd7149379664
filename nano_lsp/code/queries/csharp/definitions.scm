([
  (method_declaration
    returns: (_) @result
    name: (_) @name
    parameters: (_) @parameters
    body: (_)? @body)
  (local_function_statement
    type: (_) @result
    name: (_) @name
    parameters: (_) @parameters
    body: (_)? @body)
  (constructor_declaration
    name: (_) @name
    parameters: (_) @parameters
    body: (_)? @body)
  (destructor_declaration
    name: (_) @name
    parameters: (_) @parameters
    body: (_)? @body)
  (delegate_declaration
    type: (_) @result
    name: (_) @name
    parameters: (_) @parameters)
] @function)

([
  (class_declaration name: (_) @name body: (_)? @body)
  (interface_declaration name: (_) @name body: (_)? @body)
  (struct_declaration name: (_) @name body: (_)? @body)
  (record_declaration name: (_) @name body: (_)? @body)
  (enum_declaration name: (_) @name body: (_)? @body)
] @class)

(namespace_declaration name: (_) @name body: (_) @body) @group

([
  (property_declaration name: (_) @name)
  (field_declaration (variable_declaration (variable_declarator name: (_) @name)))
  (enum_member_declaration name: (_) @name)
] @value)

; What only TypeScript has. The rest: ecmascript/.
([
  (function_declaration return_type: (type_annotation (_) @result))
  (generator_function_declaration return_type: (type_annotation (_) @result))
  (method_definition return_type: (type_annotation (_) @result))
  (lexical_declaration . (variable_declarator
    value: (arrow_function return_type: (type_annotation (_) @result))) .)
] @function)

([
  (function_signature
    name: (_) @name
    parameters: (_) @parameters
    return_type: (type_annotation (_) @result)?)
  (method_signature
    name: (_) @name
    parameters: (_) @parameters
    return_type: (type_annotation (_) @result)?)
  (abstract_method_signature
    name: (_) @name
    parameters: (_) @parameters
    return_type: (type_annotation (_) @result)?)
] @function)

([
  (abstract_class_declaration
    name: (_) @name
    body: (_) @body)
  (interface_declaration
    name: (_) @name
    body: (_) @body)
  (enum_declaration
    name: (_) @name
    body: (_) @body)
] @class)

; namespaces
([
  (internal_module
    name: (_) @name
    body: (_) @body)
  (module
    name: (_) @name
    body: (_) @body)
] @group)

([
  (type_alias_declaration name: (_) @name)
  (public_field_definition name: (_) @name)
  (property_signature name: (_) @name)
] @value)

(ambient_declaration) @wrapper

(public_field_definition
  name: (_) @name
  value: (arrow_function
    parameters: (_) @parameters
    return_type: (type_annotation (_) @result)?
    body: (_) @body)) @function

(function_declaration
  name: (_) @name
  parameters: (_) @parameters
  result: (_)? @result
  body: (_)? @body) @function

(method_declaration
  receiver: (parameter_list (parameter_declaration type: [
    (type_identifier) @class_name
    (pointer_type (type_identifier) @class_name)
    (generic_type type: (_) @class_name)
    (pointer_type (generic_type type: (_) @class_name))
  ]))
  name: (_) @name
  parameters: (_) @parameters
  result: (_)? @result
  body: (_)? @body) @function

(type_declaration
  (type_spec
    name: (_) @name
    type: [
      (struct_type (field_declaration_list) @body)
      (interface_type) @body
    ])) @class

(type_declaration
  (type_spec
    name: (_) @name
    type: [
      (type_identifier)
      (qualified_type)
      (generic_type)
      (pointer_type)
      (slice_type)
      (array_type)
      (map_type)
      (channel_type)
      (function_type)
      (parenthesized_type)
    ])) @value

(type_declaration (type_alias name: (_) @name)) @value

(interface_type
  (method_elem
    name: (_) @name
    parameters: (_) @parameters
    result: (_)? @result) @function)

(const_declaration (const_spec name: (_) @name)) @value
(source_file (var_declaration (var_spec name: (_) @name)) @value)

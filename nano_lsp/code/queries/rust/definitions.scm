(function_item
  name: (_) @name
  parameters: (_) @parameters
  return_type: (_)? @result
  body: (_) @body) @function

(function_signature_item
  name: (_) @name
  parameters: (_) @parameters
  return_type: (_)? @result) @function

(macro_definition name: (_) @name) @value

([
  (struct_item name: (_) @name body: (field_declaration_list)? @body)
  (enum_item name: (_) @name body: (_) @body)
  (union_item name: (_) @name body: (_) @body)
  (trait_item name: (_) @name body: (_) @body)
  (mod_item name: (_) @name body: (_) @body)
] @class)

(impl_item
  type: [
    (type_identifier) @name
    (generic_type type: (_) @name)
    (scoped_type_identifier name: (_) @name)
  ]
  body: (_) @body) @class

([
  (const_item name: (_) @name)
  (static_item name: (_) @name)
  (type_item name: (_) @name)
] @value)
